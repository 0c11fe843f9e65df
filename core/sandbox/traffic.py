"""The simulated application: it counts calls, most of them the proper way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.errors import Refused, Unreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import current_period
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.sandbox.rhythm import TrafficCall, day_rhythm
from meterdeck.core.sandbox.roster import Roster
from meterdeck.core.services.usage import UsageService

_TICK_S = 0.05
_LONGEST_LAG_S = 1.0
_PAUSE_S = 0.5
_LEGACY_TTL: Final = timedelta(days=35)


class Traffic:
    """Play calls at a pace.

    Args:
        calls: What to play; its end ends the traffic.
        rate: Calls a second over the fleet in the mean of a day.
        roster: Knows the billing cycles.
        now: The clock of the application's host.
    """

    def __init__(
        self,
        *,
        context: Context,
        redis: Redis,
        usage: UsageService,
        calls: Iterator[TrafficCall],
        rate: float,
        roster: Roster,
        now: Callable[[], datetime],
    ) -> None:
        self._context = context
        self._redis = redis
        self._usage = usage
        self._calls = calls
        self._rate = rate
        self._roster = roster
        self._now = now

    async def run(self) -> None:
        """Play until cancelled; calls that come due while Redis is away are lost."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        upcoming = next(self._calls, None)
        while upcoming is not None:
            await asyncio.sleep(max(_TICK_S, due_s - loop.time()))
            # A machine that was asleep does not make up for all that it missed.
            due_s = max(due_s, loop.time() - _LONGEST_LAG_S)
            pace = self._rate * day_rhythm(self._now())
            batch: list[TrafficCall] = []
            while upcoming is not None and due_s <= loop.time():
                batch.append(upcoming)
                due_s += 1 / (pace * upcoming.speed)
                upcoming = next(self._calls, None)
            await self._play(batch)

    async def _play(self, batch: list[TrafficCall]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for call in batch:
                    group.create_task(self._make(call))
        except* Unreachable:
            await asyncio.sleep(_PAUSE_S)

    async def _make(self, call: TrafficCall) -> None:
        if call.legacy:
            await self._count_blindly(call)
        else:
            await self._consume(call)

    async def _consume(self, call: TrafficCall) -> None:
        amounts = {str(name): units for name, units in call.amounts.items()}
        # Somebody put something else into the counter: a case to look at in the
        # console, not a reason for the application to stop.
        with suppress(Refused):
            await self._usage.consume(call.tenant, amounts)

    async def _count_blindly(self, call: TrafficCall) -> None:
        """Count as applications do that know no limits: INCRBY and EXPIRE."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for resource, units in call.amounts.items():
                key = self._key(call.tenant, resource)
                pipeline.incrby(key, units)
                pipeline.expire(key, _LEGACY_TTL)
            with redis_errors(write="a call's count"):
                await pipeline.execute(raise_on_error=False)

    def _key(self, tenant: TenantId, name: ResourceName) -> bytes:
        kind = self._context.resource(name).period
        period = current_period(kind, self._roster.cycle_of(tenant), self._now())
        return self._context.redis.layout.counter(tenant, name, period.label)
