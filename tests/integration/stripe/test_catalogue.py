"""The catalogue's service against the local Stripe, over HTTP."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.support.selling import FORMS, meter, price, product
from tests.support.stripe_faults import FaultServer, answer, refusal
from tests.support.stripe_side import StripeSide

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import ReadOnly, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.prices import Tier, Tiered, TiersMode
from meterdeck.core.services.catalogue import CatalogueService


@pytest.fixture
def service(context: Context, gateway: StripeGateway) -> CatalogueService:
    """What sells in the local Stripe."""
    return CatalogueService(context, gateway)


async def test_an_account_is_read_with_what_is_inactive_and_with_tiers(
    service: CatalogueService, stripe: StripeSide
) -> None:
    """Inactive meters, products and prices are in it, and tiers are not left out."""
    tiers = [{"up_to": 10, "flat_amount": 5}, {"up_to": "inf", "unit_amount": 1}]
    more = {"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": tiers}
    price = stripe.seller.metered_price(stripe.meter, stripe.product, **more)
    stripe.local.call("POST", f"/v1/prices/{price}", {"active": False})
    stripe.local.call("POST", f"/v1/products/{stripe.product}", {"active": False})
    stripe.local.call("POST", f"/v1/billing/meters/{stripe.meter}/deactivate", {})

    account = await service.account()

    assert [(each.id, each.active) for each in account.meters] == [
        (stripe.meter, False)
    ]
    assert {each.id: each.active for each in account.products}[stripe.product] is False
    found = {each.id: each for each in account.prices}
    assert len(found) == 3
    assert found[price].form == Tiered(
        TiersMode.GRADUATED, (Tier(10, flat=Decimal(5)), Tier(None, Decimal(1)))
    )
    assert not found[price].active
    assert found[price].meter_id == stripe.meter


async def test_users_of_a_price_are_counted_and_the_first_are_named(
    service: CatalogueService, stripe: StripeSide
) -> None:
    """Ended subscriptions do not count; nor does anything beyond what is asked for."""
    for name in ("acme", "globex", "initech"):
        stripe.subscribed(name)
    ended = stripe.seller.subscription(stripe.customer("gone"), stripe.pro)
    stripe.cancel(ended)
    expired = stripe.seller.subscription(stripe.customer("never"), stripe.pro)
    stripe.local.set_subscription(expired, status="incomplete_expired")

    users = await service.users([stripe.pro, stripe.plain])
    few = (await service.users([stripe.pro], at_most=2))[stripe.pro]

    assert users[stripe.pro].subscriptions == 3
    assert set(users[stripe.pro].tenants) == {"acme", "globex", "initech"}
    assert (users[stripe.plain].subscriptions, users[stripe.plain].more) == (0, False)
    assert (few.subscriptions, few.more) == (2, True)


async def test_what_is_created_is_read_back_as_it_was_declared(
    service: CatalogueService,
) -> None:
    """A meter, a product, and a price of every form, in every kind of currency."""
    calls = meter("api", event_name="api.calls", value_key="n", event_time_window="day")
    sold = product(description="All of it", unit_label="call", active=False)

    counts = await service.create_meter(calls, "op-1")
    api = await service.create_product(sold, "op-2")
    made = [
        await service.create_price(
            price(f"{currency}-{n}", form, currency=currency),
            api.id,
            counts.id,
            f"op-3-{currency}-{n}",
        )
        for n, form in enumerate(FORMS)
        for currency in ("usd", "jpy", "kwd")
    ]

    account = await service.account()

    assert counts in account.meters
    assert (counts.value_key, counts.event_time_window) == ("n", "day")
    assert api in account.products
    assert [each.form for each in made] == [form for form in FORMS for _ in range(3)]
    assert set(map(repr, made)) <= set(map(repr, account.prices))


async def test_a_write_that_was_put_off_is_sent_again_with_its_key(
    context: Context,
) -> None:
    """A 429 is not done; everything else is sent once."""
    busy = refusal(429, "slow down")
    done = answer({"id": "price_1", "object": "price", "active": False})
    async with FaultServer(busy, done) as server:
        assert context.stripe is not None
        options = replace(context.stripe, api_base=server.base_url)
        gateway = StripeGateway(options, context.mode)
        price = await CatalogueService(context, gateway).archive_price("price_1", "op")
        await gateway.close()

    assert not price.active
    keys = [each.headers["idempotency-key"] for each in server.asked]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert keys[0].startswith("op.")


async def test_what_is_ended_stays_and_is_not_sold(
    service: CatalogueService, stripe: StripeSide
) -> None:
    """A price is archived; a meter stops and goes on."""
    price = await service.archive_price(stripe.pro, "op-1")
    stopped = await service.set_meter_active(stripe.meter, False, "op-2")
    goes_on = await service.set_meter_active(stripe.meter, True, "op-3")

    assert (price.active, stopped.active, goes_on.active) == (False, False, True)


async def test_a_context_that_allows_no_changes_creates_nothing(
    context: Context, gateway: StripeGateway, stripe: StripeSide
) -> None:
    """Read-only contexts read, and a context without Stripe does neither."""
    service = CatalogueService(replace(context, read_only=True), gateway)

    with pytest.raises(ReadOnly):
        await service.archive_price(stripe.pro, "op-1")
    with pytest.raises(Refused, match="has no Stripe"):
        await CatalogueService(context, None).account()
    assert (await service.account()).prices[0].active
