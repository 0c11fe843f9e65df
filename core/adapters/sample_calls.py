"""Samples of counters in Redis: reading them, keeping more, and of which hours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterdeck.core.adapters.bulk_reader import BulkReader
from meterdeck.core.adapters.redis_client import (
    Redis,
    execute_write,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.adapters.script_batches import ScriptBatches, ScriptCall
from meterdeck.core.adapters.scripts import Script, problem
from meterdeck.core.model.context import Context
from meterdeck.core.model.holding import holding
from meterdeck.core.model.known_readings import hour_of, start_of
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.samples import Samples, read_samples, write_samples
from meterdeck.core.model.usage import Broken, CounterId

KEEP_SAMPLES = ("checks", "keep_samples")

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """Samples as they are in Redis.

    Attributes:
        raw: What stands there; empty where nothing does.
        samples: None where what stands there are none.
        broken: What is there instead.
    """

    counter: CounterId
    raw: bytes
    samples: Samples | None
    broken: Broken | None = None


@dataclass(frozen=True, slots=True)
class Keeping:
    """Samples that are to take the place of others, until they expire."""

    before: Kept
    samples: Samples
    expires_at: datetime


class SampleCalls:
    """Reads and writes samples of one context; each call may be repeated.

    Every method raises RedisUnreachable, RedisRefused and, where it writes,
    UnknownOutcome.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout
        self._bulk = BulkReader(redis)
        self._retention = timedelta(days=context.redis.retention_days)
        self._keep = ScriptBatches(
            redis,
            Script(*KEEP_SAMPLES),
            what="samples of counters",
            timeout_s=context.redis.timeout_s,
        )

    async def read(self, counters: Sequence[CounterId]) -> list[Kept]:
        """Return what is kept of each counter, in their order."""
        found: list[Kept] = []
        for start in range(0, len(counters), _AT_ONCE):
            part = counters[start : start + _AT_ONCE]
            async with self._redis.pipeline(transaction=False) as pipe:
                for each in part:
                    key = self._layout.history(each.tenant, each.period)
                    pipe.hget(key, each.resource)
                with redis_errors():
                    replies = await pipe.execute(raise_on_error=False)
            found += [_kept(*pair) for pair in zip(part, replies, strict=True)]
        return found

    async def strings(self, counters: Sequence[CounterId]) -> list[bytes | None]:
        """Return what each counter's key holds, None where it holds no string; fast."""
        name = self._layout.counter
        keys = [name(each.tenant, each.resource, each.period) for each in counters]
        return await self._bulk.mget(keys)

    async def values(self, counters: Sequence[CounterId]) -> list[object]:
        """Return what each counter's key holds; an error where it holds no string."""
        found: list[object] = []
        for start in range(0, len(counters), _AT_ONCE):
            async with self._redis.pipeline(transaction=False) as pipe:
                for each in counters[start : start + _AT_ONCE]:
                    pipe.get(
                        self._layout.counter(each.tenant, each.resource, each.period)
                    )
                with redis_errors():
                    found += await pipe.execute(raise_on_error=False)
        for reply in found:
            if isinstance(reply, Exception) and "WRONGTYPE" not in str(reply):
                with redis_errors():
                    raise reply
        return found

    async def keep(self, wanted: Sequence[Keeping]) -> int:
        """Write samples where nobody else has meanwhile; return how many were.

        A key of another type is left as it is.
        """
        written = 0
        for start in range(0, len(wanted), _AT_ONCE):
            calls = [self._call(each) for each in wanted[start : start + _AT_ONCE]]
            for reply in await self._keep.run(calls, operation_id="samples"):
                wrong = problem(reply, "keep_samples")
                if wrong is not None and reply[0] != b"foreign":
                    raise wrong
                written += reply[:2] == [b"ok", b"1"]
        return written

    def _call(self, wanted: Keeping) -> ScriptCall:
        counter = wanted.before.counter
        return ScriptCall(
            [self._layout.history(counter.tenant, counter.period)],
            [
                counter.resource,
                wanted.before.raw,
                write_samples(wanted.samples),
                to_milliseconds(wanted.expires_at),
            ],
        )

    async def note_hour(self, hour: int) -> None:
        """Note that all counters were sampled in an hour, counted from 1970."""
        month = calendar_month(start_of(hour))
        key, first = self._layout.sampled(month.label), hour_of(month.start)
        ends = to_milliseconds(month.end + self._retention)
        for command in (("SETBIT", key, hour - first, 1), ("PEXPIREAT", key, ends)):
            await execute_write(
                self._redis,
                *command,
                what="that counters were sampled",
                operation_id="",
            )

    async def hours(self, start: datetime, end: datetime) -> list[int]:
        """Return the hours in `[start, end]` in which all counters were sampled."""
        months = [calendar_month(end)]
        while months[0].start > start:
            months.insert(0, calendar_month(months[0].start - timedelta(seconds=1)))
        async with self._redis.pipeline(transaction=False) as pipe:
            for month in months:
                pipe.get(self._layout.sampled(month.label))
            with redis_errors():
                replies = await pipe.execute(raise_on_error=False)
        found: list[int] = []
        for month, reply in zip(months, replies, strict=True):
            if isinstance(reply, bytes):
                found += [hour_of(month.start) + each for each in _bits(reply)]
        first, last = hour_of(start), hour_of(end)
        return [each for each in found if first <= each <= last]


def _kept(counter: CounterId, reply: object) -> Kept:
    if isinstance(reply, Exception):
        if "WRONGTYPE" not in str(reply):
            with redis_errors():
                raise reply
        return Kept(counter, b"", None, Broken("a value of another type"))
    raw = reply if isinstance(reply, bytes) else b""
    if not raw:
        return Kept(counter, b"", Samples())
    try:
        return Kept(counter, raw, read_samples(raw))
    except ValueError:
        return Kept(counter, raw, None, Broken(holding("string", raw[:16])))


def _bits(text: bytes) -> Iterable[int]:
    for place, byte in enumerate(text):
        for bit in range(8):
            if byte & (0x80 >> bit):
                yield 8 * place + bit
