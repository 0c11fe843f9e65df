"""What a change of a counter does to the running period's bill."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Context
from meterdeck.core.model.costs import ItemCost
from meterdeck.core.model.money import Money
from meterdeck.core.model.quantity import exact_amount
from meterdeck.core.model.usage import ResourceName, Tenant
from meterdeck.core.services.costs import Costs


class Worth:
    """Reckons changes of one context at the prices of the tenants' subscriptions."""

    def __init__(self, context: Context, costs: Costs) -> None:
        self._context = context
        self._costs = costs

    async def of(
        self, tenant: Tenant, resource: ResourceName, units: int
    ) -> Decimal | None:
        """Return what so many more units cost, in the subscription's currency.

        None where nobody can tell: Stripe does not answer, or there is no price.
        """
        try:
            cost = await self._costs.of(tenant)
        except MeterdeckError:
            return None
        scale = self._context.resource(resource).scale
        more = exact_amount(units, scale)
        items = [each for each in cost.items if resource in each.resources]
        changes = [_difference(each, more) for each in items]
        known = [each for each in changes if each is not None]
        if not items or len(known) < len(items):
            return None
        return sum(known, Decimal(0))


def _difference(item: ItemCost, more: Decimal) -> Decimal | None:
    quantity = item.measured.quantity
    if quantity is None:
        return None
    measured = replace(item.measured, quantity=max(Decimal(0), quantity + more))
    after = replace(item, measured=measured, forecast=None)
    if item.so_far is None or after.so_far is None:
        return None
    return Money.of_minor(after.so_far.total - item.so_far.total, item.currency).amount
