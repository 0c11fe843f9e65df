"""Which period is current for a tenant, by the Redis server's clock."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from meterdeck.core.adapters.redis_client import Redis, redis_errors, server_time
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import (
    Cycle,
    Interval,
    Period,
    PeriodKind,
    current_period,
)
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.usage import Resource, ResourceName, TenantId
from meterdeck.core.services.recent import make_room

CYCLE_FIELDS = ("anchor", "interval", "interval_count")
_CYCLE_KEPT_S = 30.0
_CYCLES_KEPT = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_ANCHOR = 4_102_444_800  # 2100-01-01: beyond it is no billing anchor
_LONGEST = 1095  # three years of days: more is no cycle of Stripe's


@dataclass(frozen=True, slots=True)
class Reckoning:
    """The periods of some resources, and the billing cycle they come from.

    Attributes:
        cycle: The directory's fields as the scripts compare them; empty where every
            resource is counted by calendar month.
    """

    periods: dict[ResourceName, Period]
    cycle: bytes


@dataclass(frozen=True, slots=True)
class KnownTime:
    """The server's time at one moment of this host's monotonic clock."""

    moment: datetime
    monotonic: float


@dataclass(frozen=True, slots=True)
class _KnownCycle:
    cycle: Cycle | None
    fields: bytes
    until: float


class CurrentPeriods:
    """Current periods without a round trip: the scripts say when they are wrong.

    The server's clock is read once and carried on by this host's monotonic clock.

    Attributes:
        known: What was learnt last; None before.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout
        self.known: KnownTime | None = None
        self._cycles: dict[TenantId, _KnownCycle] = {}

    async def now(self) -> datetime:
        """Return the Redis server's time, as far as it is known.

        Raises:
            RedisUnreachable, RedisRefused: At the first call only.
        """
        if self.known is None:
            self.learn(await server_time(self._redis))
        return self.estimate()

    def estimate(self) -> datetime:
        """Return the server's time as far as it is known; 1970 if it is not at all."""
        if self.known is None:
            return _EPOCH
        return self.known.moment + timedelta(
            seconds=time.monotonic() - self.known.monotonic
        )

    def learn(self, moment: datetime) -> None:
        """Take `moment`, which the server has just told, for its time."""
        self.known = KnownTime(moment, time.monotonic())

    def forget_cycle(self, tenant: TenantId) -> None:
        """Read the tenant's billing cycle again next time."""
        self._cycles.pop(tenant, None)

    async def of(self, tenant: TenantId, resources: Sequence[Resource]) -> Reckoning:
        """Return the current period of each of the tenant's `resources`.

        Raises:
            RedisUnreachable, RedisRefused: The billing cycle could not be read.
        """
        now = await self.now()
        cycled = any(each.period is PeriodKind.BILLING_CYCLE for each in resources)
        known = await self._cycle(tenant) if cycled else None
        cycle = known.cycle if known else None
        periods = {
            each.name: current_period(each.period, cycle, now) for each in resources
        }
        return Reckoning(periods, known.fields if known else b"")

    async def _cycle(self, tenant: TenantId) -> _KnownCycle:
        known = self._cycles.get(tenant)
        if known is not None and known.until > time.monotonic():
            return known
        with redis_errors():
            key = self._layout.tenant(tenant)
            reply = await self._redis.hmget(key, list(CYCLE_FIELDS))
        fields = cast("list[bytes | None]", reply)
        make_room(self._cycles, tenant, _CYCLES_KEPT)
        known = _KnownCycle(
            read_cycle(fields),
            b" ".join(field or b"" for field in fields),
            time.monotonic() + _CYCLE_KEPT_S,
        )
        self._cycles[tenant] = known
        return known


async def reckon_at(
    redis: Redis, layout: KeyLayout, tenant: TenantId, resource: Resource, at: datetime
) -> Reckoning:
    """Return the period of one resource at a moment, by the cycle there is now.

    Raises:
        RedisUnreachable, RedisRefused: The billing cycle could not be read.
    """
    fields: list[bytes | None] = []
    if resource.period is PeriodKind.BILLING_CYCLE:
        with redis_errors():
            reply = await redis.hmget(layout.tenant(tenant), list(CYCLE_FIELDS))
        fields = cast("list[bytes | None]", reply)
    cycle = read_cycle(fields) if fields else None
    period = current_period(resource.period, cycle, at)
    known = b" ".join(field or b"" for field in fields)
    return Reckoning({resource.name: period}, known)


def read_cycle(fields: Sequence[bytes | None]) -> Cycle | None:
    """Read a directory entry's CYCLE_FIELDS; None where they name no cycle."""
    anchor, interval, count = fields
    # Not int(), which reads more than another language's programs do: +1, 1_000.
    seconds, steps = parse_counter(anchor or b""), parse_counter(count or b"1")
    try:
        unit = Interval((interval or b"").decode())
    except ValueError:
        return None
    if seconds is None or steps is None:
        return None
    if not 0 <= seconds <= _LATEST_ANCHOR or not 1 <= steps <= _LONGEST:
        return None
    return Cycle(datetime.fromtimestamp(seconds, UTC), unit, steps)
