"""The durable queue of `track()`: workers are given events until they settle them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from meterdeck.core.adapters.queue_calls import QueueCalls, RawEntry, Sent, Taken
from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Answer, Attempt, EventState, Verdict
from meterdeck.core.model.queued import QueueAlarms, QueuedEvent, QueuedResult
from meterdeck.core.model.text import visible
from meterdeck.core.services.queue_entries import Entry, foreign_entry, read_entry
from meterdeck.core.services.queue_settling import QueueSettling
from meterdeck.core.services.tenant_fields import decode

_AT_ONCE = 64  # queues that are looked at in one round trip
_LOOKED_AT = 500  # entries, for the oldest one whose tenant has a customer
_TIDIED_S = 600.0
_LIST_KEPT_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Queue:
    """One queue; `tenant` is empty where it is everybody's."""

    key: bytes
    sent: bytes
    tenant: str


_Found = tuple[_Queue, RawEntry]


class EventQueue:
    """Gives a worker queued events, and takes out those that it settled.

    An event that a worker does not settle is given to another one, or to the same,
    `delivery.takeover_s` after it was given last. It is given with the same payload
    each time: the customer it is first given with is noted beside the queue.

    Args:
        worker: Name of the worker, its own as long as it lives.
    """

    def __init__(self, redis: Redis, context: Context, worker: str) -> None:
        self._redis = redis
        self._layout = context.redis.layout
        takeover_ms = int(context.delivery.takeover_s * 1000)
        self._calls = QueueCalls(redis, worker, takeover_ms)
        self._settling = QueueSettling(redis, context, self._calls)
        self._known: list[_Queue] = []
        self._known_until = -1.0
        self._next = 0
        self._grouped: set[bytes] = set()
        self._unusable: set[bytes] = set()
        self._tidied: set[bytes] = set()
        self._tidied_until = -1.0
        self.alarms = QueueAlarms()

    async def take(self, count: int) -> list[QueuedEvent]:
        """Give this worker about `count` events at most; none is waited for.

        Every tenant's queue has its turn, however long another one's is. Entries that
        `track()` did not write become dead letters at once. An event whose tenant has
        no customer is given with an empty one: settle it as LATER.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: Those that were given
                already are given again later.
        """
        queues = await self._queues()
        found: list[_Found] = []
        turn, self._next = self._next, self._next + 1
        waiting = (
            [*queues[turn % len(queues) :], *queues[: turn % len(queues)]]
            if (queues)
            else []
        )
        tried: set[bytes] = set()
        while waiting and len(found) < count:
            batch = waiting[: min(_AT_ONCE, count - len(found))]
            share = max(1, (count - len(found)) // len(batch))
            taken = await self._calls.take([each.key for each in batch], share)
            again = []
            for queue, each in zip(batch, taken, strict=True):
                found += [(queue, raw) for raw in each.entries]
                if await self._repaired(queue, each, tried) or (
                    len(each.entries) >= share
                ):
                    again.append(queue)
            waiting = [*waiting[len(batch) :], *again]
        return await self._read(found)

    async def settle(self, results: Sequence[QueuedResult]) -> None:
        """Take settled events out, each once, with their lines of the log and letters.

        Safe to repeat, and safe when another worker settled them: then nothing is
        changed, but that one which was given up and was delivered loses its letter.
        With LATER an event stays, and is given again by itself.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: Some may be settled.
        """
        done = [each for each in results if each.verdict is not Verdict.LATER]
        if not done:
            return
        now, _ = await self._calls.customers([])
        done.sort(key=lambda each: self._layout.queue(each.queued.tenant))
        for key, some in groupby(
            done, key=lambda each: self._layout.queue(each.queued.tenant)
        ):
            those = [*some]
            sent = self._layout.queued(those[0].queued.tenant)
            await self._settling.settle(key, sent, those, now)

    async def length(self) -> int:
        """Return how many events are not settled."""
        queues = await self._queues()
        return sum(await self._calls.lengths([each.key for each in queues]))

    async def oldest(self) -> datetime | None:
        """Return when the oldest event was queued that is not settled and can be sent.

        One whose tenant has no customer cannot. Of a queue that is everybody's only so
        many are looked at.
        """
        count = 1 if self._layout.tagged else _LOOKED_AT
        events = await self._events(await self._first(count), note=False)
        return next((each.queued_at for each in events if each.event.customer), None)

    async def waiting(self, count: int) -> list[QueuedEvent]:
        """Return the oldest `count` events that are not settled, and give none.

        QUEUED are those that no worker has taken, IN_FLIGHT the others.
        """
        return await self._events((await self._first(count))[:count], note=False)

    async def _first(self, count: int) -> list[_Found]:
        """Return the oldest `count` entries of each queue, the oldest of all first."""
        queues = await self._queues()
        found: list[_Found] = []
        for start in range(0, len(queues), _AT_ONCE):
            batch = queues[start : start + _AT_ONCE]
            first = await self._calls.first([each.key for each in batch], count)
            found += [
                (q, raw) for q, raws in zip(batch, first, strict=True) for raw in raws
            ]
        found.sort(key=lambda each: each[1].queued_at)
        return found

    async def _queues(self) -> list[_Queue]:
        if not self._layout.tagged:
            return [_Queue(self._layout.queue(""), self._layout.queued(""), "")]
        if time.monotonic() >= self._known_until:
            with redis_errors():
                names = await self._redis.smembers(self._layout.queues())
            layout = self._layout
            self._known = [
                _Queue(layout.queue(name), layout.queued(name), name)
                for name in sorted(decode(each) for each in names)
            ]
            self._known_until = time.monotonic() + _LIST_KEPT_S
            keys = {each.key for each in self._known}
            self._grouped &= keys
            self._unusable &= keys
            self._calls.keep(keys)
        return self._known

    async def _repaired(self, queue: _Queue, taken: Taken, tried: set[bytes]) -> bool:
        """See to what is wrong with a queue; tell whether it is worth another look."""
        if taken.problem and queue.key not in self._unusable:
            self._unusable.add(queue.key)
            _log.error("queue_unusable key=%s", visible(decode(queue.key)))
        if taken.gone:
            self.alarms.entries_lost += len(taken.gone)
            _log.error("queued_events_lost ids=%s", ",".join(taken.gone))
            await self._calls.forget_sent(queue.sent, taken.gone)
        if not taken.no_group:
            if not taken.problem and queue.key not in self._grouped:
                self._unusable.discard(queue.key)
                self._grouped.add(queue.key)
                await self._calls.tidy(queue.key)
            if not taken.problem:
                await self._tidy(queue)
            return False
        if queue.key in tried:
            return False
        tried.add(queue.key)
        been_there = await self._calls.make_group(queue.key)
        if been_there or queue.key in self._grouped:
            self._grouped.discard(queue.key)
            self.alarms.groups_lost += 1
            _log.error("queue_group_lost key=%s", visible(decode(queue.key)))
        return been_there is not None

    async def _tidy(self, queue: _Queue) -> None:
        """Look every ten minutes for notes of events that were settled before."""
        if time.monotonic() >= self._tidied_until:
            self._tidied.clear()
            self._tidied_until = time.monotonic() + _TIDIED_S
        if queue.key not in self._tidied:
            self._tidied.add(queue.key)
            await self._calls.forget_settled(queue.key, queue.sent)

    async def _read(self, found: Sequence[_Found]) -> list[QueuedEvent]:
        return await self._events(found, note=True)

    async def _events(
        self, found: Sequence[_Found], *, note: bool
    ) -> list[QueuedEvent]:
        ours: list[tuple[_Queue, RawEntry, Entry]] = []
        foreign: list[tuple[_Queue, RawEntry, str]] = []
        for queue, raw in found:
            entry = read_entry(raw)
            if isinstance(entry, str):
                foreign.append((queue, raw, entry))
            elif queue.tenant not in ("", entry.tenant):
                foreign.append((queue, raw, f"tenant is {visible(entry.tenant)!r}"))
            else:
                ours.append((queue, raw, entry))
        if foreign and note:
            await self._bury(foreign)
        if not ours:
            return []
        return await self._with_customers(ours, note=note)

    async def _with_customers(
        self, ours: Sequence[tuple[_Queue, RawEntry, Entry]], *, note: bool
    ) -> list[QueuedEvent]:
        tenants = sorted({entry.tenant for _, _, entry in ours})
        now, named = await self._calls.customers(
            [self._layout.tenant(each) for each in tenants]
        )
        customers = dict(zip(tenants, named, strict=True))
        notes = [
            (
                queue.sent,
                raw.id,
                Sent(now, customers[entry.tenant])
                if note and customers[entry.tenant]
                else None,
            )
            for queue, raw, entry in ours
        ]
        noted = await self._calls.note_sent(notes)
        return [
            _event(raw, entry, sent, now, customers[entry.tenant])
            for (_, raw, entry), sent in zip(ours, noted, strict=True)
        ]

    async def _bury(self, foreign: Sequence[tuple[_Queue, RawEntry, str]]) -> None:
        """Make dead letters of entries that `track()` did not write."""
        now, _ = await self._calls.customers([])
        for queue, raw, why in foreign:
            entry = foreign_entry(raw, queue.tenant)
            reason = f"it was not queued by track(): {why}"
            attempt = Attempt(Answer.REFUSED, now, reason, "check_queue_entry")
            queued = _event(raw, entry, None, now, "")
            dead = QueuedResult(queued, Verdict.DEAD, attempt, attempts=0)
            await self._settling.settle(queue.key, queue.sent, [dead], now)
            self.alarms.foreign += 1
            _log.error("queued_event_foreign id=%s", raw.id)


def _event(
    raw: RawEntry, entry: Entry, sent: Sent | None, now: datetime, customer: str
) -> QueuedEvent:
    known = sent.customer if sent else customer
    return QueuedEvent(
        id=raw.id,
        tenant=entry.tenant,
        resource=entry.resource,
        period=entry.period,
        event=replace(entry.event, customer=known),
        units=entry.units,
        scale=entry.scale,
        queued_at=raw.queued_at,
        first_sent_at=sent.at if sent else now,
        deliveries=raw.deliveries,
        state=EventState.IN_FLIGHT if raw.deliveries else EventState.QUEUED,
        maybe_sent=sent is not None and sent.before,
    )
