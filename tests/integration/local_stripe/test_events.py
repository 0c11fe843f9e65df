"""`/v1/events`: what changed, newest first, with the object as it was then."""

import pytest
import stripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal


async def test_every_change_leaves_its_event(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """Real type names, for each object that is made, changed or deleted."""
    meter = seller.meter()
    await client.v1.billing.meters.update_async(meter, {"display_name": "New"})
    await client.v1.billing.meters.deactivate_async(meter)
    await client.v1.billing.meters.reactivate_async(meter)
    product = seller.product()
    await client.v1.products.update_async(product, {"name": "New"})
    price = seller.metered_price(meter, product)
    await client.v1.prices.update_async(price, {"nickname": "New"})
    customer = seller.customer()
    await client.v1.customers.update_async(customer, {"name": "New"})
    subscription = seller.subscription(customer, price)
    await client.v1.subscriptions.update_async(
        subscription, {"metadata": {"plan": "pro"}}
    )
    await client.v1.subscriptions.cancel_async(subscription)
    await client.v1.customers.delete_async(customer)
    await client.v1.products.delete_async(seller.product("Dropped"))

    page = await client.v1.events.list_async({"limit": 100})

    assert [event.type for event in page.data] == [
        "product.deleted",
        "product.created",
        "customer.deleted",
        "customer.subscription.deleted",
        "customer.subscription.updated",
        "customer.subscription.created",
        "customer.updated",
        "customer.created",
        "price.updated",
        "price.created",
        "product.updated",
        "product.created",
        "billing.meter.reactivated",
        "billing.meter.deactivated",
        "billing.meter.updated",
        "billing.meter.created",
    ]


async def test_an_event_holds_the_object_and_what_it_was(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """The snapshot stays as it was; previous_attributes has only what changed."""
    customer_id = seller.customer("Old")
    await client.v1.customers.update_async(
        customer_id,
        {"name": "New", "metadata": {"a": "1"}},
        {"idempotency_key": "the-key"},
    )
    clock.move(seconds=5)
    await client.v1.customers.update_async(customer_id, {"name": "Newest"})

    page = await client.v1.events.list_async({"type": "customer.updated"})
    newest, older = page.data
    alone = await client.v1.events.retrieve_async(older.id)

    assert alone == older
    assert older.data.object["name"] == "New"
    assert newest.data.object["name"] == "Newest"
    assert older.to_dict()["data"]["previous_attributes"] == {
        "name": "Old",
        "metadata": {"a": None},
    }
    assert newest.created - older.created == 5
    assert older.request is not None
    assert older.request.idempotency_key == "the-key"
    assert older.api_version == "2026-10-28.endive"


async def test_events_are_filtered_and_paged(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """By types, by wildcard, by creation, and from a cursor towards the newer."""
    for number in range(5):
        seller.customer(f"c{number}")
        seller.meter(f"m{number}")
        clock.move(seconds=10)

    page = await client.v1.events.list_async(
        {"types": ["customer.created"], "limit": 2}
    )
    everything = [event async for event in page.auto_paging_iter()]
    meters = await client.v1.events.list_async({"type": "billing.*"})
    recent = await client.v1.events.list_async({"created": {"gte": clock.seconds - 10}})
    newer = await client.v1.events.list_async(
        {"types": ["customer.created"], "ending_before": everything[3].id, "limit": 2}
    )

    assert [event.data.object["name"] for event in everything] == [
        "c4",
        "c3",
        "c2",
        "c1",
        "c0",
    ]
    assert len(meters.data) == 5
    assert {"customer.created", "billing.meter.created"} == {
        event.type for event in recent.data
    }
    assert [event.data.object["name"] for event in newer.data] == ["c3", "c2"]
    assert newer.has_more is True


async def test_a_change_of_nothing_leaves_no_event(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """An update with the values it already has is silent."""
    customer_id = seller.customer("Same")

    await client.v1.customers.update_async(customer_id, {"name": "Same"})

    page = await client.v1.events.list_async()
    assert [event.type for event in page.data] == ["customer.created"]


def test_types_and_type_exclude_each_other(local: LocalStripe) -> None:
    """Both at once are refused, as an unknown event is."""
    with pytest.raises(LocalStripeRefusal, match="only specify one of"):
        local.call("GET", "/v1/events", {"type": "a", "types": ["b"]})
    with pytest.raises(LocalStripeRefusal, match="No such event: 'evt_x'"):
        local.call("GET", "/v1/events/evt_x", {})
