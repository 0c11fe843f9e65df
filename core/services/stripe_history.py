"""What Stripe still knows of the past that Redis does not: its meters' summaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound, StripeRefused, StripeUnreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.history import DAY, Reading, Readings
from meterdeck.core.model.periods import current_period
from meterdeck.core.model.subscriptions import MeterInfo, MeterSummary
from meterdeck.core.model.tenant_history import (
    PastPeriod,
    ResourceHistory,
    Source,
    TenantHistory,
)
from meterdeck.core.model.usage import ResourceKind, Tenant
from meterdeck.core.services.recent import Recent
from meterdeck.core.services.reconcile.subjects import whole_minutes

MOST_PERIODS = 6
"""Periods before the running one that are shown, Stripe's and Redis's together."""

_INSTANT = timedelta(microseconds=1)
_MOST_REMEMBERED = 1_000
_TOTALS_KEPT_S = 900.0
"""What is over may change still: by late reports, corrections, cancelled events."""
_METERS_KEPT_S = 300.0
_Asked = tuple[str, str, datetime, datetime]


class StripeHistory:
    """Completes histories of one context's tenants; changes nothing anywhere.

    Meters are read every five minutes at most, and what Stripe has of a period that is
    over every quarter of an hour: of the thousand asked for last.
    """

    def __init__(self, context: Context, gateway: StripeGateway) -> None:
        self._context = context
        self._gateway = gateway
        self._meters: Recent[str, dict[str, MeterInfo]] = Recent(1, _METERS_KEPT_S)
        self._totals: Recent[_Asked, Decimal] = Recent(_MOST_REMEMBERED, _TOTALS_KEPT_S)
        self._by_day: Recent[_Asked, list[MeterSummary]] = Recent(
            _MOST_REMEMBERED, _TOTALS_KEPT_S
        )

    async def complete(self, history: TenantHistory) -> TenantHistory:
        """Return a history with what Stripe has of it besides.

        Where Stripe does not answer, the history is as it was, with a note.
        """
        tenant = history.tenant
        if not tenant.customer:
            return history
        try:
            made = [await self._one(tenant, each) for each in history.resources]
        except (StripeUnreachable, StripeRefused) as error:
            return replace(history, notes=(*history.notes, str(error)))
        return replace(history, resources=tuple(made))

    async def _one(self, tenant: Tenant, known: ResourceHistory) -> ResourceHistory:
        meter = await self._meter(known)
        if meter is None:
            return known
        try:
            if len(known.readings) <= 2:
                known = await self._with_days(tenant, known, meter)
            return await self._with_periods(tenant, known, meter)
        except NotFound:
            return known  # a customer that Stripe does not have

    async def _meter(self, known: ResourceHistory) -> MeterInfo | None:
        resource = known.resource
        if not resource.meter or resource.kind is ResourceKind.GAUGE:
            return None
        meters = self._meters.get("")
        if meters is None:
            found = sorted(await self._gateway.meters(), key=lambda each: each.active)
            meters = self._meters.put("", {each.event_name: each for each in found})
        meter = meters.get(resource.meter)
        return meter if meter is not None and meter.adds_up else None

    async def _with_periods(
        self, tenant: Tenant, known: ResourceHistory, meter: MeterInfo
    ) -> ResourceHistory:
        earlier = list(known.earlier)
        kind, period = known.resource.period, known.usage.period
        limit = self._context.limit_of(tenant, known.resource.name).units
        by_label = {each.period.label: each for each in earlier}
        made: list[PastPeriod] = []
        for _ in range(MOST_PERIODS):
            period = current_period(kind, tenant.cycle, period.start - _INSTANT)
            found = by_label.get(period.label)
            if found is None:
                total = await self._total(tenant, meter, *whole_minutes(period))
                used = _units(total, known)
                stripes = Source.STRIPE
                found = PastPeriod(period, used, limit, False, stripes)
            made.append(found)
        while made and made[-1].source is Source.STRIPE and not made[-1].used:
            made.pop()  # before there was anything
        return replace(known, earlier=tuple(made))

    async def _total(
        self, tenant: Tenant, meter: MeterInfo, start: datetime, end: datetime
    ) -> Decimal:
        name = (meter.id, tenant.customer, start, end)
        total = self._totals.get(name)
        if total is None:
            total = await self._gateway.summary(meter.id, tenant.customer, start, end)
            self._totals.put(name, total)
        return total

    async def _days(
        self, tenant: Tenant, meter: MeterInfo, start: datetime, end: datetime
    ) -> list[MeterSummary]:
        name = (meter.id, tenant.customer, start, end)
        found = self._by_day.get(name)
        if found is None:
            found = await self._gateway.summaries(
                meter.id, tenant.customer, start, end, "day"
            )
            self._by_day.put(name, found)
        return found

    async def _with_days(
        self, tenant: Tenant, known: ResourceHistory, meter: MeterInfo
    ) -> ResourceHistory:
        """Return the running period by days, where nobody has taken samples of it."""
        start = known.usage.period.start.replace(second=0, microsecond=0)
        midnight = start.replace(hour=0, minute=0)
        if midnight < start:
            midnight += DAY
        today = known.now.replace(hour=0, minute=0, second=0, microsecond=0)
        if midnight >= today or not isinstance(known.usage.used, int):
            return known
        before = Decimal(0)
        if start < midnight:
            before = await self._total(tenant, meter, start, midnight)
        days = await self._days(tenant, meter, midnight, today)
        readings = [Reading(known.usage.period.start, 0)]
        if midnight > readings[0].at:
            readings.append(Reading(midnight, _units(before, known)))
        for each in days:
            before += each.value
            readings.append(Reading(each.start + DAY, _units(before, known)))
        return _with_readings(known, readings)


def _with_readings(
    known: ResourceHistory, readings: Sequence[Reading]
) -> ResourceHistory:
    """Return the period with Stripe's days, which lag behind the counter's sum."""
    used = known.usage.used
    assert isinstance(used, int)
    most = [replace(each, value=min(each.value, used)) for each in readings]
    taken = (*most, Reading(known.now, used))
    jumps = known.running.jumps
    return replace(known, running=Readings(taken, jumps), before=(), by_stripe=True)


def _units(value: Decimal, known: ResourceHistory) -> int:
    return int(value.scaleb(known.resource.scale))
