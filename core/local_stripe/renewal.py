"""Subscriptions move on with the clock: periods, trials, planned cancellations.

Nothing runs in the background: each request first catches up with what came due.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from heapq import heappop, heappush

from meterdeck.core.local_stripe.billing_cycle import period_at
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
        heappush(world.due, (due, subscription.id))


def catch_up(world: World) -> None:
    """Apply every change that came due, each with its event at its own time."""
    now = world.now()
    while world.due and world.due[0][0] <= now:
        due, subscription_id = heappop(world.due)
        subscription = world.subscriptions.get(subscription_id)
        # An entry of before an update is stale: the update planned its own.
        if next_change(subscription) == due:
            _renew(world, subscription, due)


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


def _renew(world: World, before: Subscription, at: datetime) -> None:
    if ends_at(before, at):
        after = cancelled(before, at, "cancellation_requested")
        store(world, after)
        world.events.emit("customer.subscription.deleted", render(world, after), at=at)
        return
    after = before
    if before.status == "trialing" and before.trial_end and before.trial_end <= at:
        after = replace(before, status="active")
    renewed = [
        _item_at(world, after, item, at) if item.period_end <= at else item
        for item in after.items
    ]
    after = replace(after, items=tuple(renewed))
    store(world, after)
    world.events.emit(
        "customer.subscription.updated", render(world, after), render(world, before), at
    )


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
