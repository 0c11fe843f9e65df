"""Subscriptions: periods on items, trials, renewal, cancellation, filters."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal


def _unix(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]  # year, month, …


async def test_periods_are_on_the_items_only(
    client: stripe.StripeClient, seller: Seller, prices: tuple[str, str]
) -> None:
    """The subscription itself has none; a metered item has no quantity."""
    subscription = await client.v1.subscriptions.create_async(
        {
            "customer": seller.customer(),
            "items": [{"price": prices[0]}, {"price": prices[1], "quantity": 3}],
            "metadata": {"plan": "pro"},
        }
    )

    whole = subscription.to_dict()
    metered, licensed = whole["items"]["data"]
    assert not {"current_period_start", "current_period_end"} & whole.keys()
    assert subscription.status == "active"
    assert whole["billing_mode"]["type"] == "flexible"
    assert "quantity" not in metered
    assert licensed["quantity"] == 3
    assert whole["metadata"] == {"plan": "pro"}
    for item in (metered, licensed):
        assert (_unix(2026, 3, 10, 12), _unix(2026, 4, 10, 12)) == (
            item["current_period_start"],
            item["current_period_end"],
        )
        assert whole["id"] == item["subscription"]


async def test_a_trial_is_the_first_period(
    client: stripe.StripeClient,
    seller: Seller,
    prices: tuple[str, str],
    clock: Clock,
) -> None:
    """It ends where the cycle is anchored; then the subscription becomes active."""
    subscription_id = seller.subscription(
        seller.customer(), prices[0], trial_period_days=15
    )

    trialing = await client.v1.subscriptions.retrieve_async(subscription_id)
    clock.move(days=15)
    active = await client.v1.subscriptions.retrieve_async(subscription_id)

    end = _unix(2026, 3, 25, 12)
    assert ("trialing", end, end) == (
        trialing.status,
        trialing.trial_end,
        trialing.billing_cycle_anchor,
    )
    [item] = trialing["items"].data
    assert end == item.current_period_end
    [item] = active["items"].data
    assert active.status == "active"
    assert (end, _unix(2026, 4, 25, 12)) == (
        item.current_period_start,
        item.current_period_end,
    )


async def test_an_anchor_ahead_makes_a_short_first_period(
    client: stripe.StripeClient,
    seller: Seller,
    prices: tuple[str, str],
    clock: Clock,
) -> None:
    """Up to the anchor it is one period, from then on whole months."""
    anchor = _unix(2026, 4, 1)
    by_time = seller.subscription(
        seller.customer(), prices[0], billing_cycle_anchor=anchor
    )
    by_day = seller.subscription(
        seller.customer(),
        prices[0],
        billing_cycle_anchor_config={
            "day_of_month": 1,
            "hour": 0,
            "minute": 0,
            "second": 0,
        },
    )

    for subscription_id in (by_time, by_day):
        subscription = await client.v1.subscriptions.retrieve_async(subscription_id)
        [item] = subscription["items"].data
        assert anchor == subscription.billing_cycle_anchor
        assert (_unix(2026, 3, 10, 12), anchor) == (
            item.current_period_start,
            item.current_period_end,
        )
    clock.move(days=30)
    later = await client.v1.subscriptions.retrieve_async(by_time)
    [item] = later["items"].data
    assert (anchor, _unix(2026, 5, 1)) == (
        item.current_period_start,
        item.current_period_end,
    )


async def test_periods_renew_with_the_clock_and_say_so(
    client: stripe.StripeClient,
    seller: Seller,
    prices: tuple[str, str],
    clock: Clock,
) -> None:
    """Each renewal is an updated event at its own time, with the old items."""
    subscription_id = seller.subscription(seller.customer(), prices[0])
    clock.move(days=70)

    subscription = await client.v1.subscriptions.retrieve_async(subscription_id)
    events = await client.v1.events.list_async(
        {"type": "customer.subscription.updated"}
    )

    [item] = subscription["items"].data
    assert (_unix(2026, 5, 10, 12), _unix(2026, 6, 10, 12)) == (
        item.current_period_start,
        item.current_period_end,
    )
    assert [_unix(2026, 5, 10, 12), _unix(2026, 4, 10, 12)] == [
        event.created for event in events.data
    ]
    previous = events.data[0].to_dict()["data"]["previous_attributes"]
    assert previous.keys() == {"items", "latest_invoice"}


async def test_a_subscription_is_cancelled_once(
    client: stripe.StripeClient,
    seller: Seller,
    prices: tuple[str, str],
    clock: Clock,
) -> None:
    """It is canceled at once; a second time Stripe does not find it."""
    subscription_id = seller.subscription(seller.customer(), prices[0])

    canceled = await client.v1.subscriptions.cancel_async(
        subscription_id,
        {"cancellation_details": {"comment": "bye", "feedback": "other"}},
    )
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await client.v1.subscriptions.cancel_async(subscription_id)
    with pytest.raises(stripe.InvalidRequestError) as ended:
        await client.v1.subscriptions.update_async(
            subscription_id, {"cancel_at_period_end": True}
        )
    clock.move(days=45)
    relabelled = await client.v1.subscriptions.update_async(
        subscription_id, {"metadata": {"a": "1"}}
    )
    [item] = relabelled["items"].data

    ended_at = _unix(2026, 3, 10, 12)
    assert (canceled.status, canceled.ended_at) == ("canceled", ended_at)
    # Its period is the one it ended in, however late it is asked for.
    assert item.current_period_end == _unix(2026, 4, 10, 12)
    assert canceled.cancellation_details is not None
    assert (
        canceled.cancellation_details.comment,
        canceled.cancellation_details.feedback,
        canceled.cancellation_details.reason,
    ) == ("bye", "other", "cancellation_requested")
    assert missing.value.http_status == 404
    assert ended.value.user_message == (
        "A canceled subscription can only update its cancellation_details and metadata."
    )
    assert relabelled.metadata.to_dict() == {"a": "1"}


async def test_a_planned_cancellation_happens_at_its_time(
    client: stripe.StripeClient,
    seller: Seller,
    prices: tuple[str, str],
    clock: Clock,
) -> None:
    """At the period's end, or at cancel_at; the deleted event tells when."""
    at_end = seller.subscription(
        seller.customer(), prices[0], cancel_at_period_end=True
    )
    at_time = seller.subscription(
        seller.customer(), prices[0], cancel_at=_unix(2026, 3, 20)
    )
    clock.move(days=40)

    first = await client.v1.subscriptions.retrieve_async(at_end)
    second = await client.v1.subscriptions.retrieve_async(at_time)
    events = await client.v1.events.list_async(
        {"types": ["customer.subscription.deleted"]}
    )

    assert ("canceled", _unix(2026, 4, 10, 12)) == (first.status, first.ended_at)
    assert ("canceled", _unix(2026, 3, 20)) == (second.status, second.ended_at)
    assert [_unix(2026, 4, 10, 12), _unix(2026, 3, 20)] == [
        event.created for event in events.data
    ]


