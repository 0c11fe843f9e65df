"""Costs of running periods, beside the local Stripe's own arithmetic of invoices."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.billed import MONTHLY
from tests.support.shop import FORMS, RESOURCES, Shop, by_label, so_far
from tests.support.stripe_faults import (
    Asked,
    FaultServer,
    Reply,
    answer,
    page,
    refusal,
)
from tests.support.tenants import but

from meterdeck.core.adapters.redis_client import server_time
from meterdeck.core.errors import StripeUnreachable
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context, Secret, StripeOptions
from meterdeck.core.model.costs import Basis
from meterdeck.core.model.delivery import Verdict
from meterdeck.core.model.usage import (
    Resource,
    Tenant,
    TenantId,
)
from meterdeck.core.model.what_if import WhatIf
from meterdeck.core.services.engine import Engine

STAY = "30 of it stay billed, though they were taken back: no negative events are sent"


async def test_every_form_of_price_comes_to_stripes_preview_in_every_currency(
    shop: Shop,
) -> None:
    """What counters hold is reckoned before Stripe has it, and then equal to the cent.

    Per unit, packages up and down, graduated with flat amounts, volume, and a fee.
    """
    used = {name: 1_234_567 * (n + 1) for n, name in enumerate(FORMS)}
    costs = {}
    for currency in ("usd", "jpy", "kwd"):
        prices = [
            shop.price(name, currency, nickname=name, **terms)
            for name, terms in FORMS.items()
        ]
        fee = shop.price("", currency, unit_amount=1900, nickname="fee")
        tenant = await shop.tenant(f"in-{currency}", fee, *prices)
        await shop.engine.usage.consume(tenant.id, used)
        costs[tenant.id] = await shop.engine.costs.of(tenant)
        before = await shop.engine.costs.preview(tenant)
        (total,) = costs[tenant.id].totals
        assert before.subtotal < total.so_far.minor

    await shop.billed.work()

    for name, cost in costs.items():
        preview = await shop.engine.costs.preview(cost.tenant)
        (total,) = cost.totals
        assert (await shop.engine.costs.of(cost.tenant)).totals[0] == total
        assert {each.measured.basis for each in cost.items} == {
            Basis.COUNTER,
            Basis.QUANTITY,
        }
        reckoned = {each.item.price.id: each.so_far for each in cost.items}
        assert {price: int(bill.total) for price, bill in reckoned.items() if bill} == (
            preview.by_price
        ), name
        assert (preview.subtotal, preview.currency) == (
            int(total.so_far.minor),
            total.so_far.currency,
        )


async def test_over_another_period_it_is_what_stripe_has_and_what_is_not_there_yet(
    shop: Shop,
) -> None:
    """The counter runs by the month, the subscription from now: waiting and in flight
    are added to Stripe's summary, and what was used before is not billed.
    """
    now = await server_time(shop.billed.redis)
    price = shop.price(MONTHLY.meter, unit_amount=10)
    customer = shop.stripe.customer("acme")
    before = int((now - timedelta(hours=1)).timestamp())
    shop.stripe.seller.event(customer, "1000", timestamp=before)
    shop.stripe.seller.subscription(customer, price)
    await shop.engine.directory.refresh()
    tenant = shop.billed.tenants["acme"] = await shop.engine.directory.get("acme")
    subject = await shop.billed.subject("acme")
    await shop.billed.bill(subject, 40)
    await shop.billed.use(subject, 5)
    await shop.billed.claim(subject)
    await shop.billed.use(subject, 7)

    (item,) = (await shop.engine.costs.of(tenant)).items

    assert item.measured.basis is Basis.STRIPE_AND_UNSENT
    assert item.measured.quantity == 52
    assert so_far(item) == "5.20 USD"
    assert item.forecast is None, "a period of seconds says nothing of a month"
    await shop.billed.work()
    assert (await shop.engine.costs.preview(tenant)).subtotal == 520


async def test_usage_that_the_application_reports_itself_may_be_in_it_twice(
    shop: Shop,
) -> None:
    """No worker has sent anything of the counter, and Stripe has usage: it is said."""
    tenant = await shop.tenant("acme", shop.price(MONTHLY.meter, unit_amount=10))
    await shop.billed.use(await shop.billed.subject("acme"), 40)
    at = int((await server_time(shop.billed.redis)).timestamp())
    shop.event(tenant, MONTHLY.meter, "40", at)

    (item,) = (await shop.engine.costs.of(tenant)).items

    assert item.measured.quantity == 80
    (note,) = item.measured.notes
    assert "where the application reports usage itself, it is in this twice" in note


async def test_what_only_stripe_counts_is_said_to_be_stripes(shop: Shop) -> None:
    """A gauge's newest level, events of their own, and a meter of no resource."""
    prices = [
        shop.price(name, unit_amount=100) for name in ("disk", "renders", "elsewhere")
    ]
    tenant = await shop.tenant("acme", *prices)
    at = int((await server_time(shop.billed.redis)).timestamp())
    for name, value in (("disk", "9"), ("renders", "2.5"), ("elsewhere", "4")):
        shop.event(tenant, name, value, at)

    items = by_label(await shop.engine.costs.of(tenant))

    assert {label: so_far(item) for label, item in items.items()} == {
        "Disk": "9.00 USD",
        "Renders": "2.50 USD",
        "elsewhere": "4.00 USD",
    }
    assert {each.measured.basis for each in items.values()} == {Basis.STRIPE}
    assert items["Disk"].forecast is not None
    assert items["Disk"].forecast.quantity == 9
    assert items["elsewhere"].resources == ()


