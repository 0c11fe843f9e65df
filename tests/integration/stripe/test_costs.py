"""Costs of running periods, beside the local Stripe's own arithmetic of invoices."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.support.billed import CYCLED, MONTHLY, Billed
from tests.support.stripe_faults import FaultServer, answer, page
from tests.support.stripe_side import StripeSide

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import BadInput, NotFound, Refused, StripeUnreachable
from meterdeck.core.model.catalogue import Catalogue, MeterSpec, PriceSpec
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context, PlanRule, Secret, StripeOptions
from meterdeck.core.model.costs import Basis, ItemCost, TenantCost
from meterdeck.core.model.delivery import Verdict
from meterdeck.core.model.money import Money
from meterdeck.core.model.prices import PerUnit
from meterdeck.core.model.usage import (
    BilledBy,
    Plan,
    PlanName,
    Resource,
    ResourceKind,
    ResourceName,
    Tenant,
    TenantId,
)
from meterdeck.core.model.what_if import WhatIf
from meterdeck.core.services.engine import Engine

FORMS: Mapping[str, dict[str, object]] = {
    "units": {"unit_amount_decimal": "0.37"},
    "packages": {
        "unit_amount": 250,
        "transform_quantity": {"divide_by": 1000, "round": "up"},
    },
    "full_packages": {
        "unit_amount": 99,
        "transform_quantity": {"divide_by": 7, "round": "down"},
    },
    "graduated": {
        "billing_scheme": "tiered",
        "tiers_mode": "graduated",
        "tiers": [
            {"up_to": 1000, "unit_amount_decimal": "1.005", "flat_amount": 500},
            {"up_to": 10_000, "unit_amount_decimal": "0.5"},
            {"up_to": "inf", "unit_amount": 1, "flat_amount_decimal": "7.5"},
        ],
    },
    "volume": {
        "billing_scheme": "tiered",
        "tiers_mode": "volume",
        "tiers": [
            {"up_to": 5, "unit_amount": 700},
            {"up_to": "inf", "unit_amount_decimal": "650.25", "flat_amount": 10},
        ],
    },
}  # fmt: skip
EXACTLY = replace(CYCLED, scale=3)
RESOURCES = tuple(
    replace(EXACTLY, name=ResourceName(name), meter=name, label=name.capitalize())
    for name in FORMS
)
GAUGE = Resource(
    ResourceName("disk"), "Disk", "GB", meter="disk", kind=ResourceKind.GAUGE
)
RENDERS = replace(
    CYCLED,
    name=ResourceName("renders"),
    label="Renders",
    meter="renders",
    billed_by=BilledBy.EVENTS,
)
BASIC, RICH, VAGUE = PlanName("basic"), PlanName("rich"), PlanName("vague")


@dataclass
class Shop:
    """A context whose tenants subscribe to whatever a test wants.

    Attributes:
        meters: Id by event name.
    """

    engine: Engine
    stripe: StripeSide
    billed: Billed
    meters: dict[str, str] = field(default_factory=dict)

    def price(
        self, event_name: str = "", currency: str = "usd", **terms: object
    ) -> str:
        """Create a monthly price, on a meter or without."""
        recurring: dict[str, object] = {"interval": "month"}
        if event_name:
            if event_name not in self.meters:
                formula = "last" if event_name == GAUGE.meter else "sum"
                self.meters[event_name] = (
                    self.stripe.meter
                    if event_name == MONTHLY.meter
                    else self.stripe.seller.meter(event_name, formula)
                )
            meter = self.meters[event_name]
            recurring |= {"usage_type": "metered", "meter": meter}
        product = terms.pop("product", "") or self.stripe.seller.product(
            event_name or "Fee"
        )
        terms.setdefault("recurring", recurring)
        made = {"product": product, "currency": currency, **terms}
        return str(self.stripe.local.call("POST", "/v1/prices", made)["id"])

    async def tenant(self, name: str, *prices: str, **more: object) -> Tenant:
        """Subscribe a tenant to these prices and return its entry."""
        customer = self.stripe.customer(name)
        self.stripe.seller.subscription(customer, *prices, **more)
        await self.engine.directory.refresh()
        tenant = await self.engine.directory.get(name)
        self.billed.tenants[name] = tenant
        return tenant

    def event(self, tenant: Tenant, event_name: str, value: str, at: int) -> None:
        """Send a meter event as an application does that knows no meterdeck."""
        self.stripe.seller.event(
            tenant.customer, value, event_name=event_name, timestamp=at
        )


@pytest.fixture
async def shop(
    stripe: StripeSide, valkey_client: Redis, context: Context, gateway: StripeGateway
) -> AsyncIterator[Shop]:
    """Plans basic and rich name their prices, vague does not."""
    context = replace(
        context,
        resources=(MONTHLY, *RESOURCES, GAUGE, RENDERS),
        plans={name: Plan(name, name, {}) for name in (BASIC, RICH, VAGUE)},
        plan_rules=(
            PlanRule(BASIC, lookup_keys=frozenset({"basic_fee"})),
            PlanRule(RICH, lookup_keys=frozenset({"rich_fee", "rich_units"})),
            PlanRule(VAGUE, products=frozenset({"prod_vague"})),
        ),
        catalogue=Catalogue(
            {"calls": MeterSpec("calls", MONTHLY.meter, "Calls"),
             "new": MeterSpec("new", "not_there_yet", "New")},
            {},
            {"planned": PriceSpec("planned", "calls_2027", "", "usd",
                                  PerUnit(Decimal(3)), meter="calls"),
             "dreamt": PriceSpec("dreamt", "dreamt", "", "usd",
                                 PerUnit(Decimal(3)), meter="new")},
        ),
    )  # fmt: skip
    async with Engine(context) as engine:
        yield Shop(engine, stripe, Billed(valkey_client, context, stripe, gateway))


def by_label(cost: TenantCost) -> dict[str, ItemCost]:
    """Return the items by what they are called."""
    return {each.label: each for each in cost.items}


def so_far(item: ItemCost) -> str:
    """Return what an item costs so far, as it is read."""
    assert item.so_far is not None, item.problem
    return str(Money.of_minor(item.so_far.total, item.currency))


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
    never = await shop.engine.costs.of(replace(tenant, subscription=""))
    assert never.problem == "it has no subscription in Stripe: nothing is billed"


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


async def test_another_plan_brings_its_own_prices_and_leaves_what_no_plan_names(
    shop: Shop,
) -> None:
    """The fee of the plan before goes, its usage price is replaced, others stay."""
    fee = shop.price(unit_amount=1000, lookup_key="basic_fee")
    units = shop.price("units", unit_amount=100, lookup_key="units_before")
    volume = shop.price("volume", unit_amount=1)
    shop.price(unit_amount=5000, lookup_key="rich_fee")
    shop.price("units", unit_amount=10, lookup_key="rich_units")
    tenant = await shop.tenant("acme", fee, units, volume)
    await shop.engine.usage.consume("acme", {"units": 8_000, "volume": 3_000})

    found = await shop.engine.costs.what_if(tenant, WhatIf(plan="rich"))

    assert str(found.before.totals[0].so_far) == "18.03 USD"
    after = {each.item.price.lookup_key: so_far(each) for each in found.after.items}
    assert after == {"": "0.03 USD", "rich_fee": "50.00 USD", "rich_units": "0.80 USD"}
    assert found.notes == ("kept beside the prices of rich: Volume",)
    with pytest.raises(Refused, match="names no price of plan vague"):
        await shop.engine.costs.what_if(tenant, WhatIf(plan="vague"))
    with pytest.raises(NotFound, match="no plan richer; it has: basic, rich, vague"):
        await shop.engine.costs.what_if(tenant, WhatIf(plan="richer"))


async def test_another_price_takes_the_place_of_what_bills_the_same(shop: Shop) -> None:
    """By key or id, or only declared; another currency is refused."""
    calls = shop.price(MONTHLY.meter, unit_amount=1)
    dear = shop.price(MONTHLY.meter, unit_amount=2)
    yen = shop.price(MONTHLY.meter, "jpy", unit_amount=2, lookup_key="yen")
    tenant = await shop.tenant("acme", calls)
    await shop.engine.usage.consume("acme", {MONTHLY.name: 100})

    async def after(*prices: str) -> list[str]:
        wanted = WhatIf(prices=prices)
        found = await shop.engine.costs.what_if(tenant, wanted)
        return [so_far(each) for each in found.after.items]

    assert await after(dear) == ["2.00 USD"]
    assert await after("calls_2027") == ["3.00 USD"]
    assert await after(dear, "calls_2027") == ["3.00 USD"]
    with pytest.raises(Refused, match="in JPY, and this subscription is billed in USD"):
        await after("yen")
    with pytest.raises(NotFound, match="neither Stripe nor the configuration"):
        await after("no_such_price")
    found = await shop.engine.costs.what_if(tenant, WhatIf(prices=("dreamt",)))
    assert found.after.items[1].problem == "Stripe has no meter not_there_yet"
    assert found.after.totals[0].unknown == 1
    assert yen not in {each.item.price.id for each in found.after.items}


async def test_another_usage_is_for_the_whole_period_or_up_to_now(shop: Shop) -> None:
    """The quantity is said to be given; less than is used by the end is refused."""
    tenant = await shop.tenant("acme", shop.price("units", unit_amount=100))
    await shop.engine.usage.consume("acme", {"units": 2_000})
    costs, more = shop.engine.costs, {"units": Decimal("7.5")}

    by_the_end = (await costs.what_if(tenant, WhatIf(usage=more))).after.totals[0]
    so_far = (await costs.what_if(tenant, WhatIf(usage=more, so_far=True))).after

    assert str(by_the_end.so_far) == "2.00 USD"
    assert str(by_the_end.at_end) == "7.50 USD"
    assert str(so_far.totals[0].so_far) == "7.50 USD"
    assert so_far.items[0].measured.basis is Basis.GIVEN
    with pytest.raises(BadInput, match="more than 1 is used already"):
        await costs.what_if(tenant, WhatIf(usage={"units": Decimal(1)}))
    with pytest.raises(BadInput, match="bills volume; it bills: units"):
        await costs.what_if(tenant, WhatIf(usage={"volume": Decimal(1)}))
