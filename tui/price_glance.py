"""Prices and meters in words: amounts as money, forms, tiers, intervals."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from meterdeck.core.model.money import Money
from meterdeck.core.model.prices import (
    Formula,
    Interval,
    Package,
    PerUnit,
    PriceForm,
    PriceInfo,
    Round,
    Tiered,
)

FORMULAS = {
    Formula.SUM: "the sum of its events' values",
    Formula.COUNT: "how many events there are",
    Formula.LAST: "the last event's value",
}


def money(minor: Decimal, currency: str) -> str:
    """Write an amount of the smallest unit as money: `0.01 USD`, `2,500.00 USD`."""
    whole, dot, part = str(Money.of_minor(minor, currency)).partition(".")
    if not dot:
        whole, dot, part = whole.partition(" ")
    return f"{int(whole):,}{dot}{part}"


def form_words(price: PriceInfo) -> str:
    """Return a price's form in a few words: `graduated, 3 tiers`."""
    form = price.form
    match form:
        case None:
            return "another form"
        case PerUnit(unit):
            each = " a unit" if price.metered else f" {interval_words(price)}"
            return f"{money(unit, price.currency)}{each}"
        case Package(amount, size):
            return f"{money(amount, price.currency)} per {size:,}"
        case Tiered(mode, tiers):
            count = "1 tier" if len(tiers) == 1 else f"{len(tiers)} tiers"
            return f"{mode.value}, {count}"


def interval_words(price: PriceInfo) -> str:
    """Return how often a price is billed: `a month`, `every 3 months`, `once`."""
    if price.interval is Interval.ONE_TIME:
        return "once"
    if price.interval_count == 1:
        return f"a {price.interval.value}"
    return f"every {price.interval_count} {price.interval.value}s"


def rounding_words(form: Package) -> str:
    """Return what becomes of a package that is not full."""
    if form.round is Round.UP:
        return "a package that is begun is paid whole"
    return "only full packages are paid"


@dataclass(frozen=True, slots=True)
class Step:
    """A tier in words.

    Attributes:
        units: Which units it is for: `1,001 – 10,000`.
        unit: What one costs.
        flat: What is added once it is reached; empty for nothing.
        share: What a unit costs as a share of the dearest tier's, from 0 to 1.
    """

    units: str
    unit: str
    flat: str
    share: float


def steps_of(form: PriceForm, currency: str) -> tuple[Step, ...]:
    """Return the tiers of a price as a table shows them; none of other forms."""
    if not isinstance(form, Tiered):
        return ()
    dearest = max(tier.unit for tier in form.tiers)
    found, first = [], 1
    for tier in form.tiers:
        end = f"{tier.up_to:,}" if tier.up_to is not None else "…"
        share = float(tier.unit / dearest) if dearest else 0.0
        flat = money(tier.flat, currency) if tier.flat else ""
        found.append(
            Step(f"{first:,} – {end}", money(tier.unit, currency), flat, share)
        )
        first = (tier.up_to or 0) + 1
    return tuple(found)