async def test_a_counter_is_not_what_a_meter_of_hourly_values_counts(
    shop: Shop,
) -> None:
    """Of each hour the last event counts: what is billed is what Stripe says."""
    seller = shop.stripe.seller
    shop.meters["units"] = seller.meter("units", event_time_window="hour")
    tenant = await shop.tenant("acme", shop.price("units", unit_amount=100))
    await shop.billed.use(await shop.billed.subject("acme", RESOURCES[0]), 90_000)
    at = int((await server_time(shop.billed.redis)).timestamp())
    for value in ("85", "5"):
        shop.event(tenant, "units", value, at)

    (item,) = (await shop.engine.costs.of(tenant)).items

    assert item.measured.basis is Basis.STRIPE
    assert so_far(item) == "5.00 USD"
    assert (await shop.engine.costs.preview(tenant)).subtotal == 500


async def test_a_counter_is_reckoned_without_what_is_reserved_or_not_to_be_billed(
    shop: Shop,
) -> None:
    """100 used, 20 given by an operator, 5 reserved; 30 of it wait for somebody."""
    tenant = await shop.tenant("acme", shop.price("units", unit_amount=1000))
    units = RESOURCES[0]
    subject = await shop.billed.subject("acme", units)
    await shop.billed.use(subject, 30_000)
    await shop.billed.settle(await shop.billed.claim(subject), Verdict.DEAD)
    gift = Adjustment(
        tenant.id, units.name, AdjustKind.ADD, 20_000, None, Bill.QUOTA_ONLY, "a gift"
    )
    await shop.engine.changes.adjust(
        gift, actor=Actor("ada", "local"), operation_id="gift"
    )
    await shop.billed.use(subject, 70_000)
    hold = timedelta(hours=1)
    await shop.engine.usage.reserve("acme", {units.name: 5_000}, ttl=hold)

    (item,) = (await shop.engine.costs.of(tenant)).items

    assert item.measured.quantity == 100
    assert so_far(item) == "1000.00 USD"
    assert item.measured.notes == (
        "30 of it are in events that need somebody, and are not billed before",
    )


@pytest.mark.parametrize(
    ("resource", "basis", "notes"),
    [
        (RESOURCES[0], Basis.COUNTER, (STAY,)),
        (MONTHLY, Basis.STRIPE_AND_UNSENT, ()),
    ],
    ids=["the same period", "another period"],
)
async def test_what_was_taken_back_stays_billed_without_negative_events(
    shop: Shop, resource: Resource, basis: Basis, notes: tuple[str, ...]
) -> None:
    """Stripe's preview says the same, and goes on doing so until more is used."""
    tenant = await shop.tenant("acme", shop.price(resource.meter, unit_amount=100))
    subject = await shop.billed.subject("acme", resource)
    unit = 10**resource.scale
    await shop.billed.bill(subject, 100 * unit)
    await shop.billed.redis.decrby(shop.billed.key(subject), 30 * unit)
    kept = replace(resource, negative_events=False)

    async with Engine(replace(shop.billed.context, resources=(kept,))) as engine:
        (item,) = (await engine.costs.of(tenant)).items
        preview = await engine.costs.preview(tenant)

    assert (so_far(item), item.measured.basis) == ("100.00 USD", basis)
    assert preview.subtotal == 10_000
    assert item.measured.notes == notes


