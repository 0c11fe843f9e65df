"""What there is to reconcile: the counters of a tenant that Stripe still takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterdeck.core.model.delivery import OLDEST_EVENT
from meterdeck.core.model.periods import Period, PeriodKind, current_period
from meterdeck.core.model.reconciliation import Finding, minute_of
from meterdeck.core.model.usage import (
    BilledBy,
    CounterId,
    Resource,
    ResourceKind,
    Tenant,
)

_INSTANT = timedelta(microseconds=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Subject:
    """A counter, whose it is, and the period it counts in."""

    tenant: Tenant
    resource: Resource
    period: Period

    @property
    def counter(self) -> CounterId:
        """The counter's name."""
        return CounterId(self.tenant.id, self.resource.name, self.period.label)

    def beside(self, moment: datetime) -> Subject:
        """Return the subject of the same resource whose period holds `moment`."""
        period = current_period(self.resource.period, self.tenant.cycle, moment)
        return Subject(self.tenant, self.resource, period)

    @property
    def by_events(self) -> bool:
        """Whether it is billed by events of its own."""
        return self.resource.billed_by is BilledBy.EVENTS

    @property
    def before(self) -> Subject:
        """The subject of the period before."""
        return self.beside(self.period.start - _INSTANT)

    @property
    def after(self) -> Subject:
        """The subject of the period after."""
        return self.beside(self.period.end)


@dataclass(frozen=True, slots=True)
class Compared:
    """A counter that was compared with Stripe."""

    subject: Subject
    finding: Finding


def is_reconciled(resource: Resource) -> bool:
    """Tell whether Stripe's sum of a resource is what was counted of it.

    Not so of a gauge, whose meter has the newest level.
    """
    return bool(resource.meter) and resource.kind is not ResourceKind.GAUGE


def subjects_of(
    tenant: Tenant, resources: Iterable[Resource], now: datetime
) -> Iterator[Subject]:
    """Yield the counters of the current period, and of all that Stripe still takes."""
    for resource in resources:
        if not is_reconciled(resource) or resource.period is PeriodKind.NONE:
            continue
        period = current_period(resource.period, tenant.cycle, now)
        subject = Subject(tenant, resource, period)
        while subject.period.end > now - OLDEST_EVENT:
            yield subject
            subject = subject.before


def whole_minutes(period: Period) -> tuple[datetime, datetime]:
    """Return the least stretch of whole minutes that holds a period."""
    start, end = minute_of(period.start), minute_of(period.end)
    return start, end if end == period.end else end + _MINUTE


def edge_minutes(period: Period) -> tuple[datetime, ...]:
    """Return the starts of the minutes that a period shares with those beside it."""
    bounds = (period.start, period.end)
    return tuple(minute_of(each) for each in bounds if each != minute_of(each))
