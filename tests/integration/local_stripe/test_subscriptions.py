"""Subscriptions: periods on items, trials, anchors, renewal."""

from datetime import UTC, datetime, timedelta

import stripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe


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