async def test_what_was_billed_of_a_counter_that_is_gone_stays_billed(
    shop: Shop,
) -> None:
    """Nobody gave it back: no event takes it back, and it is no period without use."""
    tenant = await shop.tenant("acme", shop.price("units", unit_amount=100))
    subject = await shop.billed.subject("acme", RESOURCES[0])
    await shop.billed.bill(subject, 100_000)
    await shop.billed.redis.delete(shop.billed.key(subject))

    (item,) = (await shop.engine.costs.of(tenant)).items

    assert so_far(item) == "100.00 USD"
    assert item.measured.notes == (
        "100 of it stay billed, though their counter is gone",
    )
    assert (await shop.engine.costs.preview(tenant)).subtotal == 10_000


async def test_what_cannot_be_told_is_said_and_in_no_total(shop: Shop) -> None:
    """A counter that holds no number; a subscription that is over, or never was."""
    fee, units = shop.price(unit_amount=1900), shop.price("units", unit_amount=1000)
    tenant = await shop.tenant("acme", fee, units)
    subject = await shop.billed.subject("acme", RESOURCES[0])
    await shop.billed.redis.set(shop.billed.key(subject), "soon")

    cost = await shop.engine.costs.of(tenant)

    assert "the counter of units holds" in by_label(cost)["Units"].problem
    (total,) = cost.totals
    assert (str(total.so_far), total.unknown) == ("19.00 USD", 1)
    shop.stripe.delete(tenant.customer)
    ended = await shop.engine.costs.of(tenant)
    assert ended.problem == "its subscription has ended: nothing is billed any more"
    never = await shop.engine.costs.of(but(tenant, subscription=""))
    assert never.problem == "it has no subscription in Stripe: nothing is billed"


async def test_a_metered_price_of_before_meters_is_no_fee(context: Context) -> None:
    """Nobody knows here how much was used: not once its amount, and no plan's fee."""
    now, month = int(datetime.now(UTC).timestamp()), {"interval": "month"}
    period = {"current_period_start": now - 9, "current_period_end": now + 86_400}
    sold = {"currency": "usd", "active": True, "unit_amount": 1000}
    old = {**sold, "id": "price_1", "recurring": {**month, "usage_type": "metered"}}
    fee = {**sold, "id": "price_2", "recurring": {**month, "usage_type": "licensed"}}
    other = {**fee, "id": "price_3", "unit_amount": 3000, "product": "prod_3"}
    items = [{"id": each["id"], "price": each, **period} for each in (old, fee)]
    subscription = {"id": "sub_1", "status": "active", "items": {"data": items}}

    def choose(asked: Asked) -> Reply:
        if asked.path == "/v1/prices":
            return page(other)
        return answer(subscription)

    acme = Tenant(TenantId("acme"), "Acme", "cus_1", "sub_1")
    async with FaultServer(choose=choose) as server:
        options = StripeOptions(Secret("sk_test_1"), api_base=server.base_url)
        async with Engine(replace(context, stripe=options)) as engine:
            cost = await engine.costs.of(acme)
            found = await engine.costs.imagine(cost, WhatIf(prices=("dear",)))

    assert cost.items[0].problem.startswith("its price is metered and has no meter")
    assert (str(cost.totals[0].so_far), cost.totals[0].unknown) == ("10.00 USD", 1)
    assert (str(found.after.totals[0].so_far), found.after.totals[0].unknown) == (
        "30.00 USD",
        1,
    )


async def test_while_stripe_is_away_prices_are_those_of_before(shop: Shop) -> None:
    """Counters go on; who was never reckoned cannot be, and that is no zero."""
    tenant = await shop.tenant("acme", shop.price("units", unit_amount=1000))
    other = await shop.tenant("other", shop.price("volume", unit_amount=1000))
    await shop.engine.costs.of(tenant)
    shop.stripe.local.panel.change({"429": 1, "retry_after": 60})
    await shop.engine.usage.consume("acme", {"units": 2_000})

    cost = await shop.engine.costs.of(tenant)

    assert so_far(cost.items[0]) == "20.00 USD"
    assert cost.notes == ("Stripe does not answer: its prices are as of before",)
    with pytest.raises(StripeUnreachable):
        await shop.engine.costs.of(other)


