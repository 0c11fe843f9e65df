"""The close guard: what is not at Stripe yet of periods that end soon, or did."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import INVOICE_GRACE, BillingRecord
from meterdeck.core.model.periods import Period, current_period
from meterdeck.core.model.usage import BilledBy, CounterId, Resource, Tenant

_AT_ONCE = 500
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Closing:
    """A counter with units that are not at Stripe, and its period's end.

    Attributes:
        ends: When its period ends, or the customer's at Stripe, if that is before.
        finalises: When Stripe's draft invoice takes no more of that period.
        record: The counter, and what is known of its bill.
    """

    tenant: Tenant
    resource: Resource
    counter: CounterId
    ends: datetime
    record: BillingRecord

    @property
    def finalises(self) -> datetime:
        """When Stripe closes the invoice, unless somebody holds it open."""
        return self.ends + INVOICE_GRACE

    @property
    def in_flight(self) -> int:
        """Units on their way."""
        return self.record.claim.units if self.record.claim else 0

    @property
    def unsent(self) -> int:
        """Units that Stripe does not have, for whatever reason."""
        return self.record.waiting + self.in_flight + self.record.parked


class CloseGuard:
    """Looks at the counters of periods that end within `delivery.close_guard_h`."""

    def __init__(self, context: Context, records: BillingRecords) -> None:
        self._within = timedelta(hours=context.delivery.close_guard_h)
        self._billed = [
            each
            for each in context.resources
            if each.meter and each.billed_by is BilledBy.COUNTER
        ]
        self._records = records

    async def look(
        self,
        tenants: Iterable[Tenant],
        now: datetime,
        *,
        within: timedelta | None = None,
        progress: Callable[[int], None] = lambda read: None,
    ) -> AsyncIterator[Closing]:
        """Yield what is unsent, in the order of the tenants.

        Args:
            now: By the Redis server's clock.
            within: In place of the setting.
            progress: Is told how many counters were read.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        span = self._within if within is None else within
        batch: list[tuple[Tenant, Resource, Period, datetime]] = []
        read = 0
        for tenant in tenants:
            batch += self._closing(tenant, now, span)
            if len(batch) >= _AT_ONCE:
                async for each in self._read(batch):
                    yield each
                read += len(batch)
                batch = []
                progress(read)
        async for each in self._read(batch):
            yield each

    async def in_order(
        self,
        tenants: Iterable[Tenant],
        now: datetime,
        *,
        within: timedelta | None = None,
        progress: Callable[[int], None] = lambda read: None,
    ) -> list[Closing]:
        """Return what is unsent, what ends first on top; otherwise as `look`."""
        looked = self.look(tenants, now, within=within, progress=progress)
        found = [each async for each in looked]
        found.sort(key=lambda each: (each.ends, each.tenant.id, each.resource.name))
        return found

    def _closing(
        self, tenant: Tenant, now: datetime, span: timedelta
    ) -> list[tuple[Tenant, Resource, Period, datetime]]:
        found = []
        for resource in self._billed:
            period = current_period(resource.period, tenant.cycle, now)
            if period.endless:
                continue
            ends = period.end
            if tenant.customer and tenant.period_end and now < tenant.period_end < ends:
                ends = tenant.period_end
            if ends - now <= span:
                found.append((tenant, resource, period, ends))
            # Its invoice may be a draft for an hour, and is looked at for a day.
            if now - period.start <= max(span, INVOICE_GRACE):
                before = current_period(
                    resource.period, tenant.cycle, period.start - _SECOND
                )
                found.append((tenant, resource, before, before.end))
        return found

    async def _read(
        self, batch: Sequence[tuple[Tenant, Resource, Period, datetime]]
    ) -> AsyncIterator[Closing]:
        counters = [
            CounterId(tenant.id, resource.name, period.label)
            for tenant, resource, period, _ in batch
        ]
        records = await self._records.read(counters) if counters else []
        for (tenant, resource, _, ends), counter, record in zip(
            batch, counters, records, strict=True
        ):
            closing = Closing(tenant, resource, counter, ends, record)
            if closing.unsent:
                yield closing
