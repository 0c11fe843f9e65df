"""Telling Redis spooled readings and members: each once in effect."""

from __future__ import annotations

from meterdeck.core.adapters.kind_calls import When
from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.replay_script import Late
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved
from meterdeck.core.errors import BadInput, NotFound, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.degraded import SpooledCall, SpooledKind, Unsettled
from meterdeck.core.model.usage import Resource, ResourceKind
from meterdeck.core.services.current_periods import CurrentPeriods, reckon_at
from meterdeck.core.services.kind_counting import KindCounting
from meterdeck.core.services.kinds import OneCall
from meterdeck.core.services.server_clock import ServerClock

_ROUNDS = 4
_DAY_MS = 86_400_000


class KindReplayer:
    """Tells what a spool holds of gauges and members.

    A reading is told with the moment at which it was taken, so that it replaces no
    newer one, and with its id, so that a repeat undoes nothing that came after it.
    Members are counted in the period in which they were seen, however often.

    Args:
        keep_s: How long Redis keeps the id of a reading.
    """

    def __init__(
        self, redis: Redis, context: Context, clock: ServerClock, keep_s: int
    ) -> None:
        self._redis = redis
        self._context = context
        self._layout = context.redis.layout
        self._clock = clock
        periods = CurrentPeriods(redis, context)
        self._counting = KindCounting(redis, context, periods, keep_s)

    async def tell(self, call: SpooledCall) -> Unsettled | None:
        """Tell one call; what cannot be told is returned, with the reason.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: It waits for later.
        """
        try:
            if call.kind is SpooledKind.READING:
                await self._read(call)
                return None
            return await self._count(call)
        except (Refused, BadInput, NotFound) as error:
            return Unsettled(call, str(error))

    async def _read(self, call: SpooledCall) -> None:
        ((name, level),) = call.amounts
        wanted = OneCall(call.tenant, name, call.call_id)
        await self._counting.set_gauge(wanted, level, call.at)

    async def _count(self, call: SpooledCall) -> Unsettled | None:
        ((name, _),) = call.amounts
        wanted = OneCall(call.tenant, name, call_id=None)
        found = wanted.checked(self._context, ResourceKind.UNIQUE)
        for _ in range(_ROUNDS):
            when = await self._when(call, found)
            match await self._counting.count_in(wanted, found, when, call.members):
                case Decision():
                    return None
                case Late(resource):
                    return Unsettled(
                        call, f"the counter of {resource} of that time is gone"
                    )
                case PeriodMoved(now):
                    self._clock.learn(now)
                case CycleMoved():
                    continue
        return Unsettled(call, "the billing period keeps changing")

    async def _when(self, call: SpooledCall, resource: Resource) -> When:
        # A clock that ran ahead of the server's must not count in a period to come.
        at = min(call.at, self._clock.now())
        found = await reckon_at(self._redis, self._layout, call.tenant, resource, at)
        return When(
            found.periods[resource.name],
            found.cycle,
            self._context.redis.retention_days * _DAY_MS,
            allowed_before=True,
        )
