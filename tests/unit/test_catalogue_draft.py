"""What is written of a meter or a price is checked as the configuration is."""

import tomllib
from decimal import Decimal

import pytest

from meterdeck.core.errors import BadInput
from meterdeck.core.model.catalogue import (
    NO_CATALOGUE,
    Account,
    Catalogue,
    MeterSpec,
    ProductSpec,
)
from meterdeck.core.model.catalogue_draft import Form, MeterDraft, PriceDraft, tier_of
from meterdeck.core.model.prices import (
    Formula,
    Interval,
    Package,
    PerUnit,
    PriceForm,
    PriceInfo,
    ProductInfo,
    Round,
    Tier,
    Tiered,
    TiersMode,
)
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.settings.catalogue_draft import (
    checked,
    drafted_meter,
    drafted_price,
)

PLATFORM = ProductInfo("prod_x1", "Platform")
API = MeterInfo("mtr_1", "api.requests", "API calls", "sum", active=True)
ACCOUNT = Account(
    (API,), (PLATFORM,), (PriceInfo("price_1", "prod_x1", "usd", None, lookup_key="a"),)
)
TIERS = ("1,000 0.01 USD", "10_000 0.005 USD + 5 USD", "", "inf 0.001 USD")
CASES: tuple[tuple[PriceDraft, PriceForm], ...] = (
    (PriceDraft("b", amount="0.001 USD"), PerUnit(Decimal("0.1"))),
    (
        PriceDraft("b", Form.PACKAGE, amount="5 JPY", size="1,000", round=Round.DOWN),
        Package(Decimal(5), 1_000, Round.DOWN),
    ),
    (
        PriceDraft("b", Form.VOLUME, tiers=TIERS),
        Tiered(
            TiersMode.VOLUME,
            (
                Tier(1_000, Decimal(1)),
                Tier(10_000, Decimal("0.5"), Decimal(500)),
                Tier(None, Decimal("0.1")),
            ),
        ),
    ),
)


def of_platform(draft: PriceDraft, meter: MeterInfo | None = API) -> PriceDraft:
    """Return a draft of what the account has."""
    values = {name: getattr(draft, name) for name in PriceDraft.__slots__}
    return PriceDraft(**values | {"product": PLATFORM, "meter": meter})


@pytest.mark.parametrize(("draft", "form"), CASES)
def test_a_price_becomes_what_the_same_text_in_the_configuration_is(
    draft: PriceDraft, form: PriceForm
) -> None:
    """The text to paste declares exactly what is created, and what it refers to."""
    drafted = drafted_price(of_platform(draft), NO_CATALOGUE, ACCOUNT)

    assert drafted.spec.form == form
    assert (drafted.product_id, drafted.product, drafted.meter_id) == (
        "prod_x1", None, "mtr_1",
    )  # fmt: skip
    declared = checked(tomllib.loads(drafted.text))
    assert declared.prices == {"b": drafted.spec}
    assert declared.products[drafted.spec.product].id == "prod_x1"
    assert declared.meters[drafted.spec.meter].event_name == "api.requests"


def test_what_is_declared_already_is_referred_to_and_not_said_again() -> None:
    """By its table's name, whatever Stripe calls it."""
    declared = Catalogue(
        {"calls": MeterSpec("calls", "api.requests", "API calls")},
        {"main": ProductSpec("main", "prod_x1", "Platform")},
    )
    draft = of_platform(PriceDraft("b 2", amount="1 EUR", interval=Interval.YEAR))

    drafted = drafted_price(draft, declared, ACCOUNT)

    assert tomllib.loads(drafted.text) == {
        "prices": {
            "b_2": {
                "product": "main",
                "meter": "calls",
                "interval": "year",
                "unit": "1 EUR",
                "lookup_key": "b 2",
            }
        }
    }


def test_a_new_product_is_declared_with_its_price() -> None:
    """Its id is made of its name; a fee has no meter."""
    draft = PriceDraft("fee", new_product='Support "gold" \x7f', amount="99 USD")

    drafted = drafted_price(draft, NO_CATALOGUE, ACCOUNT)

    assert drafted.product == ProductSpec(
        "support_gold", "prod_support_gold", 'Support "gold" \x7f'
    )
    assert drafted.meter_id == ""
    assert checked(tomllib.loads(drafted.text)).products == {
        "support_gold": drafted.product
    }


