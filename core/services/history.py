"""The history of a tenant's counters, from what Redis keeps; writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.sample_calls import Kept, SampleCalls
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.context import Context
from meterdeck.core.model.history import Readings
from meterdeck.core.model.known_readings import jumps_of, override_at, readings_of
from meterdeck.core.model.periods import Period, current_period
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.tenant_history import (
    PastPeriod,
    ResourceHistory,
    Source,
    TenantHistory,
)
from meterdeck.core.model.usage import (
    Broken,
    CounterId,
    Resource,
    ResourceKind,
    Tenant,
    Usage,
)
from meterdeck.core.services.audit import AuditTrail
from meterdeck.core.services.counter_values import broken_text
from meterdeck.core.services.usage_reading import UsageReader

MOST_EARLIER = 6
"""Periods before the running one that are looked for; a retention of 35 days keeps two
months, or five weeks."""

_ENTRIES = 500  # of the trail; what was changed before shows as use
_INSTANT = timedelta(microseconds=1)
_LOOKED = timedelta(days=62)


@dataclass(frozen=True, slots=True)
class _Found:
    """What was read of all of a tenant's counters.

    Attributes:
        looked: Hours in which all counters were looked at.
        values: Of counters of periods that are over.
    """

    now: datetime
    looked: Sequence[int]
    trail: Sequence[AuditEntry]
    kept: Mapping[CounterId, Kept]
    values: Mapping[CounterId, int | Broken]


class History:
    """Reads histories of one context's tenants; Stripe is not asked."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._context = context
        self._samples = SampleCalls(redis, context)
        self._usage = UsageReader(redis, context)
        self._trail = AuditTrail(redis, context)
        self._kept = timedelta(days=context.redis.retention_days)

    async def of(self, tenant: Tenant) -> TenantHistory:
        """Return what is known of every configured resource.

        Raises:
            RedisUnreachable, RedisRefused: It could not be read.
        """
        now = await server_time(self._redis)
        usage = await self._usage.read(tenant)
        found = await self._read(tenant, usage, now)
        made = [
            _OneHistory(self._context, tenant, each, found).history(
                self._earlier(tenant, each, now)
            )
            for each in usage
        ]
        return TenantHistory(tenant, now, tuple(made))

    async def _read(
        self, tenant: Tenant, usage: Sequence[Usage], now: datetime
    ) -> _Found:
        running = [_counter(each, each.period) for each in usage]
        before = [
            _counter(each, period)
            for each in usage
            for period in self._earlier(tenant, each, now)
        ]
        kept, values, trail, looked = await asyncio.gather(
            self._samples.read([*running, *before]),
            self._samples.values(before),
            self._trail.newest(tenant.id, count=_ENTRIES),
            self._samples.hours(now - _LOOKED, now),
        )
        return _Found(
            now,
            looked,
            trail,
            {each.counter: each for each in kept},
            {
                each: _value(reply)
                for each, reply in zip(before, values, strict=True)
                if reply is not None
            },
        )

    def _earlier(self, tenant: Tenant, usage: Usage, now: datetime) -> list[Period]:
        """Return the periods before that may still have a counter, newest first."""
        kind, period = self._context.resource(usage.resource).period, usage.period
        found: list[Period] = []
        while not period.endless and len(found) < MOST_EARLIER:
            period = current_period(kind, tenant.cycle, period.start - _INSTANT)
            if period.end + self._kept <= now:
                break
            found.append(period)
        return found


class _OneHistory:
    """Puts together what was read of one resource."""

    def __init__(
        self, context: Context, tenant: Tenant, usage: Usage, found: _Found
    ) -> None:
        self._context = context
        self._tenant = tenant
        self._usage = usage
        self._found = found
        self._resource: Resource = context.resource(usage.resource)

    def history(self, earlier: Sequence[Period]) -> ResourceHistory:
        used, now = self._usage.used, self._found.now
        running = self._readings(
            self._usage.period, used if isinstance(used, int) else None, now
        )
        before = [self._readings_before(period) for period in reversed(earlier)]
        broken = self._found.kept[_counter(self._usage, self._usage.period)].broken
        return ResourceHistory(
            resource=self._resource,
            usage=self._usage,
            now=now,
            running=running,
            before=tuple(self._unbroken(before)),
            earlier=tuple(self._past(earlier)),
            problem=f"its samples hold {broken.holds}" if broken else "",
        )

    def _readings(self, period: Period, value: int | None, until: datetime) -> Readings:
        counter, found = _counter(self._usage, period), self._found
        samples = found.kept[counter].samples
        return Readings(
            readings_of(
                period,
                samples.taken if samples else (),
                found.looked,
                value=value,
                until=until,
            ),
            jumps_of(found.trail, counter.resource, counter.period),
            falls=self._resource.kind is ResourceKind.GAUGE,
        )

    def _readings_before(self, period: Period) -> Readings | None:
        """Return what is known of a period that is over; None: not even its sum."""
        value = self._found.values.get(_counter(self._usage, period))
        if not isinstance(value, int):
            return None
        return self._readings(period, value, period.end)

    def _unbroken(self, before: Sequence[Readings | None]) -> list[Readings]:
        """Return the periods from which on all are known."""
        known: list[Readings] = []
        for readings in before:
            known = [] if readings is None else [*known, readings]
        return known

    def _past(self, earlier: Sequence[Period]) -> Iterator[PastPeriod]:
        for period in earlier:
            used = self._found.values.get(_counter(self._usage, period))
            if used is not None:
                limit, known = self._limit_then(period)
                yield PastPeriod(period, used, limit, known, Source.COUNTER)

    def _limit_then(self, period: Period) -> tuple[int | None, bool]:
        """Return the limit at a period's end, and whether that is known."""
        found, counter = self._found, _counter(self._usage, period)
        override = override_at(found.trail, counter.resource, period.end - _INSTANT)
        if override is not None:
            return override.units, True
        samples = found.kept[counter].samples
        if samples is not None and samples.taken:
            return samples.limit, True
        plan = self._context.limit_of(self._tenant, self._resource.name)
        return plan.units, False


def _counter(usage: Usage, period: Period) -> CounterId:
    return CounterId(usage.tenant, usage.resource, period.label)


def _value(reply: object) -> int | Broken:
    if not isinstance(reply, bytes):
        return Broken("a value of another type")
    value = parse_counter(reply)
    return broken_text(reply) if value is None else value
