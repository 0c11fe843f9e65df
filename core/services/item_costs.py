"""What one price of a subscription costs: whose usage it bills, and how much of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.billed import BilledItem
from meterdeck.core.model.context import Context
from meterdeck.core.model.costs import Basis, ItemCost, Measured, forecast_of
from meterdeck.core.model.seen_prices import METERED
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.usage import Tenant
from meterdeck.core.services.cost_usage import CostUsage, Metered
from meterdeck.core.services.usage import UsageService

_ONE = Decimal(1)
_OLD = (
    "its price is metered and has no meter: meter events do not reach it, and what was"
    " reported otherwise cannot be read"
)


class ItemCosts:
    """Reckons items of one context; the account's meters are read once."""

    def __init__(
        self,
        context: Context,
        gateway: StripeGateway,
        records: BillingRecords,
        usage: UsageService,
    ) -> None:
        self._context = context
        self._gateway = gateway
        self._reader = CostUsage(gateway, records, usage)
        self._meters: dict[str, MeterInfo] = {}

    async def of(self, tenant: Tenant, item: BilledItem, now: datetime) -> ItemCost:
        """Return what an item costs in its running period.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
            StripeUnreachable, StripeRefused: The meters could not be read.
        """
        made = await self.described(item)
        measured = await self._measured(tenant, made, now)
        scales = [self._context.resource(each).scale for each in made.resources]
        finest = max(scales, default=_decimals(measured.quantity))
        forecast = forecast_of(item, measured, now, finest)
        return replace(made, measured=measured, forecast=forecast)

    async def described(self, item: BilledItem) -> ItemCost:
        """Return an item with what it bills; how much that is is not read."""
        price = item.price
        if price.usage_type == METERED and not price.metered:
            unknown = Measured(None, Basis.STRIPE, problem=_OLD)
            return ItemCost(item, _label(item), unknown)
        if not price.metered:
            quantity = _ONE if item.quantity is None else Decimal(item.quantity)
            return ItemCost(item, _label(item), Measured(quantity, Basis.QUANTITY))
        meter = await self.meter(price.meter_id)
        event_name = meter.event_name if meter else price.meter_id
        served = [each for each in self._context.resources if each.meter == event_name]
        return ItemCost(
            item,
            served[0].label if len(served) == 1 else event_name,
            Measured(None, Basis.STRIPE),
            unit=served[0].unit if served else "",
            resources=tuple(each.name for each in served),
            event_name=event_name,
        )

    async def meter(self, meter_id: str) -> MeterInfo | None:
        """Return a meter of the account, by its id or event name; None: there is none.

        Meters are read again where one is not known.
        """
        if meter_id not in self._meters:
            # Of two with one event name the active one counts.
            found = sorted(await self._gateway.meters(), key=lambda each: each.active)
            self._meters = {each.event_name: each for each in found}
            self._meters |= {each.id: each for each in found}
        return self._meters.get(meter_id)

    async def _measured(
        self, tenant: Tenant, made: ItemCost, now: datetime
    ) -> Measured:
        if not made.metered:
            return made.measured
        item = made.item
        if item.start is None or item.end is None:
            why = "Stripe does not say for which period it is billed"
            return Measured(None, Basis.STRIPE, problem=why)
        metered = Metered(
            made.event_name,
            await self.meter(item.price.meter_id),
            tuple(self._context.resource(each) for each in made.resources),
            item.start,
            item.end,
        )
        return await self._reader.of(tenant, metered, now)


def _label(item: BilledItem) -> str:
    price = item.price
    return price.nickname or price.lookup_key or item.product or price.id


def _decimals(quantity: Decimal | None) -> int:
    """Return how fine a quantity is, of which no resource says how it is counted."""
    exponent = quantity.normalize().as_tuple().exponent if quantity else 0
    return max(0, -exponent) if isinstance(exponent, int) else 0
