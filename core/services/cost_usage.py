"""How much was used of what a subscription bills, in the period that is running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound, StripeRefused, StripeUnreachable
from meterdeck.core.model.costs import Basis, Measured
from meterdeck.core.model.delivery import BillingRecord
from meterdeck.core.model.periods import Period, current_period
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.usage import (
    BilledBy,
    Broken,
    Resource,
    ResourceKind,
    Tenant,
)
from meterdeck.core.services.reconcile.subjects import Subject, whole_minutes
from meterdeck.core.services.usage import UsageService

_WHOSE = (
    "meterdeck has sent nothing of it: where the application reports usage itself,"
    " it is in this twice"
)
_NEGATIVE = "they were taken back: no negative events are sent"
_GONE = "their counter is gone"


@dataclass(frozen=True, slots=True)
class _Unsent:
    """What is not at Stripe yet; `begun` tells whether any was ever sent."""

    quantity: Decimal
    begun: bool


_NOTHING = _Unsent(Decimal(0), begun=False)


@dataclass(frozen=True, slots=True)
class Metered:
    """What a meter counts for a subscription, and of it the resources counted here.

    Attributes:
        meter: None where Stripe has none of that event name.
        start, end: The period it is billed for.
    """

    event_name: str
    meter: MeterInfo | None
    resources: tuple[Resource, ...]
    start: datetime
    end: datetime

    @property
    def period(self) -> Period:
        """The period it is billed for."""
        return Period(self.start, self.end, "")

    @property
    def counted(self) -> bool:
        """Whether what counters hold is what the meter adds up."""
        return (
            (self.meter is None or self.meter.adds_up)
            and bool(self.resources)
            and all(_by_counter(each) for each in self.resources)
        )


class CostUsage:
    """Reads counters, billing records and Stripe's summaries; writes nothing."""

    def __init__(
        self, gateway: StripeGateway, records: BillingRecords, usage: UsageService
    ) -> None:
        self._gateway = gateway
        self._records = records
        self._usage = usage

    async def of(self, tenant: Tenant, metered: Metered, now: datetime) -> Measured:
        """Return how much was used, and how that is known.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        subjects = [
            Subject(tenant, each, current_period(each.period, tenant.cycle, now))
            for each in metered.resources
        ]
        if metered.counted and all(
            _same(each.period, metered.period) for each in subjects
        ):
            return await self._counted(tenant, subjects, metered)
        if metered.meter is None:
            why = f"Stripe has no meter {metered.event_name}"
            return Measured(None, Basis.STRIPE, problem=why)
        return await self._summed(metered, subjects, tenant)

    async def _counted(
        self, tenant: Tenant, subjects: Sequence[Subject], metered: Metered
    ) -> Measured:
        records = await self._records.read([each.counter for each in subjects])
        if any(each.used is None for each in records):
            broken = await self._broken(tenant, subjects)
            if broken:
                return Measured(None, Basis.COUNTER, problem=broken)
        total, notes = Decimal(0), list(_notes(metered.meter))
        for subject, record in zip(subjects, records, strict=True):
            flying = record.claim.units if record.claim is not None else 0
            sent = record.reported + record.parked + flying
            coming = _coming(record, subject.resource)
            total += _scaled(sent + coming, subject.resource)
            if (kept := coming - record.waiting) > 0:
                stays = group_quantity(kept, subject.resource.scale)
                why = _NEGATIVE if record.used is not None else _GONE
                notes.append(f"{stays} of it stay billed, though {why}")
            if record.parked:
                parked = group_quantity(record.parked, subject.resource.scale)
                notes.append(
                    f"{parked} of it are in events that need somebody, and are not"
                    " billed before"
                )
        return Measured(total, Basis.COUNTER, notes=tuple(notes))

    async def _broken(self, tenant: Tenant, subjects: Sequence[Subject]) -> str:
        for usage in await self._usage.usage(tenant):
            if isinstance(usage.used, Broken) and any(
                usage.resource == each.resource.name for each in subjects
            ):
                return f"the counter of {usage.resource} holds {usage.used.holds}"
        return ""

    async def _summed(
        self, metered: Metered, subjects: Sequence[Subject], tenant: Tenant
    ) -> Measured:
        meter = metered.meter
        assert meter is not None, "without a meter there is nothing to ask"
        basis = Basis.STRIPE_AND_UNSENT if metered.counted else Basis.STRIPE
        level = meter.formula == "last"
        start, end = whole_minutes(metered.period)
        # Unsent before sent: what is delivered in between is in both for a moment,
        # the other way round in neither; a summary lags by more than that.
        unsent = _NOTHING
        if metered.counted:
            unsent = await self._unsent(subjects, metered.period)
        try:
            held = await self._gateway.summary(meter.id, tenant.customer, start, end)
        except (StripeUnreachable, StripeRefused, NotFound) as error:
            return Measured(None, basis, level, f"Stripe could not be asked: {error}")
        notes = _notes(meter)
        if held and unsent.quantity and not unsent.begun:
            notes = (*notes, _WHOSE)
        return Measured(held + unsent.quantity, basis, level, notes=notes)

    async def _unsent(self, subjects: Sequence[Subject], period: Period) -> _Unsent:
        """Return what is used in the period and not accepted by Stripe yet."""
        counters = [each for one in subjects for each in _within(one, period)]
        records = await self._records.read([each.counter for each in counters])
        units = [
            _scaled(_waiting(record, period, subject.resource), subject.resource)
            for subject, record in zip(counters, records, strict=True)
        ]
        begun = any(record.sequence for record in records)
        return _Unsent(sum(units, Decimal(0)), begun=begun)


def _by_counter(resource: Resource) -> bool:
    return (
        resource.billed_by is BilledBy.COUNTER
        and resource.kind is not ResourceKind.GAUGE
    )


def _same(counter: Period, item: Period) -> bool:
    return (counter.start, counter.end) == (item.start, item.end)


def _within(subject: Subject, period: Period) -> list[Subject]:
    """Return the counters of a resource whose events may fall into a period."""
    found = []
    while subject.period.end > period.start:
        found.append(subject)
        subject = subject.before
    return found


def _waiting(record: BillingRecord, period: Period, resource: Resource) -> int:
    claim = record.claim
    flying = claim is not None and claim.event.timestamp in period
    coming = _coming(record, resource)
    return coming + (claim.units if claim is not None and flying else 0)


def _coming(record: BillingRecord, resource: Resource) -> int:
    """Return the units that the next events bring, less than none if taken back.

    None are sent of a counter that is gone, nor any taken back without negative events.
    """
    if record.used is None:
        return 0
    return record.waiting if resource.negative_events else max(0, record.waiting)


def _scaled(units: int, resource: Resource) -> Decimal:
    return Decimal(units).scaleb(-resource.scale)


def _notes(meter: MeterInfo | None) -> tuple[str, ...]:
    if meter is None or meter.active:
        return ()
    return ("its meter is deactivated: Stripe takes no usage any more",)
