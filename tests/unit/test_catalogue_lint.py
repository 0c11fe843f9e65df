"""What lint warns of, and what it leaves alone."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.linting import Warned, codes

from meterdeck.core.adapters import stripe_objects, stripe_prices
from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.model.catalogue import Account, Catalogue
from meterdeck.core.model.catalogue_lint import Subject, lint
from meterdeck.core.model.catalogue_warnings import CatalogueWarning, Code
from meterdeck.core.model.declared import Declared
from meterdeck.core.model.prices import (
    PerUnit,
    PriceForm,
    PriceInfo,
    ProductInfo,
    Tier,
    Tiered,
    TiersMode,
)
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.sandbox.seed import fill_stripe
from meterdeck.core.settings.declaration import load_declaration
from meterdeck.core.settings.toml_comments import comments_of

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
CALLS = MeterInfo("mtr_1", "calls", "Calls", "sum", active=True)
API = ProductInfo("prod_1", "API")
PRICE = '[prices.calls]\nproduct = "api"\nmeter = "calls"\n'


def price(form: PriceForm | None, **more: Any) -> PriceInfo:
    """Return a price of the account's meter."""
    base = PriceInfo("price_1", "prod_1", "usd", form, meter_id="mtr_1")
    return replace(base, **more)


def of_account(
    *prices: PriceInfo, meter: MeterInfo = CALLS, product: ProductInfo = API
) -> list[CatalogueWarning]:
    """Lint an account and no configuration."""
    account = Account((meter,), (product,), prices)
    return list(lint(Subject(Declared(Catalogue()), "-", account)))


def test_the_example_is_sound() -> None:
    """Nobody starts with warnings."""
    found = load_declaration(config=EXAMPLE, environ={})

    comments = comments_of(found.text, "-")

    assert comments[("prices", "api_calls", "unit")]
    assert lint(Subject(found.declared, "-", None, comments)) == ()


LEGACY = {
    "beside": 'unit = "1.00 USD"  # $0.01',
    "above": '# $0.001 a call\nunit = "0.10 USD"',
    "in cents": 'unit = "1 USD" # 1 cent',
    "in the lookup key": 'unit = "1 USD"\nlookup_key = "api_0.01"',
    "in the nickname": 'unit = "0.5 USD"\nnickname = "API $0.005/call"',
    "in euros": 'unit = "0.5 EUR" # €0.005',
    "a package": 'package = { amount = "50 USD", size = 10 } # $0.50 per 10',
    "too little": 'unit = "0.0001 USD" # $0.01',
    "no power of ten": 'unit = "0.03 USD" # $0.02',
}


FINE = {
    "the same": 'unit = "0.01 USD"  # $0.01',
    "one of several": '# $0.02 until May, $0.01 since\nunit = "0.01 USD"',
    "by the thousand": '# $5 per 1000\nunit = "0.005 USD"',
    "a package by the unit": 'package = { amount = "5 USD", size = 1_000 } # 0.5 cents',
    "another currency": 'unit = "0.01 USD" # about €0.009',
    "a version": 'unit = "0.01 USD"\nnickname = "API v1.25, 10 % off"',
    "another setting": '#unit = "5 USD"\nunit = "0.01 USD"',
    "across a blank line": '# $5\n\nunit = "0.01 USD"',
    "in yen": 'unit = "2 JPY" # ¥2',
}


@pytest.mark.parametrize(
    ("cents", "warns"), [("100", True), ("60", True), ("20", False), ("1000", False)]
)
def test_prices_of_one_meter_are_compared(cents: str, warns: bool) -> None:
    """Fifty to two hundred times as dear at the first unit is cents for dollars."""
    cheap, dear = price(PerUnit(Decimal(1))), price(PerUnit(Decimal(cents)), id="dear")
    archived = price(PerUnit(Decimal(100)), id="old", active=False)

    found = of_account(cheap, dear, archived)

    assert [each.where for each in found] == (["dear"] if warns else [])
    assert codes(found) <= {Code.AMOUNT_UNLIKE_SIBLINGS}


def test_fees_of_one_product_may_differ() -> None:
    """$19 and $2,500 are a small plan and a large one; $0.19 and $19 are not."""
    fees = [
        price(PerUnit(Decimal(cents)), id=f"price_{cents}", meter_id="")
        for cents in (1_900, 250_000, 19)
    ]
    metered = price(PerUnit(Decimal(1)))

    found = of_account(metered, *fees)

    assert [each.where for each in found] == ["price_1900"]


