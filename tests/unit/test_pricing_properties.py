"""What holds of every price: by hypothesis, and against walking unit by unit."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.price_forms import (
    FEW,
    FORMS,
    PACKAGES,
    PER_UNIT,
    QUANTITIES,
    RISING,
    amounts_by_walking,
    graduated,
    in_order,
    rounded,
    volume_of,
)

from meterdeck.core.model.prices import Package, PerUnit, PriceForm, Round, Tiered
from meterdeck.core.model.pricing import average, bill, price_of_next

some = settings(max_examples=40, deadline=None)


def exact(form: PriceForm, quantity: Decimal) -> Fraction:
    """Return the exact cost as a fraction."""
    return Fraction(bill(form, quantity).exact)


@some
@given(FORMS, FEW)
def test_walking_unit_by_unit_comes_to_the_same_lines(
    form: PriceForm, count: int
) -> None:
    """Another way to reckon, in fractions, with no arithmetic of tiers."""
    used = bill(form, Decimal(count))
    walked = amounts_by_walking(form, count)

    assert [Fraction(line.exact) for line in used.lines] == walked
    assert [int(line.amount) for line in used.lines] == [*map(rounded, walked)]
    assert used.total == sum(map(rounded, walked))


@some
@given(RISING, QUANTITIES, QUANTITIES)
def test_more_never_costs_less(form: PriceForm, used: Decimal, more: Decimal) -> None:
    """Per unit, by the package and graduated, with amounts that are not negative."""
    assert bill(form, used).exact <= bill(form, used + more).exact
    assert bill(form, used).total <= bill(form, used + more).total
    assert price_of_next(form, used, more) >= 0


@some
@given(graduated(), QUANTITIES)
def test_volume_costs_no_more_where_unit_prices_never_rise(
    form: Tiered, used: Decimal
) -> None:
    """Every unit has the lowest price, and of flat amounts there is the last alone."""
    falling = in_order(form, rising=False)

    assert exact(volume_of(falling), used) <= exact(falling, used)


@some
@given(graduated(flat=False), QUANTITIES)
def test_graduated_costs_no_more_where_unit_prices_never_fall(
    form: Tiered, used: Decimal
) -> None:
    """Every unit of volume tiers has the highest price; flat amounts would break it."""
    rising = in_order(form, rising=True)

    assert exact(rising, used) <= exact(volume_of(rising), used)


@some
@given(FORMS, QUANTITIES, st.integers(0, 20))
def test_the_cost_of_more_is_what_each_next_unit_costs(
    form: PriceForm, used: Decimal, more: int
) -> None:
    """cost(a + b) = cost(a) + the next b units after a, one after the other."""
    nexts = sum(Fraction(price_of_next(form, used + n)) for n in range(more))

    assert exact(form, used) + nexts == exact(form, used + more)
    assert Fraction(price_of_next(form, used, Decimal(more))) == nexts


@some
@given(PER_UNIT, QUANTITIES, QUANTITIES)
def test_split_over_two_periods_units_cost_the_same(
    form: PerUnit, first: Decimal, second: Decimal
) -> None:
    """A price per unit is linear; only the rounding of two lines may differ."""
    whole = exact(form, first + second)

    assert exact(form, first) + exact(form, second) == whole
    apart = bill(form, first).total + bill(form, second).total
    assert abs(Fraction(apart) - whole) <= 1


@some
@given(graduated(flat=False), QUANTITIES, QUANTITIES)
def test_split_over_two_periods_tiers_start_anew(
    form: Tiered, first: Decimal, second: Decimal
) -> None:
    """Falling unit prices cost more apart, rising ones less."""
    falling, rising = in_order(form, rising=False), in_order(form, rising=True)
    together = first + second

    assert exact(falling, first) + exact(falling, second) >= exact(falling, together)
    assert exact(rising, first) + exact(rising, second) <= exact(rising, together)


@some
@given(PACKAGES, QUANTITIES, QUANTITIES)
def test_split_over_two_periods_packages_are_opened_twice_or_not_filled(
    form: Package, first: Decimal, second: Decimal
) -> None:
    """Rounded up two periods cost at least as much as one, rounded down at most."""
    apart = exact(form, first) + exact(form, second)
    whole = exact(form, first + second)

    assert apart >= whole if form.round is Round.UP else apart <= whole


@some
@given(FORMS, QUANTITIES)
def test_rounding_moves_each_line_by_at_most_half(
    form: PriceForm, used: Decimal
) -> None:
    """And the lines are whole; the average times the quantity is the exact cost."""
    made = bill(form, used)

    assert all(line.amount == int(line.amount) for line in made.lines)
    assert abs(made.total - made.exact) * 2 <= len(made.lines)
    mean = average(form, used)
    if mean is not None:
        assert abs(Fraction(mean) * Fraction(used) - exact(form, used)) <= used
