"""Queues of meter events as Redis has them: streams, read by one consumer group."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from redis.exceptions import ResponseError

from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    clock_time,
    from_milliseconds,
    redis_errors,
)
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.errors import RedisRefused

GROUP = "meterdeck"
"""The consumer group of all workers."""

SETTLE_QUEUED = ("checks", "letters", "settle_queued")
"""The files that make up the script's text."""

MOST_SETTLED = 64
"""Entries that one script call settles."""

_ENTRY = re.compile(rb"[0-9]+-[0-9]+")
_LOOKED_AT_ONCE = 500
_FORGOTTEN_MS = 86_400_000
_MOST_PENDING = 10_000
_FROM_THE_START = "0-0"


@dataclass(frozen=True, slots=True)
class RawEntry:
    """An entry of a queue, not read yet; `deliveries` is 0 where nobody has it."""

    id: str
    fields: Mapping[bytes, bytes]
    deliveries: int = 1

    @property
    def queued_at(self) -> datetime:
        """When it was queued, by the clock of the server that did it."""
        return from_milliseconds(min(int(self.id.partition("-")[0]), 10**14))


@dataclass(slots=True)
class Taken:
    """What one look at a queue gave.

    Attributes:
        gone: Entries that were given to somebody and that are in no queue any more.
        no_group: There is no consumer group; nothing was given.
        problem: What is in place of the queue, as the server says it.
    """

    entries: list[RawEntry] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    no_group: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What is noted of an entry when it is given to a worker that can send it.

    Attributes:
        before: It was noted before, when the entry was given to somebody earlier.
    """

    at: datetime
    customer: str
    before: bool = False

    @property
    def text(self) -> bytes:
        """Return it as the hash has it."""
        ms = int(self.at.timestamp() * 1000)
        return f"{ms} {self.customer}".encode("utf-8", "surrogateescape")

    @classmethod
    def read(cls, text: bytes | None) -> Sent | None:
        """Read it back; None where it is none."""
        ms, _, customer = (
            (text or b"").decode("utf-8", "surrogateescape").partition(" ")
        )
        if not (ms.isascii() and ms.isdigit() and len(ms) < 15 and customer):
            return None
        return cls(from_milliseconds(int(ms)), customer)


class QueueCalls:
    """Commands on queues, many queues in one round trip.

    Every method may raise RedisUnreachable or RedisRefused. An entry whose reply was
    lost is given again when `idle_ms` are over.

    Args:
        worker: The consumer's name.
        idle_ms: After so long an entry is taken from a worker that did not settle it.
    """

    def __init__(self, redis: Redis, worker: str, idle_ms: int) -> None:
        self._redis = redis
        self._worker = worker
        self._idle_ms = idle_ms
        self._cursors: dict[bytes, str] = {}
        self._settle = Script(*SETTLE_QUEUED)
        self._tidy = Script("checks", "tidy_consumers")

    def keep(self, queues: AbstractSet[bytes]) -> None:
        """Forget how far any other queue was read: it is gone."""
        for gone in self._cursors.keys() - queues:
            del self._cursors[gone]

    async def take(self, queues: Sequence[bytes], count: int) -> list[Taken]:
        """Give at most `count` entries of each queue to this worker.

        Half of them may be such that a worker had and did not settle; these come
        first. Of one queue there may be two where `count` is 1.
        """
        pipe = self._redis.pipeline(transaction=False)
        send: Any = pipe.execute_command  # the library's, without types
        for queue in queues:
            start = self._cursors.get(queue, _FROM_THE_START)
            claim = ("XAUTOCLAIM", queue, GROUP, self._worker, self._idle_ms, start)
            claimed = max(1, count // 2)
            send(*claim, "COUNT", claimed)
            fresh = max(1, count - claimed)
            read = ("XREADGROUP", "GROUP", GROUP, self._worker, "COUNT", fresh)
            send(*read, "STREAMS", queue, ">", keys=[queue])
        with redis_errors():
            replies = await pipe.execute(raise_on_error=False)
            found = [
                self._taken(queue, replies[2 * number], replies[2 * number + 1])
                for number, queue in enumerate(queues)
            ]
        await self._count_deliveries(queues, found)
        return found

    async def make_group(self, queue: bytes) -> bool | None:
        """Make the group, from the first entry on; tell whether it had been there.

        None, and nothing is made, where there is no queue.
        """
        try:
            with redis_errors():
                state = await self._redis.xinfo_stream(queue)
                await self._redis.xgroup_create(queue, GROUP, "0")
        except RedisRefused as error:
            if "no such key" in str(error.__cause__):
                return None
            if "BUSYGROUP" not in str(error.__cause__):
                raise
            return False  # another worker has made it
        added = cast("Mapping[str, int]", state)["entries-added"]
        return added > cast("Mapping[str, int]", state)["length"]

    async def tidy(self, queue: bytes) -> None:
        """Forget workers that have had nothing and asked for nothing for a day."""
        await self._tidy.run(
            self._redis,
            [queue],
            [GROUP, _FORGOTTEN_MS],
            what="forgetting workers that are gone",
            operation_id="",
        )

    async def customers(self, entries: Sequence[bytes]) -> tuple[datetime, list[str]]:
        """Return the server's time, and the customer each directory entry names."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.time()
        for key in entries:
            pipe.hget(key, "customer")
        with redis_errors():
            now, *replies = await pipe.execute(raise_on_error=False)
            moment = clock_time(now)
        return moment, [
            each.decode("utf-8", "replace") if isinstance(each, bytes) else ""
            for each in replies
        ]

    async def note_sent(
        self, notes: Sequence[tuple[bytes, str, Sent | None]]
    ) -> list[Sent | None]:
        """Note when and to whom entries are sent, where that is not noted; return it.

        Args:
            notes: Key of the hash, the entry's id, and what to note, if anything.
        """
        pipe = self._redis.pipeline(transaction=False)
        for key, entry, sent in notes:
            if sent is None:
                pipe.hexists(key, entry)
            else:
                pipe.hsetnx(key, entry, sent.text)
            pipe.hget(key, entry)
        with redis_errors():
            replies = await pipe.execute()
        found: list[Sent | None] = []
        for number, (_, _, sent) in enumerate(notes):
            noted = Sent.read(replies[2 * number + 1])
            made = sent is not None and bool(replies[2 * number])
            found.append(noted and replace(noted, before=not made))
        return found

    async def forget_sent(self, key: bytes, entries: Sequence[str]) -> None:
        """Forget what was noted of entries that are gone."""
        with redis_errors():
            await self._redis.hdel(key, *entries)

    async def forget_settled(self, queue: bytes, key: bytes) -> int:
        """Forget what was noted of entries that are in the queue no more; say how many.

        A worker that hung notes one that another has settled meanwhile, and is killed.
        An entry that is gone never comes back, so nothing that is in use is forgotten.
        """
        with redis_errors():
            noted = cast("Mapping[bytes, bytes]", await self._redis.hgetall(key))
        gone: list[str] = []
        # What was refused late is noted by its identifier: that is no entry's id.
        names = [each.decode() for each in noted if _ENTRY.fullmatch(each)]
        for start in range(0, len(names), _LOOKED_AT_ONCE):
            some = names[start : start + _LOOKED_AT_ONCE]
            pipe = self._redis.pipeline(transaction=False)
            for each in some:
                pipe.xrange(queue, each, each)
            with redis_errors():
                found = await pipe.execute()
            gone += [each for each, there in zip(some, found, strict=True) if not there]
        if gone:
            await self.forget_sent(key, gone)
        return len(gone)

    async def settle(
        self, keys: Sequence[bytes], arguments: Sequence[Argument], identifier: str
    ) -> list[str]:
        """Settle entries of one queue; see the script. Raises as `Script.run`."""
        reply = await self._settle.run(
            self._redis,
            keys,
            arguments,
            what="what became of queued events",
            operation_id=identifier,
        )
        return [each.decode() for each in reply[1:]]

    async def lengths(self, queues: Sequence[bytes]) -> list[int]:
        """Return how many entries each queue has."""
        pipe = self._redis.pipeline(transaction=False)
        for queue in queues:
            pipe.xlen(queue)
        with redis_errors():
            replies = await pipe.execute(raise_on_error=False)
        return [each if isinstance(each, int) else 0 for each in replies]

    async def first(self, queues: Sequence[bytes], count: int) -> list[list[RawEntry]]:
        """Return the oldest entries of each queue, with who was given which."""
        pipe = self._redis.pipeline(transaction=False)
        for queue in queues:
            pipe.xrange(queue, count=count)
        with redis_errors():
            replies = await pipe.execute(raise_on_error=False)
        found = [Taken(_entries(each, deliveries=0)) for each in replies]
        await self._count_deliveries(queues, found, everybody=True)
        return [each.entries for each in found]

    def _taken(self, queue: bytes, claimed: object, read: object) -> Taken:
        for reply in (claimed, read):
            if isinstance(reply, ResponseError) and "NOGROUP" in str(reply):
                return Taken(no_group=True)
            if isinstance(reply, ResponseError) and "WRONGTYPE" in str(reply):
                return Taken(problem="it holds something else")
            if isinstance(reply, Exception):
                raise reply
        start, entries, *rest = cast("list[Any]", claimed)
        self._cursors[queue] = start.decode()
        taken = Taken(_entries(entries, deliveries=2))
        taken.gone = [each.decode() for each in (rest[0] if rest else [])]
        for _, fresh in cast("list[Any]", read or []):
            taken.entries += _entries(fresh)
        return taken

    async def _count_deliveries(
        self,
        queues: Sequence[bytes],
        found: Sequence[Taken],
        *,
        everybody: bool = False,
    ) -> None:
        """Look up how often entries were given, but those given for the first time."""
        asked = [
            (taken, queue)
            for taken, queue in zip(found, queues, strict=True)
            if any(everybody or each.deliveries > 1 for each in taken.entries)
        ]
        if not asked:
            return
        pipe = self._redis.pipeline(transaction=False)
        for taken, queue in asked:
            ids = [e.id for e in taken.entries if everybody or e.deliveries > 1]
            span = (min(ids, key=_order), max(ids, key=_order))
            pipe.xpending_range(
                queue,
                GROUP,
                *span,
                _MOST_PENDING,
                consumername=None if everybody else self._worker,
            )
        with redis_errors():
            replies = await pipe.execute(raise_on_error=False)
        for (taken, _), reply in zip(asked, replies, strict=True):
            times = _times_given(reply)
            taken.entries = [
                replace(each, deliveries=times.get(each.id, each.deliveries))
                for each in taken.entries
            ]


def _order(entry: str) -> tuple[int, int]:
    ms, _, number = entry.partition("-")
    return int(ms), int(number)


def _entries(reply: object, deliveries: int = 1) -> list[RawEntry]:
    if not isinstance(reply, list):
        return []
    return [
        RawEntry(entry.decode(), fields, deliveries)
        for entry, fields in reply
        if entry is not None
    ]


def _times_given(reply: object) -> dict[str, int]:
    if not isinstance(reply, list):
        return {}
    return {each["message_id"].decode(): each["times_delivered"] for each in reply}