def test_a_meter_becomes_what_the_same_text_in_the_configuration_is() -> None:
    """What is Stripe's default is not written."""
    draft = MeterDraft("tokens.v2", "Tokens", Formula.LAST, "", "n", "day")

    drafted = drafted_meter(draft, NO_CATALOGUE, ACCOUNT)

    assert drafted.spec == MeterSpec(
        "tokens.v2", "tokens.v2", "Tokens", Formula.LAST,
        value_key="n", event_time_window="day",
    )  # fmt: skip
    assert "customer_key" not in drafted.text
    assert checked(tomllib.loads(drafted.text)).meters == {"tokens.v2": drafted.spec}


@pytest.mark.parametrize(
    ("draft", "sentence"),
    [
        (PriceDraft("b", amount="0.01"), "'0.01' is no amount of money"),
        (PriceDraft("b"), "what a unit costs is missing"),
        (PriceDraft("", amount="1 USD"), "a lookup key is missing"),
        (PriceDraft("a", amount="1 USD"), "a is the key of price_1"),
        (PriceDraft("b", amount="-1 USD"), "'-1 USD' is negative"),
        (
            PriceDraft("b", Form.PACKAGE, amount="1 USD", size="x"),
            "'x' is no whole number",
        ),
        (PriceDraft("b", Form.VOLUME), "tiers are missing"),
        (PriceDraft("b", Form.VOLUME, tiers=("5 1 USD",)), "the last tier, and only"),
        (
            PriceDraft("b", Form.VOLUME, tiers=("5 1 USD", "3 1 USD", "inf 1 USD")),
            "each tier must go further",
        ),
        (
            PriceDraft("b", Form.VOLUME, tiers=("5 1 USD", "inf 1 EUR")),
            "has amounts in USD and EUR",
        ),
        (
            PriceDraft("b", amount="1 USD", interval=Interval.ONE_TIME),
            "a meter cannot be of a one_time price",
        ),
        (PriceDraft("b", amount="1 USD", interval_count="0"), "must be at least 1"),
    ],
)
def test_what_is_wrong_with_a_price_is_one_sentence(
    draft: PriceDraft, sentence: str
) -> None:
    """The configuration's own, but for the file."""
    with pytest.raises(BadInput, match=sentence):
        drafted_price(of_platform(draft), NO_CATALOGUE, ACCOUNT)


def test_names_that_are_taken_are_refused() -> None:
    """An event name belongs to one meter for good, a product's id to one product."""
    with pytest.raises(BadInput, match="the meter API calls has this event name"):
        drafted_meter(MeterDraft("api.requests"), NO_CATALOGUE, ACCOUNT)
    with pytest.raises(BadInput, match="there is a product prod_x1; choose that one"):
        drafted_price(
            PriceDraft("b", new_product="X1", amount="1 USD"), NO_CATALOGUE, ACCOUNT
        )


def test_a_tier_is_a_line() -> None:
    """A flat amount may stand alone; the rest has several names."""
    assert tier_of(" inf  + 20 USD ") == {"up_to": "inf", "flat": "20 USD"}
    assert tier_of("rest 1 USD+2 USD") == {
        "up_to": "inf", "unit": "1 USD", "flat": "2 USD",
    }  # fmt: skip
    for wrong in ("5", "+ 5 USD", "1.5 1 USD", "1,00 1 USD", "5 1"):
        with pytest.raises(BadInput, match="is no"):
            tier_of(wrong)


def test_what_lint_would_say_of_a_price_is_said_before_it_is_created() -> None:
    """A hundred times what its sibling costs; the form shows it, and goes on."""
    sibling = PriceInfo(
        "price_1",
        "prod_x1",
        "usd",
        PerUnit(Decimal(1)),
        lookup_key="a",
        meter_id="mtr_1",
    )
    account = Account((API,), (PLATFORM,), (sibling,))

    def warned(amount: str) -> tuple[str, ...]:
        draft = of_platform(PriceDraft("b", amount=amount))
        return drafted_price(draft, NO_CATALOGUE, account).warnings

    (warning,) = warned("1 USD")
    assert "100" in warning
    assert warned("0.02 USD") == ()
