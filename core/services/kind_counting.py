"""Counting what is no sum: a gauge's readings, and distinct members."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from meterdeck.core.adapters.kind_calls import KindScripts, UniqueAnswer, When
from meterdeck.core.adapters.redis_client import Redis, to_milliseconds
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved
from meterdeck.core.errors import Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision, GaugeReading
from meterdeck.core.model.periods import ENDLESS
from meterdeck.core.model.usage import Resource, ResourceKind, TenantId
from meterdeck.core.services.asking_again import ask_twice
from meterdeck.core.services.current_periods import CurrentPeriods
from meterdeck.core.services.kinds import OneCall, check_reading, member_bytes
from meterdeck.core.services.one_calls import OneCalls

_ROUNDS = 4
_DAY_MS = 86_400_000


class KindCounting:
    """Sets gauges and counts distinct members of one context's tenants.

    Args:
        keep_s: How long a repeated call id gets the first answer.
    """

    def __init__(
        self, redis: Redis, context: Context, periods: CurrentPeriods, keep_s: int
    ) -> None:
        self._context = context
        self._layout = context.redis.layout
        self._periods = periods
        self._calls = OneCalls(context, keep_s)
        self._scripts = KindScripts(redis)
        self._retention_ms = context.redis.retention_days * _DAY_MS

    async def set_gauge(
        self, wanted: OneCall, value: int, measured_at: datetime | None
    ) -> GaugeReading:
        """Record a reading; see `UsageService.set_gauge`."""
        found = wanted.checked(self._context, ResourceKind.GAUGE)
        check_reading(found, value, measured_at)
        layout, tenant, name = self._layout, wanted.tenant, found.name
        label = ENDLESS.label
        keys = [
            layout.tenant(tenant),
            layout.counter(tenant, name, label),
            layout.override(tenant, name),
            layout.beyond(tenant, name, label),
            layout.reserved(tenant, name, label),
            layout.measured(tenant, name),
        ]
        call = self._calls.of(wanted, found, keys)
        at = None if measured_at is None else max(0, to_milliseconds(measured_at))
        if wanted.call_id is None:
            return await self._scripts.set_gauge(call, value, at)
        return await ask_twice(lambda: self._scripts.set_gauge(call, value, at))

    async def count_unique(
        self, wanted: OneCall, members: Collection[str | bytes]
    ) -> Decision:
        """Count distinct members; see `UsageService.count_unique`."""
        found = wanted.checked(self._context, ResourceKind.UNIQUE)
        raw = member_bytes(members)
        who = TenantId(wanted.tenant)
        for _ in range(_ROUNDS):
            reckoning = await self._periods.of(who, [found])
            period = reckoning.periods[found.name]
            when = When(period, reckoning.cycle, self._retention_ms)
            match await self.count_in(wanted, found, when, raw):
                case Decision() as made:
                    return made
                case PeriodMoved(now):
                    self._periods.learn(now)
                case CycleMoved():
                    self._periods.forget_cycle(who)
        raise Refused("the billing period keeps changing; nothing was counted")

    async def count_in(
        self, wanted: OneCall, resource: Resource, when: When, members: Sequence[bytes]
    ) -> UniqueAnswer:
        """Count members in one period; the arguments were checked."""
        layout, tenant = self._layout, wanted.tenant
        name, label = resource.name, when.period.label
        keys = [
            layout.tenant(tenant),
            layout.counter(tenant, name, label),
            layout.override(tenant, name),
            layout.beyond(tenant, name, label),
            layout.refusals(tenant),
            layout.members(tenant, name, label),
            layout.trying(tenant, name, label),
        ]
        call = self._calls.of(wanted, resource, keys)
        if wanted.call_id is None:
            return await self._scripts.count_unique(call, when, members)
        return await ask_twice(lambda: self._scripts.count_unique(call, when, members))
