"""Prices in words: what a unit costs, of which tier, how often it is billed."""

from __future__ import annotations

from decimal import Decimal

from meterdeck.core.model.money import Money
from meterdeck.core.model.prices import (
    Interval,
    Package,
    PerUnit,
    PriceForm,
    Round,
    Tier,
    Tiered,
)

_EVERY = {
    Interval.DAY: ("daily", "days"),
    Interval.WEEK: ("weekly", "weeks"),
    Interval.MONTH: ("monthly", "months"),
    Interval.YEAR: ("yearly", "years"),
}


def amount_words(minor: Decimal, currency: str) -> str:
    """Return an amount of the currency's smallest unit as money: `0.001 USD`."""
    return str(Money.of_minor(minor, currency))


def form_words(form: PriceForm | None, currency: str, *, metered: bool) -> str:
    """Return what a price asks for, in a line: of tiers, all of them."""
    match form:
        case None:
            return f"a kind that meterdeck does not reckon with, in {currency.upper()}"
        case PerUnit(unit):
            each = " a unit" if metered else ""
            return f"{amount_words(unit, currency)}{each}"
        case Package(amount, size, rounding):
            whole = "begun" if rounding is Round.UP else "full"
            return f"{amount_words(amount, currency)} each {whole} {size:,}"
        case Tiered(mode, tiers):
            steps = (f"{_end(each)} {tier_amount(each, currency)}" for each in tiers)
            return f"{mode}: {'; '.join(steps)}"


def tier_lines(form: Tiered, currency: str) -> list[str]:
    """Return a line for each tier, the amounts below each other."""
    ends = [_end(tier) for tier in form.tiers]
    width = max(map(len, ends))
    return [
        f"{end:<{width}}  {tier_amount(tier, currency)}"
        for end, tier in zip(ends, form.tiers, strict=True)
    ]


def tier_amount(tier: Tier, currency: str) -> str:
    """Return what a tier asks for: `0.01 USD + 5.00 USD flat`."""
    if not tier.flat:
        return amount_words(tier.unit, currency)
    flat = f"{amount_words(tier.flat, currency)} flat"
    if not tier.unit:
        return flat
    return f"{amount_words(tier.unit, currency)} + {flat}"


def interval_words(interval: Interval, count: int) -> str:
    """Return how often a price is billed: `monthly`, `every 3 months`, `once`."""
    if interval is Interval.ONE_TIME:
        return "once"
    single, several = _EVERY[interval]
    return single if count == 1 else f"every {count:,} {several}"


def _end(tier: Tier) -> str:
    return "then" if tier.up_to is None else f"to {tier.up_to:,}"
