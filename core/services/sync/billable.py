"""What of a counter goes to Stripe: its meter, its customer, its period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from meterdeck.core.errors import BadInput
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Wanted
from meterdeck.core.model.periods import (
    ENDLESS,
    Cycle,
    Period,
    PeriodKind,
    billing_cycle,
    current_period,
    parse_month,
)
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.usage import (
    BilledBy,
    CounterId,
    Resource,
    ResourceKind,
    Tenant,
    TenantId,
)
from meterdeck.core.services.recent import make_room

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_MOST_REMEMBERED = 200_000

_month = lru_cache(maxsize=64)(parse_month)


class NotBilled(StrEnum):
    """Why nothing of a counter goes to Stripe."""

    NO_METER = "no_meter"
    """The resource has no meter: it is a quota alone, or not configured."""
    BY_EVENTS = "by_events"
    """The resource is billed by the events that the application gives."""
    NO_CUSTOMER = "no_customer"
    """The tenant is not a customer in Stripe."""
    METER_UNKNOWN = "meter_unknown"
    """Stripe has no meter of that event name."""
    METER_INACTIVE = "meter_inactive"
    FORMULA = "formula"
    """The meter does not add up what a counter holds, or does for a gauge."""
    WINDOW = "window"
    """Of each hour or day the meter counts the last event alone: all others of a
    counter would be lost."""
    PERIOD = "period"
    """The counter's period is none that this tenant can have."""

    @property
    def a_fault(self) -> bool:
        """Whether somebody has to mend it before its usage can be billed."""
        return self not in (NotBilled.NO_METER, NotBilled.BY_EVENTS)


@dataclass(frozen=True, slots=True)
class _Counters:
    """A tenant's counters; they are these until then."""

    counters: tuple[CounterId, ...]
    until: datetime


class Billables:
    """Knows tenants and meters, and says what is wanted of a counter.

    Args:
        meters: By event name; None while Stripe has not told.
    """

    def __init__(self, context: Context) -> None:
        self._resources = {each.name: each for each in context.resources}
        self._tenants: dict[TenantId, Tenant] = {}
        self._counters: dict[TenantId, _Counters] = {}
        self.meters: Mapping[str, MeterInfo] | None = None
        self.billed = tuple(
            each
            for each in context.resources
            if each.meter and each.billed_by is BilledBy.COUNTER
        )

    def put(self, tenants: Iterable[Tenant], removed: Iterable[TenantId] = ()) -> None:
        """Take in what the directory says."""
        for tenant in removed:
            self._tenants.pop(tenant, None)
            self._counters.pop(tenant, None)
        for each in tenants:
            self._tenants[each.id] = each
            self._counters.pop(each.id, None)

    @property
    def tenants(self) -> int:
        """How many tenants are known."""
        return len(self._tenants)

    def all_tenants(self) -> list[Tenant]:
        """Return everybody in the directory."""
        return list(self._tenants.values())

    def tenant(self, tenant: TenantId) -> Tenant | None:
        """Return a tenant as the directory has it."""
        return self._tenants.get(tenant)

    def meter(self, event_name: str) -> MeterInfo | None:
        """Return a meter; None where it is not known."""
        return (self.meters or {}).get(event_name)

    def counters_of(self, tenant: TenantId, now: datetime) -> Sequence[CounterId]:
        """Return the counters a tenant's usage of now may be in, and of a moment ago.

        What was counted late, such as calls allowed while Redis was away, lies in the
        period before the current one.
        """
        known = self._counters.get(tenant)
        if known is None or now >= known.until:
            make_room(self._counters, tenant, _MOST_REMEMBERED)
            known = self._counters[tenant] = self._reckon(tenant, now)
        return known.counters

    def _reckon(self, tenant: TenantId, now: datetime) -> _Counters:
        entry = self._tenants.get(tenant)
        cycle = entry.cycle if entry else None
        found, until = [], now + _DAY
        for resource in self.billed:
            period = current_period(resource.period, cycle, now)
            found.append(CounterId(tenant, resource.name, period.label))
            if period.endless:
                continue
            until = min(until, period.end)
            if now - period.start < _DAY:
                before = current_period(resource.period, cycle, period.start - _SECOND)
                found.append(CounterId(tenant, resource.name, before.label))
                until = min(until, period.start + _DAY)
        return _Counters(tuple(found), until)

    def wanted(
        self, counter: CounterId, now: datetime, *, at_once: bool = False
    ) -> Wanted | NotBilled:
        """Return what to claim of a counter, or why nothing goes to Stripe.

        Args:
            at_once: Do not wait for the flush interval.
        """
        resource = self._resources.get(counter.resource)
        if resource is None or not resource.meter:
            return NotBilled.NO_METER
        if resource.billed_by is BilledBy.EVENTS:
            return NotBilled.BY_EVENTS
        tenant = self._tenants.get(counter.tenant)
        if tenant is None or not tenant.customer:
            return NotBilled.NO_CUSTOMER
        if wrong := self._wrong_meter(resource):
            return wrong
        period = period_of(counter, resource, tenant.cycle, now)
        if period is None:
            return NotBilled.PERIOD
        level = ""
        if resource.kind is ResourceKind.GAUGE:
            cycle_now = current_period(PeriodKind.BILLING_CYCLE, tenant.cycle, now)
            level = cycle_now.label
        return Wanted(
            counter=counter,
            event_name=resource.meter,
            customer=tenant.customer,
            scale=resource.scale,
            period=period,
            flush_s=0 if at_once else resource.flush_s,
            negative=resource.negative_events,
            level=level,
        )

    def _wrong_meter(self, resource: Resource) -> NotBilled | None:
        if self.meters is None:
            return None
        meter = self.meters.get(resource.meter)
        if meter is None:
            return NotBilled.METER_UNKNOWN
        if not meter.active:
            return NotBilled.METER_INACTIVE
        gauge = resource.kind is ResourceKind.GAUGE
        if meter.formula != ("last" if gauge else "sum"):
            return NotBilled.FORMULA
        # The last level of a window is what a gauge is billed by.
        return None if gauge or meter.adds_up else NotBilled.WINDOW


def period_of(
    counter: CounterId, resource: Resource, cycle: Cycle | None, now: datetime
) -> Period | None:
    """Return the period that a counter's label stands for; None if it stands for none.

    A billing cycle may have been changed since. Then the old period ended where the
    new one began, or, if the new one began before it, both hold the same moments.
    """
    label = counter.period
    if resource.kind is ResourceKind.GAUGE or label == ENDLESS.label:
        gauge = resource.kind is ResourceKind.GAUGE and label == ENDLESS.label
        return ENDLESS if gauge else None
    if len(label) == len("2026-11"):
        try:
            return _month(label)
        except BadInput:
            return None
    try:
        first_day = datetime.strptime(label, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    if cycle is not None:
        # A period that begins on that day holds its last second, unless it is shorter.
        period = billing_cycle(cycle, first_day + _DAY - _SECOND)
        if period.label == label:
            return period
    following = current_period(PeriodKind.BILLING_CYCLE, cycle, now).start
    last_second = first_day + _DAY
    end = following if following > first_day else max(last_second, now)
    return Period(first_day, max(end, first_day + _SECOND), label)