def tiered(mode: TiersMode, *tiers: tuple[int | None, str, str]) -> PriceForm:
    """Return a form of tiers (up to, unit, flat), in cents."""
    made = (Tier(up, Decimal(unit), Decimal(flat)) for up, unit, flat in tiers)
    return Tiered(mode, tuple(made))


GRADUATED, VOLUME = TiersMode.GRADUATED, TiersMode.VOLUME
TIERS: dict[str, tuple[PriceForm, set[Code]]] = {
    "falling": (
        tiered(GRADUATED, (1_000, "1", "0"), (10_000, ".5", "0"), (None, ".1", "0")),
        set(),
    ),
    "free, then not": (tiered(GRADUATED, (100, "0", "0"), (None, "5", "0")), set()),
    "rising": (
        tiered(GRADUATED, (10, "1", "0"), (None, "2", "0")),
        {Code.TIERS_RISING},
    ),
    "a hundredth": (
        tiered(GRADUATED, (10, "1", "0"), (None, "0.01", "0")),
        {Code.AMOUNT_UNLIKE_SIBLINGS},
    ),
    "no last one": (
        tiered(GRADUATED, (10, "2", "0"), (20, "1", "0")),
        {Code.TIERS_WITH_GAPS},
    ),
    "not ascending": (
        tiered(GRADUATED, (20, "3", "0"), (20, "2", "0"), (None, "1", "0")),
        {Code.TIERS_WITH_GAPS},
    ),
    "two without an end": (
        tiered(VOLUME, (None, "2", "0"), (None, "1", "0")),
        {Code.TIERS_WITH_GAPS},
    ),
    "none": (tiered(VOLUME), {Code.TIERS_WITH_GAPS}),
    "a cliff": (
        tiered(VOLUME, (100, "2", "0"), (None, "1", "0")),
        {Code.TIERS_WITH_CLIFF},
    ),
    "no cliff, by its flat amount": (
        tiered(VOLUME, (100, "2", "0"), (None, "1", "99")),
        set(),
    ),
}


@pytest.mark.parametrize(("form", "expected"), TIERS.values(), ids=TIERS)
def test_tiers_are_looked_at(form: PriceForm, expected: set[Code]) -> None:
    """Gaps, rising prices, a hundredth of the tier before, and less for more."""
    assert codes(of_account(price(form))) == expected


def test_a_metered_price_without_a_meter_is_warned_of() -> None:
    """Prices of before meters still exist; nothing brings usage to them."""
    old = price(PerUnit(Decimal(5)), id="old", meter_id="", usage_type="metered")

    found = of_account(price(PerUnit(Decimal(5))), old)

    assert [(each.code, each.where) for each in found] == [
        (Code.METERED_WITHOUT_METER, "old")
    ]


def test_what_is_inactive_behind_a_price_is_warned_of(warned: Warned) -> None:
    """A price of an inactive meter or product, in the account and in the file."""
    unit = price(PerUnit(Decimal(1)))
    declared = "active = false\n[products.old]\nactive = false\n[prices.calls]\n"
    declared += 'product = "old"\nmeter = "calls"\nunit = "0.01 USD"\n'
    behind = {Code.METER_INACTIVE, Code.PRODUCT_INACTIVE}
    off, archived = replace(CALLS, active=False), replace(API, active=False)

    assert codes(of_account(unit, meter=off, product=archived)) == behind
    assert codes(warned(declared)) == behind


def test_meters_without_prices_are_warned_of(warned: Warned) -> None:
    """What they count is on no invoice; a price on either side is enough."""
    fee = '[prices.fee]\nproduct = "api"\nunit = "5 USD"\n'
    billed = Account((CALLS,), (API,), (price(PerUnit(Decimal(1))),))

    assert [each.where for each in warned(fee)] == ["m.toml: meters.calls"]
    assert warned(fee, billed) == []
    assert codes(of_account()) == {Code.METER_UNUSED}


def test_resources_and_plans_that_lead_nowhere_are_warned_of(warned: Warned) -> None:
    """A meter's or a price's name that nothing has."""
    file = PRICE + 'unit = "1 USD"\n'
    file += '[resources.a]\nmeter = "cals"\n[plans.p]\nlookup_keys = ["pro"]\n'
    has_them = Account(
        (replace(CALLS, id="mtr_2", event_name="cals"),),
        (API,),
        (price(PerUnit(Decimal(100)), lookup_key="pro", meter_id="mtr_2"),),
    )

    wrong = {Code.RESOURCE_WITHOUT_METER, Code.PLAN_WITHOUT_PRICE}
    assert codes(warned(file)) == wrong
    assert warned(file, has_them) == []


