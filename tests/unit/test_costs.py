"""Reading prices as Stripe writes them, and forecasts of a period that is running."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from meterdeck.core.adapters.stripe_prices import price
from meterdeck.core.model.billed import BilledItem
from meterdeck.core.model.costs import (
    Basis,
    Forecast,
    ForecastBasis,
    ItemCost,
    Measured,
    TenantCost,
    forecast_of,
)
from meterdeck.core.model.prices import (
    Interval,
    Package,
    PerUnit,
    PriceInfo,
    Round,
    Tier,
    Tiered,
    TiersMode,
)
from meterdeck.core.model.usage import Tenant, TenantId

START = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
LAST = {"up_to": None, "unit_amount": 1, "unit_amount_decimal": "1"}


def raw(**terms: object) -> dict[str, object]:
    """Return a price as it stands in Stripe's answers."""
    return {
        "id": "price_1",
        "billing_scheme": "per_unit",
        "currency": "usd",
        "custom_unit_amount": None,
        "recurring": {"interval": "month", "interval_count": 3, "meter": "mtr_1"},
        "tax_behavior": "unspecified",
        "transform_quantity": None,
        "unit_amount": None,
        **terms,
    }


def test_every_form_is_read_exactly() -> None:
    """A fraction of a cent has no `unit_amount`; the last tier has no `up_to`."""
    package = {"divide_by": 60, "round": "down"}
    tiers = [
        {"up_to": 5, "unit_amount_decimal": "0.000000000001", "flat_amount": 100},
        {**LAST, "flat_amount_decimal": "0.5"},
    ]
    tiered = raw(billing_scheme="tiered", tiers_mode="volume", tiers=tiers)

    found = price(raw(unit_amount_decimal="0.04"))
    assert (found.form, found.metered) == (PerUnit(Decimal("0.04")), True)
    assert (found.interval, found.interval_count) == (Interval.MONTH, 3)
    assert price(raw(unit_amount=25, transform_quantity=package)).form == Package(
        Decimal(25), 60, Round.DOWN
    )
    assert price(tiered).form == Tiered(
        TiersMode.VOLUME,
        (
            Tier(5, Decimal("0.000000000001"), Decimal(100)),
            Tier(None, Decimal(1), Decimal("0.5")),
        ),
    )
    assert price(raw(recurring=None, unit_amount=1)).interval is Interval.ONE_TIME


@pytest.mark.parametrize(
    "terms",
    [
        {"custom_unit_amount": {"minimum": 100}},
        {},
        {"unit_amount_decimal": "NaN"},
        {"billing_scheme": "tiered", "tiers_mode": "volume"},
        {"billing_scheme": "tiered", "tiers_mode": "new", "tiers": [LAST]},
        {"billing_scheme": "tiered", "tiers_mode": "volume",
         "tiers": [{"up_to": 9}, {"up_to": 5}, LAST]},
        {"unit_amount": 1, "transform_quantity": {"divide_by": 0, "round": "up"}},
    ],
)  # fmt: skip
def test_a_form_that_is_not_known_is_none_and_no_guess(
    terms: dict[str, object],
) -> None:
    """The customer's own amount, tiers that were not asked for, or no sense."""
    assert price(raw(**terms)).form is None


def metered(unit: str = "1", **measured: object) -> ItemCost:
    """Return an item on a meter, at so many cents a unit."""
    terms = PriceInfo("price_1", "", "usd", PerUnit(Decimal(unit)), meter_id="mtr_1")
    item = BilledItem("si_1", terms, None, START, END)
    return ItemCost(item, "Calls", Measured(Decimal(100), Basis.COUNTER), **measured)  # type: ignore[arg-type]  # by name


def test_a_forecast_goes_on_at_the_pace_of_the_period_so_far() -> None:
    """A third of the period, a third of the units; rounded as fine as they are."""
    item = metered().item

    def by_the_end(units: str, after: timedelta, decimals: int = 0) -> str:
        used = Measured(Decimal(units), Basis.COUNTER)
        found = forecast_of(item, used, START + after, decimals)
        return str(found.quantity) if found else ""

    assert by_the_end("100", timedelta(days=10)) == "300"
    assert by_the_end("0.5", timedelta(days=7), 3) == "2.143"
    assert by_the_end("0.4", timedelta(days=29)) == "0.4"
    assert by_the_end("-5", timedelta(days=10)) == "-5"
    assert by_the_end("100", timedelta(days=31)) == "100"
    assert by_the_end("100", timedelta(minutes=59)) == "", "too early to tell"


def test_a_level_stays_and_a_quantity_is_what_it_is() -> None:
    """The newest value of a gauge is no sum that grows."""
    item, early = metered().item, START + timedelta(minutes=1)
    level = Measured(Decimal(9), Basis.STRIPE, level=True)
    seats = Measured(Decimal(3), Basis.QUANTITY)

    assert forecast_of(item, level, early) == Forecast(Decimal(9), ForecastBasis.LEVEL)
    assert forecast_of(item, seats, early) == Forecast(
        Decimal(3), ForecastBasis.QUANTITY
    )


def test_what_is_not_known_is_in_no_total_and_said_to_be_missing() -> None:
    """A price of no known form beside one that costs a dollar, and no forecast."""
    unknown = PriceInfo("price_2", "", "usd", None)
    lost = ItemCost(BilledItem("si_2", unknown), "x", Measured(None, Basis.STRIPE))
    cost = TenantCost(Tenant(TenantId("acme"), "Acme"), START, (metered(), lost))

    (total,) = cost.totals

    assert (str(total.so_far), total.at_end, total.unknown) == ("1.00 USD", None, 1)
    assert "does not reckon with" in lost.problem
    assert (lost.so_far, lost.next_unit, lost.average) == (None, None, None)


def test_free_usage_costs_nothing_whatever_its_price() -> None:
    """On trial: neither so far nor next."""
    item = metered("7", free=True)

    assert item.so_far is not None
    assert int(item.so_far.total) == 0
    assert str(item.next_unit) == "0.00 USD"
