"""What quantities cost: the examples of Stripe's documentation, and edges."""

from decimal import Decimal
from fractions import Fraction

import pytest

from meterdeck.core.model.money import Money
from meterdeck.core.model.prices import (
    Package,
    PerUnit,
    PriceForm,
    Round,
    Tier,
    Tiered,
    TiersMode,
)
from meterdeck.core.model.pricing import THOUSAND, average, bill, price_of_next


def graduated(*steps: tuple[int | None, str] | tuple[int | None, str, str]) -> Tiered:
    """Return graduated tiers: last unit, price of a unit, flat amount."""
    tiers = (Tier(end, *map(Decimal, amounts)) for end, *amounts in steps)
    return Tiered(TiersMode.GRADUATED, tuple(tiers))


def volume(*steps: tuple[int | None, str] | tuple[int | None, str, str]) -> Tiered:
    """Return the same as volume tiers."""
    return Tiered(TiersMode.VOLUME, graduated(*steps).tiers)


# https://docs.stripe.com/subscriptions/pricing-models/tiered-pricing, in cents
FONTS = ((5, "700"), (10, "650"), (None, "600"))
# https://stripe.com/docs/billing/subscriptions/tiers, the same page years before
OLDER = ((5, "500"), (10, "400"), (15, "300"), (20, "200"), (None, "100"))
# https://docs.stripe.com/billing/subscriptions/usage-based/transform-quantities
BY_THE_HOUR = Package(Decimal(1000), 60)
# https://stripe.com/docs/billing/subscriptions/quantity-transformation
BY_FIVE_USERS = Package(Decimal(1000), 5)
# https://docs.stripe.com/billing/subscriptions/usage-based-v1/use-cases/
# flat-fee-and-overages
OVERAGE = graduated((1000, "0"), (None, "4"))

EXAMPLES: list[tuple[PriceForm, dict[int, int]]] = [
    (volume(*FONTS), {1: 700, 5: 3500, 6: 3900, 20: 12000, 25: 15000}),
    (graduated(*FONTS), {1: 700, 5: 3500, 6: 4150, 20: 12750, 25: 15750}),
    (volume(*OLDER), {1: 500, 5: 2500, 6: 2400, 20: 4000, 25: 2500}),
    (graduated(*OLDER), {5: 2500, 6: 2900, 20: 7000, 25: 7500}),
    (BY_THE_HOUR, {0: 0, 1: 1000, 60: 1000, 61: 2000, 150: 3000}),
    (BY_FIVE_USERS, {1: 1000, 3: 1000, 5: 1000, 6: 2000, 7: 2000}),
    (OVERAGE, {0: 0, 1000: 0, 1001: 4, 1500: 2000}),
    # https://stripe.com/docs/billing/subscriptions/decimal-amounts#rounding
    (PerUnit(Decimal("0.05")), {30: 2, 29: 1, 9: 0, 10: 1}),
]


@pytest.mark.parametrize(("form", "costs"), EXAMPLES)
def test_the_examples_of_stripes_documentation_come_out(
    form: PriceForm, costs: dict[int, int]
) -> None:
    """Quantities and totals in cents, as its pages have them."""
    reckoned = {units: int(bill(form, Decimal(units)).total) for units in costs}

    assert reckoned == costs


def test_the_three_prices_of_the_legacy_program_cost_what_it_meant() -> None:
    """A cent a unit; and 25,000 units over three tiers cost exactly $70.00."""
    cent = PerUnit(Decimal(1))
    tiers = graduated((1_000, "1"), (10_000, "0.5"), (None, "0.1"))
    used = bill(tiers, Decimal(25_000))

    assert Money.of_minor(bill(cent, Decimal(25_000)).total, "usd").amount == 250
    assert [int(line.amount) for line in used.lines] == [1000, 4500, 1500]
    assert used.exact == used.total
    assert str(Money.of_minor(used.total, "usd")) == "70.00 USD"
    assert price_of_next(tiers, Decimal(25_000)) == Decimal("0.1")
    assert price_of_next(tiers, Decimal(9_500), THOUSAND) == 300
    assert average(tiers, Decimal(25_000)) == Decimal("0.28")


