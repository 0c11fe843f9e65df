"""Which items of a subscription an invoice bills, over which periods."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from meterdeck.core.local_stripe.billing_cycle import period_at
from meterdeck.core.local_stripe.records import Billed, Item, Subscription
from meterdeck.core.local_stripe.subscription_items import recurring
from meterdeck.core.local_stripe.world import World


def billed_at_start(subscription: Subscription) -> tuple[Billed, ...]:
    """Give what the first invoice bills: quantities, in advance.

    Usage has nothing to bill yet; only classic billing mode has a line of zero for it.
    Up to a later anchor the period is short, and free: there is no proration here.
    """
    trial = subscription.status == "trialing"
    return tuple(
        Billed(
            item=item.id,
            price=item.price,
            quantity=item.quantity or 0,
            start=item.period_start,
            end=item.period_end,
            free=trial,
            metadata=item.metadata,
        )
        for item in _newest_first(subscription)
        if (item.quantity is not None or subscription.billing_mode == "classic")
        and (trial or subscription.anchor <= item.period_start)
    )


def billed_at(
    world: World, subscription: Subscription, at: datetime, *, ends: bool
) -> tuple[Billed, ...]:
    """Give what is billed when periods end: their usage, and the next's quantities.

    When the subscription `ends` only usage is left to bill. A trial's is free. What
    could not be billed before comes first.
    """
    billed = list(subscription.unbilled)
    for item in _newest_first(subscription):
        if item.period_end > at and not ends:
            continue
        if item.quantity is None:
            if subscription.status != "trialing":
                billed.append(usage(item, min(at, item.period_end)))
        elif not ends:
            billed.append(_next_quantity(world, subscription, item, at))
    return tuple(billed)


def usage(item: Item, end: datetime) -> Billed:
    """Bill a metered item's usage up to a moment."""
    return Billed(
        item=item.id,
        price=item.price,
        quantity=None,
        start=item.usage_from or item.period_start,
        end=end,
        metadata=item.metadata,
    )


def with_usage_switched(
    before: Subscription, after: Subscription, at: datetime
) -> Subscription:
    """Bill usage at the price of its time, as flexible billing mode does.

    What was used at a price that is gone waits for the next invoice; a new price
    counts from now on.
    """
    if after.billing_mode == "classic" or after.items == before.items:
        return after
    old = {each.id: each for each in before.items if each.quantity is None}
    new = {each.id: each.price for each in after.items}
    gone = [each for each in old.values() if new.get(each.id) != each.price]
    if before.status == "trialing":
        gone = []
    closed = [usage(each, at) for each in gone]
    items = tuple(
        replace(item, usage_from=at) if _starts(item, old.get(item.id)) else item
        for item in after.items
    )
    unbilled = (*after.unbilled, *(each for each in closed if each.start < each.end))
    return replace(after, items=items, unbilled=unbilled)


def with_backdated_usage(subscription: Subscription) -> Subscription:
    """Bill usage since a start date in the past, as documented for `backdate_…`."""
    start = subscription.start_date
    if start >= subscription.created:
        return subscription
    items = tuple(
        replace(item, usage_from=start) if item.quantity is None else item
        for item in subscription.items
    )
    return replace(subscription, items=items)


def _starts(item: Item, before: Item | None) -> bool:
    changed = before is None or before.price != item.price
    return changed and item.quantity is None


def _next_quantity(
    world: World, subscription: Subscription, item: Item, at: datetime
) -> Billed:
    rhythm = recurring(world.prices.get(item.price))
    period = period_at(subscription.anchor, rhythm, at)
    return Billed(
        item=item.id,
        price=item.price,
        quantity=item.quantity,
        start=period.start,
        end=period.end,
        metadata=item.metadata,
    )


def _newest_first(subscription: Subscription) -> list[Item]:
    """Order as Stripe documents an invoice's lines; of one age as they stand."""
    return sorted(subscription.items, key=lambda item: item.created, reverse=True)
