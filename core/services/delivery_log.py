"""The delivery log: the newest meter events and what became of them, in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from meterdeck.core.adapters.redis_client import (
    Redis,
    execute_write,
    from_milliseconds,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.event_lines import line_fields, read_line
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.services.tenant_fields import decode, encode

KEPT = 10_000
"""Lines the log is cut to; a few dozen more may be there at any moment."""

_BATCH = 500
_LOOK = 1000
_FEW = 10

_Entry = tuple[bytes | str | None, Mapping[bytes | str, bytes | str] | None]
_Batch = Sequence[_Entry]


class DeliveryLog:
    """Lines in the order in which they were written, told by their stream ids.

    What somebody else has put into the stream is passed over.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._key = context.redis.layout.events()

    async def append(self, event: LoggedEvent) -> str:
        """Write a line and return its id; the id and time it came with are not used.

        Raises:
            RedisUnreachable, RedisRefused: It was not written.
            UnknownOutcome: It may have been; writing again could show it twice.
        """
        line = await execute_write(
            self._redis,
            *("XADD", self._key, "MAXLEN", "~", KEPT, "*"),
            *encoded_line(event),
            what="a line of the delivery log",
            operation_id=event.event.identifier,
        )
        assert isinstance(line, bytes)
        return decode(line)

    async def latest(self, count: int) -> tuple[LoggedEvent, ...]:
        """Return the newest `count` lines, the oldest of them first."""
        found = await self._collect(count, "+", self._before)
        return tuple(reversed(found))

    async def after(self, line: str, count: int) -> tuple[LoggedEvent, ...]:
        """Return the first `count` lines after `line`, oldest first; "" for all."""
        return tuple(
            await self._collect(count, f"({line}" if line else "-", self._from)
        )

    async def pages(self, size: int) -> AsyncIterator[tuple[LoggedEvent, ...]]:
        """Yield all lines, the newest first, by pages of at most `size`."""
        start = "+"
        while True:
            batch = await self._before(start, size)
            lines = tuple(line for line in map(_line, batch) if line is not None)
            if lines:
                yield lines
            if len(batch) < size:
                return
            start = f"({decode(batch[-1][0] or b'')}"

    async def beginning(self, identifier: str) -> list[LoggedEvent]:
        """Return the lines of events whose identifier begins so, the newest first."""
        wanted, start = encode(identifier), "+"
        found: list[LoggedEvent] = []
        while True:
            batch = await self._before(start, _LOOK)
            # Before they are read: of a full log that takes most of a second.
            lines = (_line(entry) for entry in batch if _begins(entry, wanted))
            found += (line for line in lines if line is not None)
            if len(batch) < _LOOK:
                return found
            start = f"({decode(batch[-1][0] or b'')}"

    async def newest_before(self, moment: datetime) -> datetime | None:
        """Return when the last line before a moment was written; None: none is known.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        end = f"({to_milliseconds(moment)}-0"
        return next(
            (
                at
                for entry in await self._before(end, _FEW)
                if (at := _time_or_none(decode(entry[0] or b""))) is not None
            ),
            None,
        )

    async def _from(self, start: str, count: int) -> _Batch:
        with redis_errors():
            return await self._redis.xrange(self._key, min=start, count=count) or []

    async def _before(self, end: str, count: int) -> _Batch:
        with redis_errors():
            return await self._redis.xrevrange(self._key, max=end, count=count) or []

    async def _collect(
        self, count: int, start: str, read: Callable[[str, int], Awaitable[_Batch]]
    ) -> list[LoggedEvent]:
        found: list[LoggedEvent] = []
        size = count
        while len(found) < count:
            batch = await read(start, size)
            found += (line for line in map(_line, batch) if line is not None)
            if len(batch) < size:
                break
            # There was something else among them: look further, by larger steps.
            start, size = f"({decode(batch[-1][0] or b'')}", max(size, _BATCH)
        return found[:count]


def encoded_line(event: LoggedEvent) -> list[bytes]:
    """Return names and values of a line's fields, in turn."""
    fields = line_fields(event)
    return [encode(text) for field in fields.items() for text in field]


def line_time(line: str) -> datetime:
    """Return when a line was written, by the Redis server's clock."""
    return from_milliseconds(int(line.partition("-")[0]))


def _line(entry: _Entry) -> LoggedEvent | None:
    """Read a line; None for what is none of ours."""
    raw_id, raw = entry
    line = decode(raw_id or b"")
    at = _time_or_none(line)
    if at is None:
        return None
    fields = {decode(name): decode(value) for name, value in (raw or {}).items()}
    return read_line(line, at, fields)


def _begins(entry: _Entry, identifier: bytes) -> bool:
    raw = (entry[1] or {}).get(b"identifier", b"")
    return isinstance(raw, bytes) and raw.startswith(identifier)


def _time_or_none(line: str) -> datetime | None:
    try:
        return line_time(line)
    except (OverflowError, ValueError):  # anybody may write an id of the year 10^8
        return None
