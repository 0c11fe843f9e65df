"""What a quantity costs under a price, exactly, in lines as Stripe's invoice has them.

Amounts are in the currency's smallest unit: cents of dollars, whole yen, thousandths of
a Kuwaiti dinar. Every line is rounded to a whole one, halves up, and lines are added
after that: https://docs.stripe.com/billing/subscriptions/decimal-amounts#rounding. A
tier's flat amount is a line beside that of its units.

So it is with three decimals, too. Card payments in such a currency are made in tens of
its smallest unit (https://docs.stripe.com/currencies#three-decimal), which is said of
payments and not of invoices; what is reckoned here is the invoice.

Usage may have decimals, and a total below 0 is billed as 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    localcontext,
)
from typing import assert_never

from meterdeck.core.model.prices import (
    Package,
    PerUnit,
    PriceForm,
    Round,
    Tier,
    Tiered,
    TiersMode,
)

THOUSAND = Decimal(1000)

_ZERO = Decimal(0)
_ONE = Decimal(1)
_AVERAGE = Decimal("1e-12")  # as fine as Stripe's own amounts
# Amounts have up to 24 digits before the point and 12 after it, quantities 16 and 15:
# Python's usual 28 digits would round their products.
_EXACT = Context(prec=100)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice.

    Attributes:
        quantity: Units, or packages of a price by the package; 1 of a flat amount.
        unit: What one of them costs.
        exact: All of it, not rounded.
        flat: Whether it is a tier's flat amount.
    """

    quantity: Decimal
    unit: Decimal
    exact: Decimal
    flat: bool = False

    @property
    def amount(self) -> Decimal:
        """What is billed: whole smallest units."""
        return self.exact.to_integral_value(ROUND_HALF_UP, _EXACT)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a quantity costs; there is always at least one line."""

    quantity: Decimal
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        """What is billed: the rounded lines together."""
        with localcontext(_EXACT):
            return sum((line.amount for line in self.lines), _ZERO)

    @property
    def exact(self) -> Decimal:
        """What it would be without any rounding."""
        with localcontext(_EXACT):
            return sum((line.exact for line in self.lines), _ZERO)


def bill(form: PriceForm, quantity: Decimal) -> Bill:
    """Return what `quantity` costs under a price."""
    with localcontext(_EXACT):
        billed = max(quantity, _ZERO)
        return Bill(quantity, tuple(_lines(form, billed)))


def price_of_next(form: PriceForm, quantity: Decimal, units: Decimal = _ONE) -> Decimal:
    """Return what `units` more cost, exactly, after `quantity`.

    With volume tiers it may be less than nothing: the next unit makes all cheaper.
    """
    with localcontext(_EXACT):
        return bill(form, quantity + units).exact - bill(form, quantity).exact


def average(form: PriceForm, quantity: Decimal) -> Decimal | None:
    """Return what a unit costs on average, to 12 decimals; None where there is none."""
    if quantity <= 0:
        return None
    with localcontext(_EXACT):
        return (bill(form, quantity).exact / quantity).quantize(_AVERAGE)


def _lines(form: PriceForm, quantity: Decimal) -> Iterator[Line]:
    match form:
        case PerUnit(unit):
            yield _line(quantity, unit)
        case Package(amount, size, side):
            yield _line(_packages(quantity, size, side), amount)
        case Tiered(mode, tiers):
            if mode is TiersMode.GRADUATED:
                yield from _graduated(tiers, quantity)
            else:
                yield from _in_tier(_reached(tiers, quantity), quantity)
        case _:
            assert_never(form)


def _graduated(tiers: tuple[Tier, ...], quantity: Decimal) -> Iterator[Line]:
    """Yield the lines of each tier that is entered; the first one always is."""
    below = _ZERO
    for tier in tiers:
        within = quantity if tier.up_to is None else min(quantity, Decimal(tier.up_to))
        yield from _in_tier(tier, within - below)
        if within == quantity:
            return
        below = within


def _reached(tiers: tuple[Tier, ...], quantity: Decimal) -> Tier:
    for tier in tiers:
        if tier.up_to is None or quantity <= tier.up_to:
            return tier
    return tiers[-1]


def _packages(quantity: Decimal, size: int, side: Round) -> Decimal:
    mode = ROUND_CEILING if side is Round.UP else ROUND_FLOOR
    full, rest = divmod(quantity, Decimal(size))
    return full + (rest / size).to_integral_value(mode)


def _in_tier(tier: Tier, quantity: Decimal) -> Iterator[Line]:
    """Yield a tier's units, and its flat amount, which is a line of its own."""
    yield _line(quantity, tier.unit)
    if tier.flat:
        yield Line(_ONE, tier.flat, tier.flat, flat=True)


def _line(quantity: Decimal, unit: Decimal) -> Line:
    return Line(quantity, unit, quantity * unit)
