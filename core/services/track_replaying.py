"""Telling Redis spooled use that is billed by events: each counted and queued once."""

from __future__ import annotations

from datetime import datetime

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.replay_script import Doubtful, Late
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved
from meterdeck.core.adapters.track_call import Allowed, OutOfTime
from meterdeck.core.errors import BadInput, NotFound, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.degraded import SpooledCall, Unsettled
from meterdeck.core.services.current_periods import CurrentPeriods, reckon_at
from meterdeck.core.services.kinds import OneCall
from meterdeck.core.services.server_clock import ServerClock
from meterdeck.core.services.tracking import TrackedCall, Tracking

_ROUNDS = 4


class TrackReplayer:
    """Tells what a spool holds of tracked use, in the period in which it was used.

    Args:
        keep_s: How long Redis keeps the ids.
        doubtful: Why a call is put aside of which nobody knows if it counted.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        clock: ServerClock,
        *,
        keep_s: int,
        doubtful: str,
    ) -> None:
        self._redis = redis
        self._context = context
        self._clock = clock
        self._doubtful = doubtful
        periods = CurrentPeriods(redis, context)
        self._tracking = Tracking(redis, context, periods, keep_s)

    async def tell(self, call: SpooledCall, proves_until: datetime) -> Unsettled | None:
        """Tell one call; what cannot be told is returned, with the reason.

        Args:
            proves_until: From then on Redis's silence about its id proves nothing.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: It waits for later.
        """
        try:
            return await self._tell(call, proves_until)
        except (Refused, BadInput, NotFound) as error:
            return Unsettled(call, str(error))

    async def _tell(
        self, call: SpooledCall, proves_until: datetime
    ) -> Unsettled | None:
        ((name, units),) = call.amounts
        one = OneCall(call.tenant, name, call.call_id)
        wanted = TrackedCall(one, units, dict(call.dimensions), call.timestamp)
        found = wanted.checked(self._context)
        for _ in range(_ROUNDS):
            # A clock that ran ahead must not count in a period to come.
            at = min(call.at, self._clock.now())
            used_at = call.timestamp or at
            reckoning = await reckon_at(
                self._redis, self._context.redis.layout, call.tenant, found, used_at
            )
            use = self._tracking.use(
                wanted, found, reckoning, Allowed(at, proves_until)
            )
            match await self._tracking.track_in(wanted, found, use):
                case Decision():
                    return None
                case Doubtful():
                    return Unsettled(call, self._doubtful)
                case Late(resource):
                    return Unsettled(
                        call, f"the counter of {resource} of that time is gone"
                    )
                case OutOfTime():
                    return Unsettled(call, "Stripe does not take events of that time")
                case PeriodMoved(now):
                    self._clock.learn(now)
                case CycleMoved():
                    continue
        return Unsettled(call, "the billing period keeps changing")
