"""Indexes of delivery that scripts cannot write where keys are tagged.

Each is written before the script, so that a crash in between leaves an index that names
too many, never too few.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from meterdeck.core.adapters.redis_client import (
    Redis,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.model.keys import KeyLayout

FORGET_UNSETTLED = ("checks", "forget_unsettled")

_TOGETHER = 500  # entries of one command
_FINEST = 1000  # parts of a ms by which workers' scores differ


class BillingIndexes:
    """The index of events in flight, that of letters, and the delivery log.

    Args:
        epoch: Hexadecimal digits of this worker's start: its scores are its own, so
            that it takes nothing out that another has put in.
    """

    def __init__(self, redis: Redis, layout: KeyLayout, epoch: str) -> None:
        self._redis = redis
        self._layout = layout
        self._share = int(epoch, 16) % _FINEST / _FINEST
        self._forget = Script(*FORGET_UNSETTLED)
        self._scores: dict[bytes, float] = {}
        self._learned: tuple[float, float] | None = None

    def learn(self, server_ms: int) -> None:
        """Take what a script has just told for the server's time."""
        self._learned = (float(server_ms), time.monotonic())

    async def claiming(self, records: Iterable[bytes], lease_ms: int) -> None:
        """Note records that events may be claimed of now."""
        await self._move(dict.fromkeys(records, lease_ms))

    async def later(self, after_ms: Mapping[bytes, int]) -> None:
        """Note when events in flight may be sent again, in ms from now."""
        await self._move(after_ms)

    async def nothing_in_flight(self, records: Iterable[bytes]) -> None:
        """Take records out that this worker has put in, and nobody else since."""
        pairs = [(each, self._scores.pop(each, None)) for each in records]
        known = [(each, score) for each, score in pairs if score is not None]
        for start in range(0, len(known), _TOGETHER):
            part = known[start : start + _TOGETHER]
            await self._forget.run(
                self._redis,
                [self._layout.unsettled()],
                [text for each, score in part for text in (each, repr(score))],
                what="the index of events in flight",
                operation_id="",
            )

    async def lettered(self, tenants: Iterable[bytes]) -> None:
        """Note tenants that are about to have a letter."""
        now = await self._now()
        found = dict.fromkeys(tenants, now)
        if found:
            with redis_errors():
                await self._redis.zadd(self._layout.lettered(), found, gt=True)

    async def log(self, lines: Sequence[Sequence[bytes]], kept: int) -> None:
        """Append lines to the delivery log, which is cut to about `kept`."""
        key = self._layout.events()
        for start in range(0, len(lines), _TOGETHER):
            async with self._redis.pipeline(transaction=False) as pipe:
                for line in lines[start : start + _TOGETHER]:
                    fields = dict(zip(line[::2], line[1::2], strict=True))
                    pipe.xadd(key, fields, maxlen=kept, approximate=True)  # type: ignore[arg-type]  # bytes are fine
                with redis_errors():
                    await pipe.execute()

    async def _move(self, after_ms: Mapping[bytes, int]) -> None:
        now = await self._now()
        scores = {each: int(now + ms) + self._share for each, ms in after_ms.items()}
        entries = list(scores.items())
        for start in range(0, len(entries), _TOGETHER):
            part = dict(entries[start : start + _TOGETHER])
            with redis_errors():
                await self._redis.zadd(self._layout.unsettled(), part)
            self._scores.update(part)

    async def _now(self) -> float:
        if self._learned is None:
            self.learn(to_milliseconds(await server_time(self._redis)))
        assert self._learned is not None
        told, at = self._learned
        return told + (time.monotonic() - at) * 1000
