"""The ledger of meter events: log, queue, billing records and letters as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import BadInput, NotFound
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import BillingRecord, EventState, Letter
from meterdeck.core.model.event_lines import attempts_of
from meterdeck.core.model.events import EventSource, LoggedEvent
from meterdeck.core.model.ledger import (
    NEEDING,
    EventFilter,
    EventStory,
    LedgerEvent,
    event_of_claim,
    event_of_letter,
    event_of_queued,
    received_at,
)
from meterdeck.core.model.ledger_sight import LedgerSight, newest_events
from meterdeck.core.model.periods import Cycle, billing_cycle
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import CounterId
from meterdeck.core.model.windows import Window, windows_of
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.event_bodies import EventBodies
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.letter_reading import LetterReading

MOST_WAITING = 1000
"""Events in flight, and events in the queue, that are looked at."""
MOST_LETTERS = 10_000
"""Letters that are looked at."""

_PAGE = 1000
_SHORTEST = 6  # characters of an identifier that may stand for all of it
_READER = "ledger"  # it claims and takes nothing
_AHEAD = timedelta(days=1)  # no lease is longer


class Ledger:
    """One view of meter events; changes nothing."""

    def __init__(
        self,
        redis: Redis,
        context: Context,
        *,
        log: DeliveryLog,
        directory: Directory,
        bodies: EventBodies,
    ) -> None:
        self._redis = redis
        self._log = log
        self._directory = directory
        self._bodies = bodies
        self._records = BillingRecords(redis, context, worker=_READER)
        self._letters = LetterReading(redis, context)
        self._queue = EventQueue(redis, context, worker=_READER)

    async def latest(self, wanted: EventFilter, count: int) -> tuple[LedgerEvent, ...]:
        """Return the `count` wanted events that changed last, newest last; each once.

        Looks at the whole delivery log if it must, and at as many events that wait
        and letters as `MOST_WAITING` and `MOST_LETTERS` say.
        """
        sight = await self.sight()
        lines: list[LoggedEvent] = []
        async for page in self._log.pages(_PAGE):
            lines += page
            sight.confirmed |= await self._confirmed(page)
            if len(lines) > len(page):
                continue  # the newest page was not enough: all are looked at, once
            events = newest_events(sight, lines, wanted, count)
            # What is further back changed before the last of these.
            if len(events) == count and events[-1].at >= page[-1].at:
                return tuple(reversed(events))
        return tuple(reversed(newest_events(sight, lines, wanted, count)))

    async def after(
        self, line: str, wanted: EventFilter, count: int
    ) -> tuple[tuple[LedgerEvent, ...], str]:
        """Return what became of wanted events after a line, and the last line read.

        As the log tells it, oldest first, at most `count` lines: an event comes
        again with each change.
        """
        found = await self._log.after(line, count)
        events = (self._told(each) for each in found)
        wanted_ones = tuple(event for event in events if wanted.takes(event))
        return wanted_ones, found[-1].id if found else line

    async def sight(
        self, lines: Iterable[LoggedEvent] = (), *, letters: int = MOST_LETTERS
    ) -> LedgerSight:
        """Return what Redis says of events now, and which of `lines` are confirmed.

        Args:
            letters: So many are looked at.
        """
        waiting = [*await self._flying(), *await self._queued()]
        found = [letter async for letter in self._letters.all(letters)]
        return LedgerSight(waiting, found, await self._confirmed(lines))

    async def needing(self, limit: int) -> int:
        """Return how many letters need somebody; of `limit` that are looked at."""
        found = [letter async for letter in self._letters.all(limit)]
        return sum(letter.state in NEEDING for letter in found)

    async def letters(
        self, tenant: str = ""
    ) -> tuple[tuple[LedgerEvent, tuple[Window, ...]], ...]:
        """Return letters with what can still be done, the newest first.

        Those of a tenant, or of all, `MOST_LETTERS` at most.
        """
        if tenant:
            found = [*await self._letters.of(tenant)]
        else:
            found = [letter async for letter in self._letters.all(MOST_LETTERS)]
        found.sort(key=lambda letter: letter.at, reverse=True)
        tenants = {letter.tenant for letter in found}
        cycles = {tenant: await self._cycle(tenant) for tenant in tenants}
        return tuple([_with_windows(letter, cycles[letter.tenant]) for letter in found])

    async def open(self, identifier: str) -> EventStory:
        """Return all that is known of an event, by its identifier or its beginning.

        Raises:
            NotFound: Neither the log nor anything that waits has it.
            BadInput: Several events begin like this.
        """
        lines = await self._log.beginning(identifier)
        own = [line for line in lines if line.event.identifier == identifier]
        if own:
            return await self._story((await self._sight_of(own)).event_of(own[0]), own)
        sight = await self.sight(lines)
        found = {line.event.identifier: sight.event_of(line) for line in lines[::-1]}
        for event in sight.apart(EventFilter()):
            if event.identifier.startswith(identifier):
                found.setdefault(event.identifier, event)
        event = _only(identifier, found)
        own = [line for line in lines if line.event.identifier == event.identifier]
        return await self._story(event, own)

    async def _sight_of(self, lines: list[LoggedEvent]) -> LedgerSight:
        """Return what Redis says now of the event of these lines."""
        waiting = [*await self._flying(), *await self._queued()]
        letters = []
        for tenant in {line.tenant for line in lines}:
            with suppress(NotFound):
                name = lines[0].event.identifier
                letters.append(await self._letters.get(tenant, name))
        return LedgerSight(waiting, letters, await self._confirmed(lines))

    async def _story(self, event: LedgerEvent, lines: list[LoggedEvent]) -> EventStory:
        """Tell an event in full; `lines` are its own, newest first."""
        line, now = event.line, await server_time(self._redis)
        counter = CounterId(line.tenant, line.resource, line.period)
        record = await self._record(counter) if line.sequence and line.period else None
        told, confirmed = lines or [line], event.state is EventState.CONFIRMED
        first_sent_at = _first_sent(told, event)
        return EventStory(
            event,
            attempts=tuple(
                attempt for each in reversed(lines) for attempt in attempts_of(each)
            ),
            body=await self._bodies.of(line.event),
            windows=windows_of(
                event.state,
                timestamp=line.event.timestamp,
                first_sent_at=first_sent_at,
                received_at=received_at(told),
                period_end=_period_end(
                    await self._cycle(line.tenant), line.event.timestamp
                ),
            ),
            now=now,
            confirmed_at=record.confirmed_at if record and confirmed else None,
        )

    @staticmethod
    def _told(line: LoggedEvent) -> LedgerEvent:
        return LedgerSight().event_of(line)

    async def _flying(self) -> list[LedgerEvent]:
        now = await server_time(self._redis)
        counters = await self._records.unsettled(now + _AHEAD, MOST_WAITING)
        records = await self._records.read(counters)
        return [event_of_claim(record.claim) for record in records if record.claim]

    async def _queued(self) -> list[LedgerEvent]:
        return [
            event_of_queued(each) for each in await self._queue.waiting(MOST_WAITING)
        ]

    async def _confirmed(self, lines: Iterable[LoggedEvent]) -> dict[CounterId, int]:
        counters = {
            CounterId(line.tenant, line.resource, line.period)
            for line in lines
            if line.source is EventSource.WORKER and line.sequence and line.period
        }
        records = await self._records.read(tuple(counters)) if counters else []
        return {record.counter: record.confirmed_sequence for record in records}

    async def _record(self, counter: CounterId) -> BillingRecord:
        (record,) = await self._records.read([counter])
        return record

    async def _cycle(self, tenant: str) -> Cycle | None:
        """Return a tenant's billing cycle at Stripe, where it has one."""
        try:
            return (await self._directory.get(tenant)).cycle if tenant else None
        except NotFound:
            return None


