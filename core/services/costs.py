"""What a tenant's running period costs, and what it would cost if."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound, Refused, StripeUnreachable
from meterdeck.core.model.billed import BilledItem, BilledSubscription, InvoicePreview
from meterdeck.core.model.context import Context
from meterdeck.core.model.costs import Comparison, ItemCost, TenantCost
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.usage import Tenant
from meterdeck.core.model.what_if import WhatIf, with_usage
from meterdeck.core.services.item_costs import ItemCosts
from meterdeck.core.services.other_prices import OtherPrices
from meterdeck.core.services.recent import make_room
from meterdeck.core.services.usage import UsageService

_MOST_REMEMBERED = 1_000
_PAUSED = {
    "void": "its invoices are voided, and nobody pays for it",
    "keep_as_draft": "its invoices stay drafts, and are paid later if at all",
    "mark_uncollectible": "its invoices are uncollectible, and nobody is charged",
}
"""By Stripe's word for what becomes of invoices while collection is paused."""


class Costs:
    """Reckons what tenants' running periods cost; changes nothing anywhere.

    Stripe is asked for the subscription each time, for the account's meters once, and
    for usage only where counters do not tell. Every method raises Refused in a context
    without Stripe, StripeUnreachable and StripeRefused as the gateway, and
    RedisUnreachable and RedisRefused as `redis_errors`.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        gateway: StripeGateway | None,
        *,
        records: BillingRecords,
        usage: UsageService,
    ) -> None:
        self._redis = redis
        self._context = context
        self._usage = usage
        self._stripe = gateway
        self._known: dict[str, BilledSubscription] = {}
        if gateway is not None:
            self._items = ItemCosts(context, gateway, records, usage)
            self._others = OtherPrices(context, gateway, self._items)

    async def of(self, tenant: Tenant) -> TenantCost:
        """Return what the running period costs so far and will have cost at its end.

        While Stripe is away, the subscription is taken as it was last read here, if
        its periods still run.
        """
        gateway = self._gateway()
        now = await server_time(self._redis)
        if not tenant.subscription:
            why = "it has no subscription in Stripe: nothing is billed"
            return TenantCost(tenant, now, problem=why)
        try:
            found, stale = await self._subscription(gateway, tenant, now)
        except NotFound:
            why = f"Stripe has no subscription {tenant.subscription} any more"
            return TenantCost(tenant, now, problem=why)
        if found.ended:
            why = "its subscription has ended: nothing is billed any more"
            return TenantCost(tenant, now, (), found.id, why, billed=found)
        items = [
            _within(found, await self._items.of(tenant, each, now))
            for each in found.items
        ]
        return TenantCost(
            tenant,
            now,
            tuple(items),
            found.id,
            trial_end=found.trial_end,
            notes=(*stale, *_notes(found)),
            billed=found,
        )

    async def what_if(self, tenant: Tenant, wanted: WhatIf) -> Comparison:
        """Return the running period as it is, and as it would be.

        Raises:
            BadInput, NotFound, Refused: It cannot be told; the message says why.
        """
        return await self.imagine(await self.of(tenant), wanted)

    async def imagine(self, before: TenantCost, wanted: WhatIf) -> Comparison:
        """Return what would be different; `before` is what `of` returned.

        Raises:
            BadInput, NotFound, Refused: As `what_if`.
        """
        self._gateway()
        if before.problem:
            raise Refused(f"{before.tenant.name}: {before.problem}")
        change = await self._others.change(before, wanted)
        new = [await self._imagined(before, each) for each in change.new]
        after = replace(before, items=_in_place(before.items, change.gone, new))
        if wanted.usage:
            after = with_usage(after, wanted)
        unbilled = await self._unbilled(after) if change.new else ()
        return Comparison(before, after, (*change.notes, *unbilled))

    async def preview(self, tenant: Tenant) -> InvoicePreview:
        """Return the invoice that Stripe would write now for the running period.

        Raises:
            Refused: There is no subscription.
        """
        gateway = self._gateway()
        if not tenant.subscription:
            raise Refused(f"{tenant.name} has no subscription in Stripe")
        return await gateway.pricing.preview(tenant.subscription)

    def _gateway(self) -> StripeGateway:
        if self._stripe is None:
            raise Refused(f"context {self._context.name} has no Stripe to ask")
        return self._stripe

    async def _subscription(
        self, gateway: StripeGateway, tenant: Tenant, now: datetime
    ) -> tuple[BilledSubscription, tuple[str, ...]]:
        known = self._known.get(tenant.subscription)
        try:
            found = await gateway.pricing.subscription(tenant.subscription)
        except StripeUnreachable:
            if known is None or not all(_runs(each, now) for each in known.items):
                raise
            return known, ("Stripe does not answer: its prices are as of before",)
        make_room(self._known, tenant.subscription, _MOST_REMEMBERED)
        self._known[tenant.subscription] = found
        return found, ()

    async def _unbilled(self, cost: TenantCost) -> tuple[str, ...]:
        """Say what is used and in no item: a plan may name its fee alone."""
        billed = {name for item in cost.items for name in item.resources}
        found = []
        for row in await self._usage.usage(cost.tenant):
            resource = self._context.resource(row.resource)
            if not resource.meter or resource.name in billed:
                continue
            if isinstance(row.used, int) and row.used > 0:
                used = group_quantity(row.used, resource.scale)
                found.append(f"{resource.label} ({used} used)")
        return (f"billed by nothing here: {', '.join(found)}",) if found else ()

    async def _imagined(self, before: TenantCost, new: BilledItem) -> ItemCost:
        """Return the cost of an item; what is known of its usage is not read again."""
        made = await self._items.described(new)
        free = made.metered and before.trial_end is not None
        for known in before.items:
            if made.metered and known.event_name == made.event_name:
                return replace(
                    made, measured=known.measured, forecast=known.forecast, free=free
                )
        made = await self._items.of(before.tenant, new, before.at)
        return replace(made, free=free)


def _in_place(
    items: Sequence[ItemCost], gone: Sequence[ItemCost], new: Sequence[ItemCost]
) -> tuple[ItemCost, ...]:
    """Return the items with new ones where those stood that bill the same."""
    left, made = list(new), []
    for item in items:
        if item not in gone:
            made.append(item)
            continue
        same = [each for each in left if each.event_name == item.event_name]
        made += same
        left = [each for each in left if each not in same]
    return (*made, *left)


def _runs(item: BilledItem, now: datetime) -> bool:
    return item.start is not None and item.end is not None and now < item.end


def _within(found: BilledSubscription, item: ItemCost) -> ItemCost:
    """Return an item as its subscription bills it."""
    billed, priced = found.currency or item.currency, item.currency
    if billed != priced:
        why = (
            f"its price is in {priced.upper()} and is billed in {billed.upper()}, by an"
            " amount of its own that is not read"
        )
        unknown = replace(item.measured, quantity=None, problem=why)
        return replace(item, measured=unknown, forecast=None)
    return replace(item, free=item.metered and found.trial_end is not None)


def _notes(found: BilledSubscription) -> list[str]:
    notes = []
    if found.trial_end is not None:
        day = found.trial_end.date().isoformat()
        notes.append(f"on trial until {day}: usage is free, and fees are billed then")
    if found.pause:
        until = ""
        if found.resumes_at is not None:
            until = f" until {found.resumes_at.date().isoformat()}"
        words = _PAUSED.get(found.pause, "its invoices are not collected as usual")
        notes.append(f"payment is paused{until}: {words}")
    if found.discounted:
        notes.append("a discount lowers its invoices, which is not reckoned here")
    return notes
