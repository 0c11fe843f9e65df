"""Settling calls: releasing them, confirming reservations, giving expired ones back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    enter_write,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.adapters.settle_calls import GivenBack, SettleScript, Settling
from meterdeck.core.errors import Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Settled
from meterdeck.core.model.names import check_id, check_tenant
from meterdeck.core.services.asking_again import ask_twice

_NO_KEY = -2  # as PTTL says it
_NOTHING = GivenBack(0, None)
_DAY_MS = 86_400_000
_AGAIN_MS = 3_600_000
# The longest that a reservation lasts, and that one may be on its way.
_LONGEST_MS = _DAY_MS + 3_600_000


@dataclass(frozen=True, slots=True)
class Swept:
    """What giving back came across: counters, and the units they got back."""

    counters: int
    units: int


class Reservations:
    """Ends what calls of one context's tenants began."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._context = context
        self._layout = context.redis.layout
        self._retention_ms = context.redis.retention_days * _DAY_MS
        self._script = SettleScript(redis, self._layout, self._retention_ms)

    async def settle(
        self,
        how: Settling,
        tenant: str,
        call_id: str,
        amounts: Mapping[str, int] | None,
    ) -> Settled:
        """Settle a call once; a lost answer is asked for once more."""
        self._context.check_writable()
        check_tenant(tenant, tagged=self._layout.tagged)
        check_id("call id", call_id)
        return await ask_twice(
            partial(self._script.settle, how, tenant, call_id, amounts)
        )

    async def announce(self, counters: Sequence[bytes], ends: datetime) -> None:
        """Note in the index, where no script can, that reservations are to be made.

        Before they are: a crash in between leaves an entry too many, never one too
        few.

        Raises:
            RedisUnreachable, RedisRefused: The index could not be written.
        """
        scores = dict.fromkeys(counters, to_milliseconds(ends))
        with redis_errors():
            await self._redis.zadd(self._layout.reserving(), scores, lt=True)

    async def give_back_expired(self, most: int) -> Swept:
        """Give back reservations that expired and that no call came across.

        Looks at no more than `most` counters. Any number of processes may do it: each
        reservation is given back once.

        Raises:
            ReadOnly: The context allows no changes.
            RedisUnreachable, RedisRefused, UnknownOutcome: It may be done in part.
        """
        self._context.check_writable()
        await enter_write(self._redis)
        now_ms = to_milliseconds(await server_time(self._redis))
        with redis_errors():
            due = await self._redis.zrangebyscore(
                self._layout.reserving(), "-inf", now_ms, start=0, num=most
            )
        units = 0
        for counter in cast("list[bytes]", due):
            units += await self._give_back(counter, now_ms)
        return Swept(len(due), units)

    async def _give_back(self, counter: bytes, now_ms: int) -> int:
        found = self._layout.parse_counter(counter)
        try:
            done = await self._script.give_back(counter, found) if found else _NOTHING
        except Refused:
            # A broken counter keeps no other from getting its units.
            await self._move(counter, now_ms + _AGAIN_MS, now_ms)
            return 0
        if self._layout.tagged or not found:
            await self._move(counter, done.next_ms, now_ms)
        return done.units

    async def _move(self, counter: bytes, next_ms: int | None, now_ms: int) -> None:
        """Note in the index, where no script can, when to look at a counter again."""
        index = self._layout.reserving()
        with redis_errors():
            if next_ms is None and await self._is_over(counter, now_ms):
                await self._redis.zrem(index, counter)
            else:
                later = now_ms + _LONGEST_MS if next_ms is None else next_ms
                await self._redis.zadd(index, {counter: later}, xx=True)

    async def _is_over(self, counter: bytes, now_ms: int) -> bool:
        """Tell whether nothing can be reserved of a counter any more."""
        left_ms = await self._redis.pttl(counter)
        if left_ms < 0:  # -2: there is none, -1: it has no end
            return left_ms == _NO_KEY
        return now_ms + left_ms - self._retention_ms + _LONGEST_MS < now_ms