def test_flat_amounts_are_lines_of_the_tiers_that_are_entered() -> None:
    """The first tier is entered by nothing at all, the next by its first unit."""
    form = graduated((10, "2", "100"), (20, "1", "50"), (None, "0", "0.5"))

    def lines(units: str) -> list[str]:
        return [str(line.amount) for line in bill(form, Decimal(units)).lines]

    assert lines("0") == ["0", "100"]
    assert lines("10") == ["20", "100"]
    assert lines("10.5") == ["20", "100", "1", "50"]
    assert lines("21") == ["20", "100", "10", "50", "0", "1"]
    # Volume tiers have the flat amount of the tier that is reached alone.
    reached = Tiered(TiersMode.VOLUME, form.tiers)
    assert [bill(reached, Decimal(n)).total for n in (0, 10, 11)] == [100, 120, 61]


def test_lines_are_rounded_half_up_before_they_are_added() -> None:
    """Two lines of half a cent are two cents, though together they are one."""
    form = graduated((1, "0.5"), (None, "0.5"))
    used = bill(form, Decimal(2))

    assert [used.total, used.exact] == [2, 1]
    assert bill(PerUnit(Decimal("0.5")), Decimal(2)).total == 1
    assert bill(PerUnit(Decimal("0.1")), Decimal("4.9")).total == 0


def test_usage_has_decimals_and_packages_are_whole() -> None:
    """Storage is counted in thousandths; what is left of a package is one, or none."""
    gigabytes = PerUnit(Decimal(12))
    up, down = Package(Decimal(7), 10), Package(Decimal(7), 10, Round.DOWN)

    assert bill(gigabytes, Decimal("20.575")).exact == Decimal("246.900")
    assert [bill(up, Decimal(n)).total for n in ("0", "0.001", "10", "10.1")] == [
        0,
        7,
        7,
        14,
    ]
    assert [bill(down, Decimal(n)).total for n in ("9.999", "10", "19.9")] == [0, 7, 7]


def test_a_total_below_nothing_costs_what_nothing_costs() -> None:
    """Stripe bills a negative total as 0; the next unit is free until it is passed."""
    form = PerUnit(Decimal(3))

    assert bill(form, Decimal(-5)).total == 0
    assert price_of_next(form, Decimal(-5)) == 0
    assert price_of_next(form, Decimal(-5), Decimal(7)) == 6
    assert average(form, Decimal(-5)) is None


def test_the_next_unit_of_volume_tiers_may_make_all_cheaper() -> None:
    """The sixth font saves a dollar: 39 in place of 35 and 6.50."""
    fonts = volume(*FONTS)

    assert price_of_next(fonts, Decimal(5)) == 400
    assert price_of_next(volume((5, "700"), (None, "100")), Decimal(5)) == -2900


@pytest.mark.parametrize(
    ("currency", "cost"),
    [("usd", "12.35 USD"), ("jpy", "1,235 JPY"), ("kwd", "1.235 KWD")],
)
def test_a_line_is_a_whole_number_of_the_currencys_smallest_unit(
    currency: str, cost: str
) -> None:
    """Cents, whole yen, thousandths: 1234.5 of any are 1235."""
    used = bill(PerUnit(Decimal("0.5")), Decimal(2469))

    assert str(Money.of_minor(used.total, currency)) == cost.replace(",", "")


def test_amounts_as_long_as_stripes_stay_exact() -> None:
    """Twelve decimals times sixteen digits are more than Python's usual 28."""
    unit, units = Decimal("123456789012.123456789012"), Decimal("9007199254740.992")

    assert Fraction(bill(PerUnit(unit), units).exact) == Fraction(unit) * Fraction(
        units
    )
