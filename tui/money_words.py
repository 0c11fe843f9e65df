"""Money and quantities of prices in words; what is exact is written with all digits."""

from __future__ import annotations

from decimal import Decimal

from meterdeck.core.model.costs import Basis, ForecastBasis
from meterdeck.core.model.money import Money, decimals_of, plain
from meterdeck.core.model.pricing import Bill

BASIS_WORDS = {
    Basis.COUNTER: "counter",
    Basis.STRIPE_AND_UNSENT: "Stripe + unsent",
    Basis.STRIPE: "Stripe",
    Basis.QUANTITY: "fixed",
    Basis.GIVEN: "what if",
}
FORECAST_WORDS = {
    ForecastBasis.PACE: "at this pace",
    ForecastBasis.LEVEL: "as it is",
    ForecastBasis.QUANTITY: "fixed",
    ForecastBasis.GIVEN: "what if",
}
NOTHING = "–"


def money_words(money: Money | None) -> str:
    """Return an amount, thousands separated: `1,204.50 USD`; a dash for none."""
    return NOTHING if money is None else f"{number_of(money)} {money.currency.upper()}"


def number_of(money: Money) -> str:
    """Return an amount without its currency: `1,204.50`, `0.001`."""
    return grouped(plain(money.amount, decimals_of(money.currency)))


def bill_words(bill: Bill | None, currency: str) -> str:
    """Return what is billed; a dash where it cannot be reckoned."""
    return money_words(billed(bill, currency))


def billed(bill: Bill | None, currency: str) -> Money | None:
    """Return what is billed as money, None where it cannot be reckoned."""
    return None if bill is None else Money.of_minor(bill.total, currency)


def quantity_words(quantity: Decimal | None) -> str:
    """Return a quantity with its thousands separated; a dash for none."""
    return NOTHING if quantity is None else grouped(plain(quantity))


def sum_words(sum_: Money | None, unknown: int) -> str:
    """Return a sum; with so many items missing from it, it is at least that."""
    sign = "≥ " if unknown and sum_ is not None else ""
    return sign + money_words(sum_)


def grouped(text: str) -> str:
    """Separate the thousands of a plain number."""
    whole, dot, part = text.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{dot}{part}"
