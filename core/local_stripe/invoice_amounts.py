"""What a quantity costs, as whole smallest units on an invoice's lines; pure.

This is on purpose not `meterdeck.core.model.pricing`: it is the independent check of
that engine, so neither may import the other. Sources: the comments of Stripe's SDK
(`up_to` includes its unit, `transform_quantity` comes before the amount); flat amounts
as lines of their own, as an application that parses Stripe's lines has them. A line is
rounded half up, not each unit:
https://docs.stripe.com/billing/subscriptions/decimal-amounts#rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from meterdeck.core.local_stripe.records import Price, Tier

_ZERO = Decimal(0)
# A quantity of 30 digits times an amount of 24 is still exact.
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Charge:
    """One line: a quantity at an amount, or a tier's flat amount.

    Attributes:
        quantity: Units, as used or ordered; 0 on the line of a flat amount.
        unit: What one unit (one package, the tier) costs, in smallest units.
        amount: The line's, in whole smallest units.
        tier: Place of a graduated tier, from 1; 0 where there is none to name.
        flat: Whether it is a tier's flat amount.
    """

    quantity: Decimal
    unit: Decimal
    amount: int
    tier: int = 0
    flat: bool = False


def charges(price: Price, quantity: Decimal) -> list[Charge]:
    """Give the lines of a quantity; what is below zero costs what zero costs."""
    units = max(quantity, _ZERO)
    if price.tiers_mode == "graduated":
        return list(_graduated(price.tiers, units))
    if price.tiers:
        return list(_of_tier(_reached(price.tiers, units), units, 0))
    unit = price.unit.cents or _ZERO
    return [Charge(units, unit, _rounded(_packages(price, units), unit))]


def _packages(price: Price, units: Decimal) -> Decimal:
    if price.divide_by is None:
        return units
    # Whole packages first: the quotient itself may have no end.
    whole, rest = _EXACT.divmod(units, Decimal(price.divide_by))
    return whole + 1 if rest and price.round_to == "up" else whole


def _graduated(tiers: tuple[Tier, ...], units: Decimal) -> Iterator[Charge]:
    """Fill tier after tier; the first one is entered by nothing, too."""
    below = _ZERO
    for place, tier in enumerate(tiers, start=1):
        if place > 1 and units <= below:
            return
        top = units if tier.up_to is None else min(units, Decimal(tier.up_to))
        yield from _of_tier(tier, top - below, place)
        below = top if tier.up_to is None else Decimal(tier.up_to)


def _reached(tiers: tuple[Tier, ...], units: Decimal) -> Tier:
    return next(
        tier for tier in tiers if tier.up_to is None or units <= Decimal(tier.up_to)
    )


def _of_tier(tier: Tier, units: Decimal, place: int) -> Iterator[Charge]:
    unit, flat = tier.unit.cents or _ZERO, tier.flat.cents or _ZERO
    yield Charge(units, unit, _rounded(units, unit), place)
    if flat:
        yield Charge(_ZERO, flat, _rounded(Decimal(1), flat), place, flat=True)


def _rounded(units: Decimal, unit: Decimal) -> int:
    exact = _EXACT.multiply(units, unit)
    return int(exact.to_integral_value(ROUND_HALF_UP, context=_EXACT))
