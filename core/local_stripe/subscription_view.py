"""The subscription and subscription_item objects."""

from __future__ import annotations

from datetime import datetime

from meterdeck.core.local_stripe import price_view
from meterdeck.core.local_stripe.records import Item, Subscription
from meterdeck.core.local_stripe.wire import Json, in_wire_order, seconds
from meterdeck.core.local_stripe.world import World

# What the sandbox does not model; shared by all answers, so never changed in place.
_SAME_FOR_ALL: Json = {
    "object": "subscription",
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
    "billing_schedules": [],
    "default_tax_rates": [],
    "discounts": [],
    "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
    "livemode": False,
    **dict.fromkeys(
        (
            "application",
            "application_fee_percent",
            "billing_cycle_anchor_config",
            "billing_thresholds",
            "customer_account",
            "default_payment_method",
            "default_source",
            "next_pending_invoice_item_invoice",
            "on_behalf_of",
            "pending_invoice_item_interval",
            "pending_setup_intent",
            "pending_update",
            "schedule",
            "transfer_data",
        )
    ),
}


def render_item(world: World, item: Item, subscription: Subscription) -> Json:
    """Give the item; one with a metered price has no `quantity` key."""
    price = world.prices.get(item.price)
    view: Json = {
        "id": item.id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": seconds(item.created),
        "current_period_end": seconds(item.period_end),
        "current_period_start": seconds(item.period_start),
        "discounts": [],
        "metadata": dict(item.metadata),
        "plan": price_view.render_plan(price),
        "price": price_view.render(price),
        "quantity": item.quantity,
        "subscription": subscription.id,
        "tax_rates": [],
    }
    if item.quantity is None:
        del view["quantity"]
    return view


def render(world: World, subscription: Subscription) -> Json:
    """Give the subscription; its periods are on its items only."""
    items = subscription.items
    only = items[0] if len(items) == 1 else None
    owner = world.customers.find(subscription.customer)
    own: Json = {
        **_terms(subscription),
        "items": {
            "object": "list",
            "data": [render_item(world, item, subscription) for item in items],
            "has_more": False,
            "total_count": len(items),
            "url": f"/v1/subscription_items?subscription={subscription.id}",
        },
        "plan": only and price_view.render_plan(world.prices.get(only.price)),
        "quantity": only and only.quantity,
        "test_clock": owner and owner.test_clock,
    }
    return in_wire_order({**_SAME_FOR_ALL, **own})


def _terms(subscription: Subscription) -> Json:
    return {
        "id": subscription.id,
        "billing_cycle_anchor": seconds(subscription.anchor),
        "billing_mode": _billing_mode(subscription),
        "cancel_at": _time(subscription.cancel_at),
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "canceled_at": _time(subscription.canceled_at),
        "cancellation_details": {
            "comment": subscription.cancel_comment,
            "feedback": subscription.cancel_feedback,
            "reason": subscription.cancel_reason,
        },
        "collection_method": subscription.collection_method,
        "created": seconds(subscription.created),
        "currency": subscription.currency,
        "customer": subscription.customer,
        "days_until_due": subscription.days_until_due,
        "description": subscription.description,
        "ended_at": _time(subscription.ended_at),
        "latest_invoice": subscription.latest_invoice,
        "metadata": dict(subscription.metadata),
        "pause_collection": _pause(subscription),
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": subscription.save_payment_method,
        },
        "start_date": seconds(subscription.start_date),
        "status": subscription.status,
        "trial_end": _time(subscription.trial_end),
        "trial_settings": {
            "end_behavior": {
                "missing_payment_method": subscription.trial_end_behavior,
            }
        },
        "trial_start": _time(subscription.trial_start),
    }


def _billing_mode(subscription: Subscription) -> Json:
    if subscription.billing_mode == "classic":
        return {"flexible": None, "type": "classic"}
    return {
        "flexible": {"proration_discounts": "included"},
        "type": "flexible",
        "updated_at": seconds(subscription.created),
    }


def _pause(subscription: Subscription) -> Json | None:
    if subscription.pause_behavior is None:
        return None
    return {
        "behavior": subscription.pause_behavior,
        "resumes_at": _time(subscription.resumes_at),
    }


def _time(moment: datetime | None) -> int | None:
    return None if moment is None else seconds(moment)
