"""Prices for tests of what they cost, and a reckoning that knows nothing of ours."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import floor

from hypothesis import strategies as st

from meterdeck.core.model.prices import (
    Package,
    PerUnit,
    PriceForm,
    Round,
    Tier,
    Tiered,
    TiersMode,
)

AMOUNTS = st.decimals(0, 10**6, places=6) | st.integers(0, 10**6).map(Decimal)
QUANTITIES = st.decimals(0, 10**5, places=4) | st.integers(0, 10**5).map(Decimal)
FEW = st.integers(0, 60)

PER_UNIT = st.builds(PerUnit, AMOUNTS)
PACKAGES = st.builds(
    Package, AMOUNTS, st.integers(1, 20), st.sampled_from([Round.UP, Round.DOWN])
)


@st.composite
def tiers(draw: st.DrawFn, *, flat: bool = True) -> tuple[Tier, ...]:
    """Draw one to five tiers that leave nothing out."""
    ends = sorted(draw(st.sets(st.integers(1, 50), max_size=4)))
    flats = AMOUNTS if flat else st.just(Decimal(0))
    return tuple(Tier(end, draw(AMOUNTS), draw(flats)) for end in [*ends, None])


def graduated(*, flat: bool = True) -> st.SearchStrategy[Tiered]:
    """Draw a graduated price."""
    return st.builds(Tiered, st.just(TiersMode.GRADUATED), tiers(flat=flat))


def in_order(form: Tiered, *, rising: bool) -> Tiered:
    """Return the tiers with their unit prices put in order."""
    units = sorted((tier.unit for tier in form.tiers), reverse=not rising)
    ordered = zip(form.tiers, units, strict=True)
    return Tiered(form.mode, tuple(replace(tier, unit=unit) for tier, unit in ordered))


def volume_of(form: Tiered) -> Tiered:
    """Return the same tiers as volume tiers."""
    return Tiered(TiersMode.VOLUME, form.tiers)


RISING = st.one_of(PER_UNIT, PACKAGES, graduated())
"""Prices under which more never costs less."""
FORMS: st.SearchStrategy[PriceForm] = st.one_of(RISING, graduated().map(volume_of))


def amounts_by_walking(form: PriceForm, count: int) -> list[Fraction]:
    """Return the exact amounts of the lines, found by walking unit by unit."""
    match form:
        case PerUnit(unit):
            return [sum((Fraction(unit) for _ in range(count)), Fraction(0))]
        case Package(amount, size, side):
            turn = 1 if side is Round.UP else 0
            sold = sum(number % size == turn % size for number in range(1, count + 1))
            return [sold * Fraction(amount)]
        case Tiered(TiersMode.VOLUME, steps):
            return _flat_too(steps[_step(steps, count)], count)
        case Tiered(_, steps):
            in_step = [0] * len(steps)
            for number in range(1, count + 1):
                in_step[_step(steps, number)] += 1
            lines = [
                _flat_too(step, taken)
                for place, (step, taken) in enumerate(zip(steps, in_step, strict=True))
                if taken or place == 0
            ]
            return [amount for line in lines for amount in line]


def rounded(amount: Fraction) -> int:
    """Round half up."""
    return floor(amount + Fraction(1, 2))


def _step(steps: Sequence[Tier], number: int) -> int:
    """Return in which tier the unit of this number is."""
    for place, step in enumerate(steps):
        if step.up_to is None or number <= step.up_to:
            return place
    raise AssertionError("the last tier has no end")


def _flat_too(step: Tier, count: int) -> list[Fraction]:
    units = sum((Fraction(step.unit) for _ in range(count)), Fraction(0))
    return [units, *([Fraction(step.flat)] if step.flat else [])]
