"""Invoices that a request brings about, final at once: at a start, at an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from meterdeck.core.local_stripe.invoice_life import draft, finalise
from meterdeck.core.local_stripe.invoice_periods import billed_at, billed_at_start
from meterdeck.core.local_stripe.records import Billed, Subscription
from meterdeck.core.local_stripe.world import World


def start(world: World, subscription: Subscription, now: datetime) -> Subscription:
    """Invoice a new subscription's quantities for its first period."""
    billed = billed_at_start(subscription) if world.invoices_starts else ()
    return _invoiced(
        world, subscription, billed, now, since=now, reason="subscription_create"
    )


def restart(
    world: World, before: Subscription, after: Subscription, now: datetime
) -> Subscription:
    """Invoice what was used before a cycle that begins now, and its quantities."""
    billed = billed_at(world, before, now, ends=True) + billed_at_start(after)
    return _invoiced(world, after, billed, now, since=now)


def finish(world: World, subscription: Subscription, now: datetime) -> Subscription:
    """Invoice what was used up to a cancellation."""
    billed = billed_at(world, subscription, now, ends=True)
    since = min(item.period_start for item in subscription.items)
    return _invoiced(world, subscription, billed, now, since=since)


def _invoiced(
    world: World,
    subscription: Subscription,
    billed: tuple[Billed, ...],
    now: datetime,
    *,
    since: datetime,
    reason: str = "subscription_update",
) -> Subscription:
    invoice = draft(world, subscription, billed, now, reason=reason, period_start=since)
    if invoice is None:
        return subscription
    after = replace(subscription, latest_invoice=invoice.id, unbilled=())
    world.subscriptions.put(after)
    if invoice.auto_advance and invoice.collection_method == "charge_automatically":
        finalise(world, invoice, now)
    return after
