"""Which tenants an alert may concern, by their counters alone.

A worker looks at every tenant that moves. Reading limits, overrides and alerts of each
would cost many times what the counters do, and nearly all are far from any threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from meterdeck.core.adapters.bulk_reader import BulkReader
from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.alert_audience import concerns
from meterdeck.core.model.alert_rules import AlertRule, Measure
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import current_period
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.usage import CounterId, Resource, Tenant, TenantId
from meterdeck.core.services.alerting.paces import Paces


class Sieve:
    """Lets through who may be at a threshold, and notes how fast counters move."""

    def __init__(
        self, redis: Redis, context: Context, rules: Sequence[AlertRule], paces: Paces
    ) -> None:
        self._bulk = BulkReader(redis)
        self._context = context
        self._layout = context.redis.layout
        self._rules = rules
        self._paces = paces
        named = {rule.resource for rule in rules}
        self._resources = [
            each for each in context.resources if None in named or each.name in named
        ]

    async def some(
        self, tenants: Sequence[Tenant], always: set[TenantId], now: datetime
    ) -> list[Tenant]:
        """Return those that have to be looked at.

        Args:
            always: Who is let through whatever the counters say: those with alerts, or
                with another limit than their plan's.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        counters = [
            CounterId(tenant.id, each.name, self._label(each, tenant, now))
            for tenant in tenants
            for each in self._resources
        ]
        names = (self._layout.counter(c.tenant, c.resource, c.period) for c in counters)
        raw = await self._bulk.mget(names)
        values = iter(list(zip(counters, raw, strict=True)))
        return [
            tenant
            for tenant in tenants
            # Not `any`: every counter's pace is noted.
            if [True for near in self._near(tenant, values, now) if near]
            or tenant.id in always
        ]

    def _label(self, resource: Resource, tenant: Tenant, now: datetime) -> str:
        return current_period(resource.period, tenant.cycle, now).label

    def _near(
        self,
        tenant: Tenant,
        values: Iterator[tuple[CounterId, bytes | None]],
        now: datetime,
    ) -> Iterator[bool]:
        default = self._context.default_plan
        rules = [rule for rule in self._rules if concerns(rule, tenant, default)]
        for resource in self._resources:
            counter, raw = next(values)
            used = parse_counter(raw) if raw else None
            if used is None:
                yield False
                continue
            mine = [rule for rule in rules if rule.resource in (None, resource.name)]
            yield self._is_near(tenant, mine, counter, used, now)

    def _is_near(
        self,
        tenant: Tenant,
        rules: Sequence[AlertRule],
        counter: CounterId,
        used: int,
        now: datetime,
    ) -> bool:
        # Of a limit of 0 there is nothing to use up.
        limit = self._context.limit_of(tenant, counter.resource).units or None
        near = False
        for rule in rules:
            first = rule.thresholds[0]
            match rule.measure:
                case Measure.UNITS:
                    near |= used >= first
                case Measure.PERCENT if limit is not None:
                    near |= used * 100 >= first * limit
                case Measure.TIME_TO_LIMIT if used:
                    rate = self._paces.rate(counter, used, now)
                    self._paces.note(counter, used, now)
                    # An override may be the only limit: the pace is kept for it, too.
                    reached = used + (rate or 0.0) * first
                    near |= limit is not None and reached >= limit
        return near
