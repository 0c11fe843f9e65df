"""Which items of a subscription an invoice bills, over which periods."""

from __future__ import annotations

from datetime import datetime

from meterdeck.core.local_stripe.billing_cycle import period_at
from meterdeck.core.local_stripe.invoice_records import Billed
from meterdeck.core.local_stripe.records import Item, Subscription
from meterdeck.core.local_stripe.subscription_items import recurring
from meterdeck.core.local_stripe.world import World


def billed_at_start(world: World, subscription: Subscription) -> tuple[Billed, ...]:
    """Give what the first invoice bills: quantities, in advance.

    Usage has nothing to bill yet; only classic billing mode has a line of zero for it.
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
        if item.quantity is not None or subscription.billing_mode == "classic"
    )


def billed_at(
    world: World, subscription: Subscription, at: datetime, *, ends: bool
) -> tuple[Billed, ...]:
    """Give what is billed when periods end: their usage, and the next's quantities.

    When the subscription `ends` only usage is left to bill. A trial's is free.
    """
    billed = []
    for item in _newest_first(subscription):
        if item.period_end > at and not ends:
            continue
        if item.quantity is None:
            if subscription.status != "trialing":
                billed.append(_usage(item, min(at, item.period_end)))
        elif not ends:
            billed.append(_next_quantity(world, subscription, item, at))
    return tuple(billed)


def _usage(item: Item, end: datetime) -> Billed:
    return Billed(
        item=item.id,
        price=item.price,
        quantity=None,
        start=item.period_start,
        end=end,
        metadata=item.metadata,
    )


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