async def test_an_amount_in_another_currency_than_the_price_is_no_guess(
    context: Context,
) -> None:
    """A price may have other currencies' amounts, too; and items come in pages."""
    price = {"id": "price_1", "currency": "usd", "unit_amount": 1900, "active": True,
             "nickname": "Fee", "recurring": {"interval": "month"}}  # fmt: skip
    item = {"id": "si_1", "price": price, "quantity": 2}
    dear = {**item, "id": "si_2", "price": {**price, "currency": "eur"}, "quantity": 3}
    subscription = {
        "id": "sub_1", "customer": "cus_1", "status": "active", "currency": "eur",
        "items": {"data": [item], "has_more": True}, "discounts": ["di_1"],
    }  # fmt: skip
    acme = Tenant(TenantId("acme"), "Acme", "cus_1", "sub_1")
    async with FaultServer(answer(subscription), page(item, dear)) as server:
        options = StripeOptions(Secret("sk_test_1"), api_base=server.base_url)
        async with Engine(replace(context, stripe=options)) as engine:
            cost = await engine.costs.of(acme)

    usd, eur = cost.items
    assert "its price is in USD and is billed in EUR" in usd.problem
    assert so_far(eur) == "57.00 EUR"
    assert cost.notes == ("a discount lowers its invoices, which is not reckoned here",)
    asked = server.asked[1]
    assert asked.path == "/v1/subscription_items"
    assert asked.form["subscription"] == "sub_1"
    assert asked.form["expand[0]"] == "data.price.tiers"


async def test_a_summary_that_is_refused_leaves_the_other_items(
    context: Context,
) -> None:
    """A key that may not read usage: said at the item, with Stripe's words."""
    now, day = int(datetime.now(UTC).timestamp()), 86_400
    fee = {"id": "price_1", "currency": "usd", "unit_amount": 1900}
    usage = {**fee, "id": "price_2", "recurring": {"meter": "mtr_1"}}
    period = {"current_period_start": now - day, "current_period_end": now + day}
    items = [{"id": price["id"], "price": price, **period} for price in (fee, usage)]
    subscription = {"id": "sub_1", "status": "active", "items": {"data": items}}

    def choose(asked: Asked) -> Reply:
        if asked.path.endswith("/event_summaries"):
            return refusal(403, "This key may not read it.")
        if asked.path.endswith("/meters"):
            return page({"id": "mtr_1", "event_name": MONTHLY.meter})
        return answer(subscription)

    acme = Tenant(TenantId("acme"), "Acme", "cus_1", "sub_1")
    async with FaultServer(choose=choose) as server:
        options = StripeOptions(Secret("sk_test_1"), api_base=server.base_url)
        async with Engine(replace(context, stripe=options)) as engine:
            cost = await engine.costs.of(acme)

    assert so_far(cost.items[0]) == "19.00 USD"
    assert "Stripe could not be asked: " in cost.items[1].problem
    assert "This key may not read it." in cost.items[1].problem
    assert cost.totals[0].unknown == 1


@pytest.mark.parametrize(
    ("behavior", "words"),
    [
        ("void", "its invoices are voided"),
        ("keep_as_draft", "its invoices stay drafts"),
        ("mark_uncollectible", "its invoices are uncollectible"),
    ],
)
async def test_of_paused_payment_it_is_said_what_becomes_of_the_invoices(
    shop: Shop, behavior: str, words: str
) -> None:
    """The amounts are what they were; and after the pause nothing is said."""
    tenant = await shop.tenant("acme", shop.price(unit_amount=9900))
    now = await server_time(shop.billed.redis)
    ends = now + timedelta(days=7)
    pause = {"behavior": behavior, "resumes_at": int(ends.timestamp())}
    path = f"/v1/subscriptions/{tenant.subscription}"
    shop.stripe.local.call("POST", path, {"pause_collection": pause})

    cost = await shop.engine.costs.of(tenant)
    shop.stripe.local.call("POST", path, {"pause_collection": ""})
    after = await shop.engine.costs.of(tenant)

    (note,) = cost.notes
    assert f"payment is paused until {ends.date().isoformat()}: {words}" in note
    assert [so_far(each) for each in cost.items] == ["99.00 USD"]
    assert after.notes == ()


async def test_on_trial_usage_is_free(shop: Shop) -> None:
    """Stripe's preview has the fee that begins when the trial ends, and no usage."""
    now = await server_time(shop.billed.redis)
    prices = shop.price(unit_amount=1900), shop.price("units", unit_amount=1000)
    ends = int((now + timedelta(days=7)).timestamp())
    tenant = await shop.tenant("acme", *prices, trial_end=ends)
    await shop.engine.usage.consume("acme", {"units": 3_000})
    await shop.billed.work()

    cost = await shop.engine.costs.of(tenant)

    assert str(cost.totals[0].so_far) == "19.00 USD"
    assert (await shop.engine.costs.preview(tenant)).subtotal == 1900
    assert "usage is free" in cost.notes[0]
