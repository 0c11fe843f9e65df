"""Subscriptions as they are answered: filtered, expanded, refused."""

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from tests.support.stripe_account import Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal


def _unix(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]  # year, month, …


async def test_subscriptions_are_filtered(
    client: stripe.StripeClient,
    local: LocalStripe,
    seller: Seller,
    prices: tuple[str, str],
) -> None:
    """By status, customer, price; canceled ones only when asked for."""
    metered, licensed = prices
    one, other = seller.customer("One"), seller.customer("Other")
    active = seller.subscription(one, metered)
    trialing = seller.subscription(one, licensed, trial_period_days=3)
    canceled = seller.subscription(other, metered)
    late = seller.subscription(other, licensed)
    await client.v1.subscriptions.cancel_async(canceled)
    local.set_subscription(late, status="past_due")

    async def ids(params: stripe.params.SubscriptionListParams) -> list[str]:
        page = await client.v1.subscriptions.list_async(params)
        return [each.id for each in page.data]

    assert [late, trialing, active] == await ids({})
    assert [late, canceled, trialing, active] == await ids({"status": "all"})
    assert [canceled] == await ids({"status": "canceled"})
    assert [canceled] == await ids({"status": "ended"})
    assert [late] == await ids({"status": "past_due"})
    assert [trialing, active] == await ids({"customer": one})
    assert [canceled, active] == await ids({"price": metered, "status": "all"})
    assert [trialing] == await ids(
        {"current_period_end": {"lt": _unix(2026, 3, 14)}, "limit": 5}
    )


async def test_related_objects_are_expanded(
    client: stripe.StripeClient, seller: Seller, prices: tuple[str, str]
) -> None:
    """Customer, product and tiers come whole, also through a list's data."""
    customer = seller.customer("Whole")
    seller.subscription(customer, prices[0])

    page = await client.v1.subscriptions.list_async(
        {"expand": ["data.customer", "data.items.data.price.product"]}
    )

    [subscription] = page.data
    [item] = subscription["items"].data
    assert isinstance(subscription.customer, stripe.Customer)
    assert subscription.customer.name == "Whole"
    assert isinstance(item.price.product, stripe.Product)
    assert item.price.product.name == "Platform"


_REFUSED: list[tuple[dict[str, object], str, str]] = [
    ({"customer": None}, "Missing required param: customer.", "customer"),
    ({"customer": "cus_x"}, "No such customer: 'cus_x'", "customer"),
    ({"items": None}, "Missing required param: items.", "items"),
    ({"items": [{}]}, "Missing required param: items[0][price].", "items[0][price]"),
    ({"items": [{"price": "x"}]}, "No such price: 'x'", "items[0][price]"),
    (
        {"items": [{"price": "METERED", "quantity": 1}]},
        "Quantity should not be specified where usage_type is `metered`. Remove"
        " quantity from `items[0]`",
        "items[0][quantity]",
    ),
    (
        {"items": [{"price": "METERED"}, {"price": "METERED"}]},
        "Cannot add multiple subscription items with the same plan: price_",
        "",
    ),
    (
        {"billing_cycle_anchor": 1_773_144_000 + 32 * 86_400},
        "billing_cycle_anchor cannot be later than next natural billing date",
        "billing_cycle_anchor",
    ),
    (
        {"billing_cycle_anchor": 1_773_143_999},
        "Invalid timestamp: must be an integer Unix timestamp in the future",
        "billing_cycle_anchor",
    ),
    (
        {"trial_end": 1_773_143_999},
        "Invalid timestamp: must be an integer Unix timestamp in the future",
        "trial_end",
    ),
    ({"plan": "pro"}, "Received unknown parameter: plan", "plan"),
    (
        {"items": [{"price": "METERED", "colour": "red"}]},
        "Received unknown parameter: items[0][colour]",
        "items[0][colour]",
    ),
    (
        {"default_payment_method": "pm_1"},
        "The local Stripe does not support the parameter default_payment_method",
        "default_payment_method",
    ),
]


@pytest.mark.parametrize(("change", "text", "param"), _REFUSED)
def test_a_refused_subscription_says_why(
    *,
    local: LocalStripe,
    seller: Seller,
    prices: tuple[str, str],
    change: dict[str, object],
    text: str,
    param: str,
) -> None:
    """Each rule has its text and names its parameter; nothing is created."""
    sent = {
        "customer": seller.customer(),
        "items": [{"price": prices[0]}],
        **change,
    }
    if isinstance(items := sent["items"], list):
        sent["items"] = [
            {**item, "price": prices[0]} if item.get("price") == "METERED" else item
            for item in items
        ]

    with pytest.raises(LocalStripeRefusal) as refused:
        local.call("POST", "/v1/subscriptions", sent)

    assert refused.value.message.startswith(text)
    assert (400, param) == (refused.value.status, refused.value.param)
    assert local.call("GET", "/v1/subscriptions", {})["data"] == []


def test_one_time_and_inactive_prices_are_refused(
    local: LocalStripe, seller: Seller
) -> None:
    """Only active recurring prices can be subscribed to."""
    product, customer = seller.product(), seller.customer()
    once = local.call(
        "POST",
        "/v1/prices",
        {"product": product, "currency": "usd", "unit_amount": 1},
    )
    off = seller.licensed_price(product, active=False)

    with pytest.raises(LocalStripeRefusal, match="`type=one_time`"):
        seller.subscription(customer, str(once["id"]))
    with pytest.raises(LocalStripeRefusal, match="price specified is inactive"):
        seller.subscription(customer, off)


def test_settings_of_payments_are_kept_and_taxes_are_not_pretended(
    local: LocalStripe, seller: Seller
) -> None:
    """A card would be saved; automatic tax may be off, and is refused when on."""
    price = seller.licensed_price(seller.product())
    sent = {"customer": seller.customer(), "items": [{"price": price}]}
    saved = {"save_default_payment_method": "on_subscription"}

    subscription: Any = local.call(
        "POST",
        "/v1/subscriptions",
        {**sent, "payment_settings": saved, "automatic_tax": {"enabled": False}},
    )
    with pytest.raises(LocalStripeRefusal) as refused:
        local.call(
            "POST", "/v1/subscriptions", {**sent, "automatic_tax": {"enabled": True}}
        )

    assert subscription["payment_settings"] == {
        "payment_method_options": None,
        "payment_method_types": None,
        **saved,
    }
    assert refused.value.param == "automatic_tax[enabled]"