@pytest.mark.parametrize(
    ("kind", "formula", "fits"),
    [
        ('kind = "counter"', "sum", True),
        ('kind = "counter"', "last", False),
        ('kind = "counter"', "count", False),
        ('kind = "gauge"', "last", True),
        ('kind = "gauge"', "sum", False),
        ('kind = "unique"', "sum", True),
        ('billed_by = "events"', "count", True),
    ],
)
def test_a_meter_has_to_fit_its_resource(
    warned: Warned, kind: str, formula: str, fits: bool
) -> None:
    """The worker brings nothing of a counter to a meter that does not add up."""
    file = f'formula = "{formula}"\n{PRICE}unit = "1 USD"\n'
    found = warned(f'{file}[resources.a]\nmeter = "calls"\n{kind}\n')

    assert codes(found) == (set() if fits else {Code.RESOURCE_UNLIKE_METER})


@pytest.mark.parametrize(
    ("kind", "formula", "fits"),
    [
        ('kind = "counter"', "sum", False),
        ('kind = "unique"', "sum", False),
        ('kind = "gauge"', "last", True),
        ('billed_by = "events"', "sum", True),
    ],
)
def test_no_counter_has_a_meter_that_counts_the_last_event_of_an_hour(
    warned: Warned, kind: str, formula: str, fits: bool
) -> None:
    """A counter's events hold what was used since the one before; all are to count."""
    meter = f'formula = "{formula}"\nevent_time_window = "hour"\n'
    resource = f'[resources.a]\nmeter = "calls"\n{kind}\n'
    found = warned(f'{meter}{PRICE}unit = "1 USD"\n{resource}')

    assert codes(found) == (set() if fits else {Code.RESOURCE_UNLIKE_METER})
    assert all("the last event of each hour" in each.what for each in found)


def test_a_time_window_is_seen_at_the_account_s_meter_too(warned: Warned) -> None:
    """Of a meter that is not declared, Stripe says what it counts."""
    hourly = replace(CALLS, event_name="hourly", event_time_window="hour")
    account = Account((hourly,), (API,), (price(PerUnit(Decimal(1))),))

    found = warned('[resources.a]\nmeter = "hourly"\n', account)

    assert Code.RESOURCE_UNLIKE_METER in codes(found)


def test_decimals_that_nobody_is_charged_are_warned_of(warned: Warned) -> None:
    """A fee in parts of a cent; parts of a yen; usage may cost parts of a cent."""
    fee = '[prices.fee]\nproduct = "api"\nunit = "9.995 USD"\n'
    usage = PRICE + 'unit = "0.001 USD"\n'
    yen = PRICE + 'unit = "0.5 JPY"\n'

    assert warned(usage) == []
    assert codes(warned(usage + fee)) == {Code.AMOUNT_TOO_FINE}
    assert codes(warned(yen)) == {Code.CURRENCY_WITHOUT_DECIMALS}


def test_what_is_declared_and_there_is_warned_of_once(warned: Warned) -> None:
    """An amount that was applied is one mistake, in the file."""
    yen = {"currency": "jpy", "lookup_key": "calls"}
    applied = Account((CALLS,), (API,), (price(PerUnit(Decimal("0.5")), **yen),))

    found = warned(PRICE + 'unit = "0.5 JPY"\n', applied)

    assert [each.where for each in found] == ["m.toml: prices.calls.unit"]


async def test_the_sandbox_s_catalogue_is_sound() -> None:
    """The demo shows no warnings."""
    stripe = LocalStripe()
    await fill_stripe(stripe, ())
    account = Account(
        tuple(stripe_objects.meter(raw) for raw in listed(stripe, "billing/meters")),
        tuple(stripe_objects.product(raw) for raw in listed(stripe, "products")),
        tuple(stripe_prices.price(raw) for raw in listed(stripe, "prices")),
    )
    declared = load_declaration(context="sandbox", environ={}).declared

    assert len(account.prices) == 9
    assert lint(Subject(declared, "sandbox", account)) == ()


def listed(stripe: LocalStripe, folder: str) -> list[dict[str, object]]:
    """Return what a list has, tiers too."""
    expand = {"expand": ["data.tiers"]} if folder == "prices" else {}
    page = stripe.call("GET", f"/v1/{folder}", {"limit": 100, **expand})
    return stripe_objects.rows(page)