def test_cancel_at_can_name_a_periods_end(local: LocalStripe, seller: Seller) -> None:
    """The first or the last of the items'; what is not supported is said."""
    product = seller.product()
    month = seller.licensed_price(product)
    year = seller.licensed_price(product, recurring={"interval": "year"})

    def cancelled_at(word: str) -> object:
        subscription_id = seller.subscription(
            seller.customer(), month, year, cancel_at=word
        )
        return local.call("GET", f"/v1/subscriptions/{subscription_id}", {})[
            "cancel_at"
        ]

    assert _unix(2026, 4, 10, 12) == cancelled_at("min_period_end")
    assert _unix(2027, 3, 10, 12) == cancelled_at("max_period_end")
    with pytest.raises(LocalStripeRefusal, match="does not support"):
        cancelled_at("max_billed_until")


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


async def test_the_seed_can_put_an_anchor_in_the_past(
    client: stripe.StripeClient,
    local: LocalStripe,
    seller: Seller,
    prices: tuple[str, str],
) -> None:
    """Items move into the period that holds now; Jan 31 ends on Feb 28, Mar 31."""
    subscription_id = seller.subscription(seller.customer(), prices[0])

    local.set_subscription(
        subscription_id,
        billing_cycle_anchor=datetime(2026, 1, 31, 8, tzinfo=UTC),
        created=datetime(2026, 1, 31, 8, tzinfo=UTC),
    )

    subscription = await client.v1.subscriptions.retrieve_async(subscription_id)
    [item] = subscription["items"].data
    assert (_unix(2026, 2, 28, 8), _unix(2026, 3, 31, 8)) == (
        item.current_period_start,
        item.current_period_end,
    )
    assert _unix(2026, 1, 31, 8) == subscription.created


async def test_a_new_anchor_starts_a_new_period(
    client: stripe.StripeClient,
    local: LocalStripe,
    seller: Seller,
    prices: tuple[str, str],
    clock: Clock,
) -> None:
    """Both the group of today's API and the plain word of older ones."""
    subscription_id = seller.subscription(seller.customer(), prices[0])
    clock.move(days=3)
    first = local.call(
        "POST",
        f"/v1/subscriptions/{subscription_id}",
        {"billing_cycle_anchor": "now"},
    )
    assert clock.seconds == first["billing_cycle_anchor"]
    clock.move(days=3)

    moved = await client.v1.subscriptions.update_async(
        subscription_id, {"billing_cycle_anchor": {"type": "now"}}
    )

    [item] = moved["items"].data
    assert (clock.seconds, clock.seconds) == (
        moved.billing_cycle_anchor,
        item.current_period_start,
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


def test_years_weeks_and_days_renew(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """Each interval and count has its own periods on one flexible subscription."""
    product = seller.product()
    rhythms = [("day", 1), ("week", 2), ("month", 3), ("year", 1)]
    prices = [
        seller.licensed_price(
            product, recurring={"interval": interval, "interval_count": count}
        )
        for interval, count in rhythms
    ]
    subscription_id = seller.subscription(seller.customer(), *prices)
    clock.at += timedelta(days=1, hours=5)

    answer = local.call("GET", f"/v1/subscriptions/{subscription_id}", {})

    items = answer["items"]
    assert isinstance(items, dict)
    assert [
        (_unix(2026, 3, 11, 12), _unix(2026, 3, 12, 12)),
        (_unix(2026, 3, 10, 12), _unix(2026, 3, 24, 12)),
        (_unix(2026, 3, 10, 12), _unix(2026, 6, 10, 12)),
        (_unix(2026, 3, 10, 12), _unix(2027, 3, 10, 12)),
    ] == [
        (item["current_period_start"], item["current_period_end"])
        for item in items["data"]
    ]


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
