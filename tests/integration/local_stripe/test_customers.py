"""Customers: made, changed, cleared, deleted, listed."""

from typing import Any

import pytest
import stripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal


async def test_a_customer_comes_back_typed(
    client: stripe.StripeClient, clock: Clock
) -> None:
    """What was sent is kept, the rest is null or Stripe's default."""
    customer = await client.v1.customers.create_async(
        {
            "name": "Acme",
            "email": "ops@acme.test",
            "address": {"city": "Bern", "country": "CH"},
            "preferred_locales": ["de", "fr"],
            "metadata": {"tenant": "acme"},
        }
    )

    again = await client.v1.customers.retrieve_async(customer.id)
    assert again == customer
    assert len("cus_UFHolUcKiEPpti") == len(customer.id)
    assert customer.address is not None
    assert (
        customer.address.city,
        customer.address.country,
        customer.address.line1,
    ) == ("Bern", "CH", None)
    assert customer.preferred_locales == ["de", "fr"]
    assert (clock.seconds, "none", 0, None) == (
        customer.created,
        customer.tax_exempt,
        customer.balance,
        customer.currency,
    )


async def test_metadata_merges_and_empty_values_delete(
    client: stripe.StripeClient,
) -> None:
    """New keys are added, an empty value removes its key, an empty map all."""
    customer = await client.v1.customers.create_async(
        {"metadata": {"keep": "1", "drop": "2"}, "name": "Acme"}
    )

    merged = await client.v1.customers.update_async(
        customer.id, {"metadata": {"drop": "", "new": "3"}}
    )
    emptied = await client.v1.customers.update_async(customer.id, {"metadata": ""})

    assert merged.metadata is not None
    assert emptied.metadata is not None
    assert merged.metadata.to_dict() == {"keep": "1", "new": "3"}
    assert emptied.metadata.to_dict() == {}
    assert emptied.name == "Acme"


async def test_an_empty_text_clears_a_field(client: stripe.StripeClient) -> None:
    """A cleared name is null; what was not sent stays."""
    customer = await client.v1.customers.create_async(
        {"name": "Acme", "email": "a@b.test", "address": {"city": "Bern"}}
    )

    cleared = await client.v1.customers.update_async(
        customer.id, {"name": "", "address": ""}
    )

    assert (cleared.name, cleared.address, cleared.email) == (None, None, "a@b.test")


async def test_a_deleted_customer_is_answered_as_deleted(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """It leaves the list, its subscriptions end, and it takes no new ones."""
    customer_id = seller.customer()
    price = seller.metered_price(seller.meter(), seller.product())
    subscription_id = seller.subscription(customer_id, price)

    deleted = await client.v1.customers.delete_async(customer_id)

    again = await client.v1.customers.retrieve_async(customer_id)
    subscription = await client.v1.subscriptions.retrieve_async(subscription_id)
    assert {"id": customer_id, "object": "customer", "deleted": True} == (
        deleted.to_dict()
    )
    assert again.deleted is True
    assert subscription.status == "canceled"
    assert (await client.v1.customers.list_async()).data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        await client.v1.subscriptions.create_async(
            {"customer": customer_id, "items": [{"price": price}]}
        )
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        await client.v1.customers.update_async(customer_id, {"name": "x"})


async def test_customers_are_listed_by_email_and_creation(
    client: stripe.StripeClient, clock: Clock
) -> None:
    """The email is compared exactly; creation by ranges."""
    first = await client.v1.customers.create_async({"email": "a@b.test"})
    clock.move(seconds=10)
    second = await client.v1.customers.create_async({"email": "A@b.test"})

    async def ids(params: stripe.params.CustomerListParams) -> list[str]:
        return [one.id for one in (await client.v1.customers.list_async(params)).data]

    assert [first.id] == await ids({"email": "a@b.test"})
    assert [second.id] == await ids({"created": {"gt": clock.seconds - 10}})
    assert [first.id] == await ids({"created": {"lte": clock.seconds - 10}})
    assert [second.id] == await ids({"created": clock.seconds})
    assert [second.id, first.id] == await ids({"created": {"gte": 0, "lt": 2**33}})


def test_odd_names_survive_unchanged(local: LocalStripe) -> None:
    """Names of any script, control characters and brackets come back as sent."""
    name = "Ünïcode \u202e [x](y) [red]\x1b[31m 🦓 & = % +"

    made = local.call("POST", "/v1/customers", {"name": name})

    assert name == made["name"]


async def test_odd_names_survive_http(client: stripe.StripeClient) -> None:
    """The same over a form and back."""
    name = "Ünïcode \u202e [x](y) [red]\x1b[31m 🦓 & = % +"

    made = await client.v1.customers.create_async({"name": name})

    assert name == made.name


def test_metadata_has_limits(local: LocalStripe) -> None:
    """50 keys, keys of 40 and values of 500 characters."""
    refused = [
        {f"k{number}": "1" for number in range(51)},
        {"k" * 41: "1"},
        {"k": "v" * 501},
    ]

    for metadata in refused:
        with pytest.raises(LocalStripeRefusal):
            local.call("POST", "/v1/customers", {"metadata": metadata})
    local.call("POST", "/v1/customers", {"metadata": {"k" * 40: "v" * 500}})


def test_what_a_customers_invoices_say_is_kept(
    local: LocalStripe, seller: Seller
) -> None:
    """Only what was sent changes; invoices show it, and are numbered from there."""
    field = {"name": "PO", "value": "42"}
    made: Any = local.call(
        "POST",
        "/v1/customers",
        {
            "business_name": "Acme Inc",
            "invoice_settings": {"custom_fields": [field], "footer": "Thanks"},
            "next_invoice_sequence": 7,
        },
    )
    url = f"/v1/customers/{made['id']}"
    changed: Any = local.call("POST", url, {"invoice_settings": {"footer": ""}})
    price = seller.licensed_price(seller.product())
    subscription = seller.subscription(str(made["id"]), price)
    invoices: Any = local.call("GET", "/v1/invoices", {"subscription": subscription})
    [invoice] = invoices["data"]
    with pytest.raises(LocalStripeRefusal, match="must be at least 8"):
        local.call("POST", url, {"next_invoice_sequence": 7})

    assert (made["business_name"], made["next_invoice_sequence"]) == ("Acme Inc", 7)
    assert made["invoice_settings"]["footer"] == "Thanks"
    assert changed["invoice_settings"] == {
        "custom_fields": [field],
        "default_payment_method": None,
        "footer": None,
        "rendering_options": None,
    }
    assert invoice["custom_fields"] == [field]
    assert invoice["number"].endswith("-0007")