def _period_end(cycle: Cycle | None, at: datetime) -> datetime | None:
    """Return the end of the billing period that holds a moment."""
    return None if cycle is None else billing_cycle(cycle, at).end


def _with_windows(
    letter: Letter, cycle: Cycle | None
) -> tuple[LedgerEvent, tuple[Window, ...]]:
    windows = windows_of(
        letter.state,
        timestamp=letter.event.timestamp,
        first_sent_at=letter.first_sent_at,
        received_at=letter.first_sent_at,
        period_end=_period_end(cycle, letter.event.timestamp),
    )
    return event_of_letter(letter), windows


def _only(identifier: str, found: Mapping[str, LedgerEvent]) -> LedgerEvent:
    """Return the event of that identifier, else the only one that begins like it."""
    shown = visible(identifier, 100)
    if identifier in found:
        return found[identifier]
    if len(found) > 1 and len(identifier) >= _SHORTEST:
        raise BadInput(
            f"{len(found):,} events begin with {shown}; write more of the identifier"
        )
    if not found or len(identifier) < _SHORTEST:
        raise NotFound(
            f"no meter event {shown} is known: it is not among the newest lines of the"
            " delivery log and waits nowhere; look for it with: meterdeck events"
            " --grep TEXT"
        )
    (event,) = found.values()
    return event


def _first_sent(lines: list[LoggedEvent], event: LedgerEvent) -> datetime | None:
    """Return the earliest moment at which the event may have been sent first."""
    told = [line.first_sent_at or line.sent_at or line.at for line in lines]
    if event.letter is not None:
        told.append(event.letter.first_sent_at)
    return min(told, default=None)
