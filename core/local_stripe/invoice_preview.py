"""`POST /v1/invoices/create_preview`: the next invoice, or one that would be."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from meterdeck.core.local_stripe import invoice_schemas as schemas
from meterdeck.core.local_stripe import subscription_items as items_of
from meterdeck.core.local_stripe.invoice_credits import foreseen
from meterdeck.core.local_stripe.invoice_life import DRAFT_FOR
from meterdeck.core.local_stripe.invoice_lines import lines_of
from meterdeck.core.local_stripe.invoice_periods import (
    billed_at,
    billed_at_start,
    with_usage_switched,
)
from meterdeck.core.local_stripe.invoice_records import Invoice
from meterdeck.core.local_stripe.invoice_view import render
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.records import Billed, Item, Subscription
from meterdeck.core.local_stripe.refusals import (
    LocalStripeRefusal,
    invalid,
    missing_param,
)
from meterdeck.core.local_stripe.renewal import ends_at, next_change, placed
from meterdeck.core.local_stripe.wire import Json, seconds
from meterdeck.core.local_stripe.world import World


def create(world: World, call: Call) -> Json:
    """Give the next invoice as it would be now; nothing is stored."""
    sent = call.parameters
    details = sent.section("subscription_details")
    sections = details.sections("items") if details else []
    known = _known(world, sent, is_new=bool(sections))
    if known is None:
        preview = _first(_new(world, sent, sections))
    else:
        preview = _next(world, _changed(world, known, sections))
    lines = lines_of(world, preview.id, preview.customer, preview.billed)
    return render(world, preview, foreseen(world, preview, lines, preview.created))


def _known(world: World, sent: Parameters, *, is_new: bool) -> Subscription | None:
    """Give the subscription that is meant, None where `items` describe a new one."""
    subscription_id, customer_id = sent.text("subscription"), sent.text("customer")
    if subscription_id is not None:
        subscription = world.subscriptions.get(subscription_id, "subscription")
        if customer_id not in {None, subscription.customer}:
            raise invalid(
                f"The subscription {subscription_id} does not belong to the customer"
                f" {customer_id}.",
                "subscription",
            )
        return subscription
    if customer_id is None:
        raise missing_param("customer")
    customer = world.living_customer(customer_id, "customer")
    if is_new:
        return None
    billing = [
        each
        for each in world.subscriptions.grouped(customer.id)
        if next_change(each) is not None
    ]
    if not billing:
        raise _nothing_upcoming(customer.id)
    return min(billing, key=lambda each: next_change(each) or each.created)


def _new(world: World, sent: Parameters, sections: list[Parameters]) -> Subscription:
    customer_id = sent.required_text("customer")
    now = world.time_of(customer_id).replace(microsecond=0)
    items = items_of.changed(world, (), sections, now)
    subscription = Subscription(
        id="",
        created=now,
        customer=customer_id,
        status="active",
        currency=items_of.check_together(world, items, "flexible"),
        anchor=now,
        start_date=now,
        items=items,
    )
    return placed(world, subscription, now)


def _changed(
    world: World, before: Subscription, sections: list[Parameters]
) -> Subscription:
    if not sections:
        return before
    now = world.time_of(before.customer).replace(microsecond=0)
    items = items_of.changed(world, before.items, sections, now)
    items_of.check_together(world, items, before.billing_mode)
    after = with_usage_switched(before, replace(before, items=items), now)
    if before.anchor <= now:
        return placed(world, after, now)
    # In a trial, or before a later anchor, all there is is one period.
    return replace(
        after, items=tuple(_until(each, before, now) for each in after.items)
    )


def _until(item: Item, subscription: Subscription, now: datetime) -> Item:
    if item.period_end > item.period_start:
        return item
    return replace(item, period_start=now, period_end=subscription.anchor)


def _first(subscription: Subscription) -> Invoice:
    billed = billed_at_start(subscription)
    return _preview(subscription, billed, subscription.created)


def _next(world: World, subscription: Subscription) -> Invoice:
    at = next_change(subscription)
    if at is None:
        raise _nothing_upcoming(subscription.customer)
    ends = ends_at(subscription, at)
    billed = billed_at(world, subscription, at, ends=ends)
    if not billed:
        raise _nothing_upcoming(subscription.customer)
    return _preview(subscription, billed, at)


def _preview(
    subscription: Subscription, billed: tuple[Billed, ...], at: datetime
) -> Invoice:
    name = f"{subscription.id}|{subscription.customer}|{seconds(at)}"
    digest = hashlib.sha256(name.encode()).hexdigest()[:24]
    return Invoice(
        id=f"upcoming_in_{digest}",
        created=at,
        customer=subscription.customer,
        subscription=subscription.id,
        currency=subscription.currency,
        billing_reason="upcoming",
        collection_method=subscription.collection_method,
        period_start=min(item.period_start for item in subscription.items),
        period_end=at,
        billed=billed,
        finalizes_at=at + DRAFT_FOR,
        days_until_due=subscription.days_until_due,
        subscription_metadata=subscription.metadata,
    )


def _nothing_upcoming(customer: str) -> LocalStripeRefusal:
    return LocalStripeRefusal(
        f"No upcoming invoices for customer: {customer}",
        status=404,
        code="invoice_upcoming_none",
        ran=True,
    )


OPERATIONS = (
    Operation("POST", "/v1/invoices/create_preview", create, schemas.PREVIEW),
)
