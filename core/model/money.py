"""Money: exact decimals with a currency, written as people write it: `0.001 USD`.

Stripe counts in a currency's smallest unit: cents of most, whole yen, a thousandth of
a Kuwaiti dinar. Which currency has how many decimals:
https://docs.stripe.com/currencies#zero-decimal and #three-decimal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible

MOST_DECIMALS = 12
"""Decimals of the smallest unit that Stripe takes in `unit_amount_decimal`."""

# UGX and ISK have no cents either, and Stripe counts them in hundredths all the same.
_WITHOUT_CENTS = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd"}
    | {"vuv", "xaf", "xof", "xpf"}
)
_THOUSANDTHS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_MONEY = re.compile(
    r"(?P<whole>-?(?:[0-9]{1,3}(?:[,_][0-9]{3})+|[0-9]+))(?P<part>\.[0-9]+)?"
    r"\s+(?P<currency>[A-Za-z]{3})",
    re.ASCII,
)
_LARGEST = Decimal(10) ** 12


def decimals_of(currency: str) -> int:
    """Return the decimals of a currency's smallest unit: 2 of `usd`, 0 of `jpy`."""
    if currency in _WITHOUT_CENTS:
        return 0
    return 3 if currency in _THOUSANDTHS else 2


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in a currency's main unit.

    Attributes:
        amount: In dollars, not cents; may be finer than the smallest unit.
        currency: Stripe's code of three small letters.
    """

    amount: Decimal
    currency: str

    @classmethod
    def of_minor(cls, minor: Decimal | int, currency: str) -> Money:
        """Return what so many of the smallest unit are: 150 in `usd` is 1.50 USD."""
        return cls(Decimal(minor).scaleb(-decimals_of(currency)), currency)

    @property
    def minor(self) -> Decimal:
        """The amount in the currency's smallest unit, exactly."""
        return self.amount.scaleb(decimals_of(self.currency))

    def rounded(self) -> Money:
        """Return whole smallest units, halves away from zero."""
        whole = self.minor.to_integral_value(ROUND_HALF_UP)
        return Money.of_minor(whole, self.currency)

    def __str__(self) -> str:
        """Write it as it is read, with all its decimals: `0.001 USD`, `12.50 USD`."""
        return (
            f"{plain(self.amount, decimals_of(self.currency))} {self.currency.upper()}"
        )


def parse_money(text: str) -> Money:
    """Read an amount with its currency, such as `0.001 USD` or `1,200 JPY`.

    Raises:
        BadInput: Not such a text, or finer or larger than Stripe takes.
    """
    match = _MONEY.fullmatch(text.strip())
    if match is None:
        raise BadInput(
            f"{visible(text)!r} is no amount of money;"
            ' write the amount and its currency, such as "0.001 USD"'
        )
    digits = re.sub("[,_]", "", match["whole"]) + (match["part"] or "")
    money = Money(Decimal(digits), match["currency"].lower())
    if abs(money.amount) >= _LARGEST:
        raise BadInput(f"{visible(text)!r} is too large for a price")
    part = (match["part"] or "").rstrip("0")
    if len(part) - 1 > MOST_DECIMALS + decimals_of(money.currency):
        raise BadInput(
            f"{visible(text)!r} is too fine; Stripe takes at most"
            f" {MOST_DECIMALS} decimals of the smallest unit"
        )
    return money


def plain(number: Decimal, least: int = 0) -> str:
    """Write a number without exponent, with at least so many decimals and no more.

    Zeros at its end are dropped down to `least`.
    """
    text = f"{number:f}"
    whole, _, part = text.partition(".")
    part = part.rstrip("0").ljust(least, "0")
    return f"{whole}.{part}" if part else whole
