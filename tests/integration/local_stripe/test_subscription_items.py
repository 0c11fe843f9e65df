"""Items of subscriptions: added, changed, listed and taken off."""

from typing import Any

import pytest
import stripe
from tests.support.stripe_account import Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal


async def test_items_are_changed_added_and_removed(
    client: stripe.StripeClient, seller: Seller, prices: tuple[str, str]
) -> None:
    """By id, without an id, and with deleted; the last one stays."""
    metered, licensed = prices
    subscription_id = seller.subscription(seller.customer(), licensed)
    before = await client.v1.subscriptions.retrieve_async(subscription_id)
    [old] = before["items"].data

    more = await client.v1.subscriptions.update_async(
        subscription_id,
        {"items": [{"id": old.id, "quantity": 5}, {"price": metered}]},
    )
    less = await client.v1.subscriptions.update_async(
        subscription_id, {"items": [{"id": old.id, "deleted": True}]}
    )
    [left] = less["items"].data
    with pytest.raises(stripe.InvalidRequestError, match="at least one active plan"):
        await client.v1.subscriptions.update_async(
            subscription_id, {"items": [{"id": left.id, "deleted": True}]}
        )
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription item"):
        await client.v1.subscription_items.retrieve_async(old.id)
    retrieved = await client.v1.subscription_items.retrieve_async(left.id)

    assert [(licensed, 5), (metered, None)] == [
        (item.price.id, item.to_dict().get("quantity")) for item in more["items"].data
    ]
    assert metered == left.price.id
    assert retrieved == left


async def test_items_are_listed_of_one_subscription(
    client: stripe.StripeClient, seller: Seller, prices: tuple[str, str]
) -> None:
    """The list needs the subscription and pages by cursor, both ways."""
    subscription_id = seller.subscription(seller.customer(), *prices)

    page = await client.v1.subscription_items.list_async(
        {"subscription": subscription_id, "limit": 1}
    )
    items = [item async for item in page.auto_paging_iter()]
    before = await client.v1.subscription_items.list_async(
        {"subscription": subscription_id, "ending_before": items[1].id}
    )

    assert page.has_more is True
    assert list(prices) == [item.price.id for item in items]
    assert [items[0].id] == [item.id for item in before.data]


async def test_items_are_written_one_by_one(
    client: stripe.StripeClient, local: LocalStripe, seller: Seller
) -> None:
    """Added, changed and deleted by the SDK, each an update of the subscription."""
    product, customer = seller.product(), seller.customer()
    base, seats = (seller.licensed_price(product) for _ in "ab")
    metered = seller.metered_price(seller.meter(), product)
    subscription = seller.subscription(customer, base)
    service = client.v1.subscription_items

    added = await service.create_async({"subscription": subscription, "price": metered})
    seat = await service.create_async(
        {"subscription": subscription, "price": seats, "quantity": 3}
    )
    changed = await service.update_async(seat.id, {"quantity": 4})
    gone = await service.delete_async(added.id)
    with pytest.raises(stripe.InvalidRequestError, match="Remove quantity"):
        await service.create_async(
            {"subscription": subscription, "price": metered, "quantity": 1}
        )

    listed = await service.list_async({"subscription": subscription})
    events = await client.v1.events.list_async(
        {"type": "customer.subscription.updated"}
    )
    assert added.price.id == metered
    assert added.current_period_end == seat.current_period_end
    assert (changed.id, changed.quantity) == (seat.id, 4)
    assert gone.to_dict() == {
        "id": added.id,
        "object": "subscription_item",
        "deleted": True,
    }
    assert [(each.price.id, each.quantity) for each in listed] == [
        (base, 1),
        (seats, 4),
    ]
    assert len(events.data) == 4


def test_an_item_may_bring_its_own_price(local: LocalStripe, seller: Seller) -> None:
    """`price_data` makes one that nothing else can use; `plan` names one as before."""
    product, customer = seller.product(), seller.customer()
    data = {
        "currency": "usd",
        "product": product,
        "recurring": {"interval": "month"},
        "unit_amount": 1500,
    }
    subscription: Any = local.call(
        "POST",
        "/v1/subscriptions",
        {"customer": customer, "items": [{"price_data": data}]},
    )
    [item] = subscription["items"]["data"]
    plan = seller.licensed_price(product)
    changed: Any = local.call(
        "POST", f"/v1/subscription_items/{item['id']}", {"plan": plan}
    )

    assert item["price"]["unit_amount"] == 1500
    assert item["price"]["active"] is False
    assert changed["price"]["id"] == plan
    with pytest.raises(LocalStripeRefusal, match="price specified is inactive"):
        seller.subscription(customer, item["price"]["id"])
    with pytest.raises(LocalStripeRefusal, match="only specify one of"):
        local.call(
            "POST",
            "/v1/subscriptions",
            {"customer": customer, "items": [{"price": plan, "price_data": data}]},
        )
