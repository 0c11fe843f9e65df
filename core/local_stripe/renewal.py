"""Subscriptions move on with the clock: periods, trials, planned cancellations.

Each change drafts the invoice of what ended and of what begins.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from meterdeck.core.local_stripe.billing_cycle import period_at
from meterdeck.core.local_stripe.invoice_life import draft
from meterdeck.core.local_stripe.invoice_periods import billed_at
from meterdeck.core.local_stripe.records import Item, Subscription
from meterdeck.core.local_stripe.subscription_items import in_period, recurring
from meterdeck.core.local_stripe.subscription_view import render
from meterdeck.core.local_stripe.world import World

_RENEWING = {"active", "past_due", "trialing", "unpaid"}


def store(world: World, subscription: Subscription) -> None:
    """Store a subscription and plan its next change."""
    world.subscriptions.put(subscription)
    for item in subscription.items:
        world.subscription_of_item[item.id] = subscription.id
    due = next_change(subscription)
    if due is not None:
        world.plan(due, subscription.id, subscription.customer)


def placed(world: World, subscription: Subscription, now: datetime) -> Subscription:
    """Give the subscription with its items in the periods the anchor gives."""
    items = (_item_at(world, subscription, item, now) for item in subscription.items)
    return replace(subscription, items=tuple(items))


def cancelled(subscription: Subscription, at: datetime, reason: str) -> Subscription:
    """Give the subscription, ended."""
    return replace(
        subscription,
        status="canceled",
        canceled_at=subscription.canceled_at or at,
        cancel_reason=subscription.cancel_reason or reason,
        ended_at=at,
    )


def renew(world: World, before: Subscription, at: datetime) -> None:
    """Move a subscription on to what it is from `at`, and draft its invoice."""
    if ends_at(before, at):
        _end(world, before, at)
        return
    after = before
    if before.status == "trialing" and before.trial_end and before.trial_end <= at:
        after = replace(before, status="active")
    renewed = [
        _item_at(world, after, item, at) if item.period_end <= at else item
        for item in after.items
    ]
    after = replace(after, items=tuple(renewed))
    after = _invoiced(world, before, after, at)
    store(world, after)
    world.events.emit(
        "customer.subscription.updated", render(world, after), render(world, before), at
    )


def _invoiced(
    world: World, before: Subscription, after: Subscription, at: datetime
) -> Subscription:
    """Draft the invoice of what ended; give the subscription with it as its latest."""
    billed = billed_at(world, before, at, ends=after.ended)
    start = min(item.period_start for item in before.items)
    invoice = draft(
        world, after, billed, at, reason="subscription_cycle", period_start=start
    )
    if invoice is None:
        return after
    return replace(after, latest_invoice=invoice.id, unbilled=())


def _end(world: World, before: Subscription, at: datetime) -> None:
    after = cancelled(before, at, "cancellation_requested")
    after = _invoiced(world, before, after, at)
    store(world, after)
    world.events.emit("customer.subscription.deleted", render(world, after), at=at)


def _item_at(
    world: World, subscription: Subscription, item: Item, now: datetime
) -> Item:
    rhythm = recurring(world.prices.get(item.price))
    period = period_at(subscription.anchor, rhythm, now)
    if now < subscription.anchor:
        # Before the anchor the first period is what lies between start and anchor.
        period = replace(period, start=max(period.start, subscription.start_date))
    return in_period(item, period)


def next_change(subscription: Subscription) -> datetime | None:
    """Give when it renews, its trial ends or it does; None when never."""
    if subscription.status not in _RENEWING:
        return None
    moments = [_first_end(subscription)]
    if subscription.cancel_at is not None:
        moments.append(subscription.cancel_at)
    if subscription.status == "trialing" and subscription.trial_end is not None:
        moments.append(subscription.trial_end)
    return min(moments)


def ends_at(subscription: Subscription, at: datetime) -> bool:
    """Tell whether its planned end has come."""
    if subscription.cancel_at is not None and subscription.cancel_at <= at:
        return True
    return subscription.cancel_at_period_end and _first_end(subscription) <= at


def _first_end(subscription: Subscription) -> datetime:
    return min(item.period_end for item in subscription.items)
