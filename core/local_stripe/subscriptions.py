"""`/v1/subscriptions`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from meterdeck.core.local_stripe import subscription_billing as billing
from meterdeck.core.local_stripe import subscription_items as items_of
from meterdeck.core.local_stripe import subscription_schemas as schemas
from meterdeck.core.local_stripe import subscription_terms as terms
from meterdeck.core.local_stripe.clock_rules import check_subscriptions
from meterdeck.core.local_stripe.invoice_periods import (
    with_backdated_usage,
    with_usage_switched,
)
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import in_range, page_of
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.records import Subscription
from meterdeck.core.local_stripe.refusals import missing_param, no_such, rejected
from meterdeck.core.local_stripe.renewal import cancelled, placed, store
from meterdeck.core.local_stripe.schema import EXPAND, Section
from meterdeck.core.local_stripe.subscription_view import render
from meterdeck.core.local_stripe.wire import Json, seconds
from meterdeck.core.local_stripe.world import World

_URL = "/v1/subscriptions"
# What a canceled subscription still lets be changed.
_OF_ENDED = {"cancellation_details", "metadata", "expand"}


def create(world: World, call: Call) -> Json:
    """Subscribe a customer; it is active (or trialing) at once, as nothing is paid."""
    sent = call.parameters
    customer = world.living_customer(sent.required_text("customer"), "customer")
    check_subscriptions(world, customer)
    now = world.time_of(customer.id).replace(microsecond=0)
    subscription = _first(world, sent, customer.id, now)
    subscription = terms.placed_first(
        world, terms.written(subscription, sent, now), now
    )
    subscription = with_backdated_usage(terms.ending(subscription, sent))
    store(world, subscription)
    if customer.currency is None:
        world.customers.put(replace(customer, currency=subscription.currency))
    subscription = billing.start(world, subscription, now)
    world.events.emit(
        "customer.subscription.created", render(world, subscription), at=now
    )
    return render(world, subscription)


def _first(
    world: World, sent: Parameters, customer_id: str, now: datetime
) -> Subscription:
    sections = sent.sections("items")
    if not sections:
        raise missing_param("items")
    items = tuple(items_of.new_item(world, each, now) for each in sections)
    mode = sent.section("billing_mode")
    billing_mode = (mode and mode.text("type")) or "flexible"
    currency = items_of.check_together(world, items, billing_mode, sent)
    trial_end = terms.trial_end(sent, now)
    return Subscription(
        id=world.ids.dated("sub", now),
        created=now,
        customer=customer_id,
        status="trialing" if trial_end else "active",
        currency=currency,
        anchor=trial_end or terms.anchor(world, sent, items, now),
        start_date=terms.backdated(sent, now),
        items=items,
        billing_mode=billing_mode,
        trial_start=now if trial_end else None,
        trial_end=trial_end,
    )


def retrieve(world: World, call: Call) -> Json:
    """Give one subscription, ended ones too."""
    return render(world, world.subscriptions.get(call.id))


def update(world: World, call: Call) -> Json:
    """Change what was sent; items without an id are added."""
    before = world.subscriptions.get(call.id)
    sent = call.parameters
    if before.ended and any(
        key in sent for key in schemas.UPDATE.fields if key not in _OF_ENDED
    ):
        raise rejected(
            "A canceled subscription can only update its cancellation_details and"
            " metadata."
        )
    now = world.time_of(before.customer).replace(microsecond=0)
    after = terms.written(before, sent, now)
    sections = sent.sections("items")
    if sections:
        items = items_of.changed(world, before.items, sections, now)
        items_of.check_together(world, items, before.billing_mode)
        after = replace(after, items=items)
    if "trial_end" in sent:
        after = terms.with_trial(after, terms.trial_end(sent, now), now)
    if terms.anchors_now(sent):
        after = replace(after, anchor=now)
    if (after.anchor, sections) != (before.anchor, []):
        after = placed(world, after, now)
    after = terms.ending(after, sent)
    return render(world, change(world, before, after, now))


def change(
    world: World, before: Subscription, after: Subscription, now: datetime
) -> Subscription:
    """Store a changed subscription, invoice what that ends, and tell of it."""
    was = render(world, before)
    after = with_usage_switched(before, after, now)
    if after.anchor == now != before.anchor:
        after = billing.restart(world, before, after, now)
    store(world, after)
    _forget_items(world, before, after)
    world.events.emit("customer.subscription.updated", render(world, after), was, now)
    return after


def cancel(world: World, call: Call) -> Json:
    """End a subscription now; a second time it is not found."""
    before = world.subscriptions.get(call.id)
    if before.ended:
        raise no_such("subscription", call.id)
    after = terms.with_details(before, call.parameters)
    now = world.time_of(before.customer).replace(microsecond=0)
    if call.parameters.flag("invoice_now"):
        after = billing.finish(world, after, now)
    return end(world, after, now)


def end(world: World, subscription: Subscription, at: datetime) -> Json:
    """Cancel a subscription and tell of it."""
    after = cancelled(subscription, at, "cancellation_requested")
    store(world, after)
    world.events.emit("customer.subscription.deleted", render(world, after), at=at)
    return render(world, after)


def list_(world: World, call: Call) -> Json:
    """List subscriptions, newest first; canceled ones only when asked for.

    Those on a test clock only when it, or their customer, is named.
    """
    sent = call.parameters
    customer_id = sent.text("customer")
    status = sent.text("status")
    test_clock = sent.text("test_clock")

    def on_clock(subscription: Subscription) -> bool:
        clock = world.clock_of(subscription.customer)
        by_customer = customer_id is not None and test_clock is None
        return by_customer or (clock and clock.id) == test_clock

    def keep(subscription: Subscription) -> bool:
        return (
            customer_id in {None, subscription.customer}
            and on_clock(subscription)
            and _has_status(subscription, status)
            and sent.text("collection_method") in {None, subscription.collection_method}
            and _has_price(subscription, sent.text("price"))
            and _has_price(subscription, sent.text("plan"))
            and _in_ranges(subscription, sent)
        )

    source = world.subscriptions
    if customer_id is not None:
        world.customers.get(customer_id, "customer")
        source = source.only(customer_id)
    return page_of(
        source, sent, url=_URL, keep=keep, render=lambda each: render(world, each)
    )


def _has_status(subscription: Subscription, status: str | None) -> bool:
    if status == "all":
        return True
    if status == "ended":
        return subscription.ended
    if status is None:
        return subscription.status != "canceled"
    return subscription.status == status


def _has_price(subscription: Subscription, price_id: str | None) -> bool:
    return price_id is None or any(
        item.price == price_id for item in subscription.items
    )


def _in_ranges(subscription: Subscription, sent: Parameters) -> bool:
    """Compare with the least item period end and the greatest start, as Stripe does."""
    end = min(seconds(item.period_end) for item in subscription.items)
    start = max(seconds(item.period_start) for item in subscription.items)
    return (
        in_range(seconds(subscription.created), sent, "created")
        and in_range(end, sent, "current_period_end")
        and in_range(start, sent, "current_period_start")
    )


def _forget_items(world: World, before: Subscription, after: Subscription) -> None:
    kept = {item.id for item in after.items}
    for item in before.items:
        if item.id not in kept:
            del world.subscription_of_item[item.id]


OPERATIONS = (
    Operation("POST", _URL, create, schemas.CREATE),
    Operation("GET", _URL, list_, schemas.LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(EXPAND)),
    Operation("POST", f"{_URL}/{{}}", update, schemas.UPDATE),
    Operation("DELETE", f"{_URL}/{{}}", cancel, schemas.CANCEL),
)
