"""Prices named in plain text: comments, nicknames and lookup keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from meterdeck.core.model.money import decimals_of

_SIGNS = {
    "€": {"eur"},
    "£": {"gbp"},
    "₹": {"inr"},
    "₩": {"krw"},
    "¥": {"jpy", "cny"},
    "$": {"usd", "cad", "aud", "nzd", "sgd", "hkd", "twd", "mxn", "ars", "clp", "cop"},
}
_NUMBER = r"(?:[0-9]{1,3}(?:[,_][0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_CODES = (
    "usd|eur|gbp|chf|jpy|cad|aud|nzd|sek|nok|dkk|pln|czk|inr|brl|mxn|sgd|hkd|krw|zar"
    "|kwd|bhd|jod|omr|tnd|clp|vnd"
)
_PRICE = re.compile(
    rf"""
    (?<![\w.])
    (?: (?:US)?(?P<sign>[$€£¥₹₩])\s?(?P<after_sign>{_NUMBER})
      | (?P<before>{_NUMBER})\s?
        (?P<unit>¢|cents?\b|ct\b|[€£]|(?:{_CODES})\b|(?:US[- ]?)?dollars?\b|euros?\b)
      | (?P<code>{_CODES})\s(?P<after_code>{_NUMBER})
    )
    (?P<quantity>\s*(?:/|per|for|an?|each)\s*
      (?:(?P<count>[0-9][0-9,_]*)\s?(?P<scale>k|m|thousand|million)?\b
        |(?P<word>thousand|million|k|m)\b))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_WORDS = {"euro": "€", "euros": "€"}
_SCALES = {"k": 1_000, "thousand": 1_000, "m": 10**6, "million": 10**6}
# A number with a point that stands alone in a name: api_0.01, not v1.5 or gpt-3.5.
_IN_NAME = re.compile(r"(?:^|[_\-/: ])(0?\.[0-9]+|[0-9]+\.[0-9]{2,})(?=$|[_\-/: ])")


@dataclass(frozen=True, slots=True)
class NamedPrice:
    """A price that a text names, in a currency's main unit.

    Attributes:
        currencies: Those it can be of; empty where the text does not tell, as in `¢`.
        cents: Whether it is counted in a hundredth of the main unit.
        units: What it is for, where the text says: 1000 in "$5 per 1000".
    """

    text: str
    number: Decimal
    currencies: frozenset[str] = frozenset()
    cents: bool = False
    units: int = 1

    def minor(self, currency: str) -> tuple[Decimal, ...]:
        """Return the amounts it can mean, in `currency`'s smallest unit.

        Empty where it is of another currency.
        """
        decimals = decimals_of(currency)
        if self.currencies and currency not in self.currencies:
            return ()
        if self.cents and decimals == 0:
            return ()
        whole = self.number.scaleb(decimals - 2 if self.cents else decimals)
        return (whole,) if self.units == 1 else (whole, whole / self.units)


def prices_in(text: str) -> tuple[NamedPrice, ...]:
    """Return the prices a sentence names: `$0.01`, `1 cent`, `€0.005`, `0.1¢`."""
    return tuple(_named(match) for match in _PRICE.finditer(text))


def prices_in_name(name: str) -> tuple[NamedPrice, ...]:
    """Return the prices a name tells, with a currency or without: `api_0.01`."""
    told = prices_in(name.replace("_", " "))
    return told or tuple(
        NamedPrice(match[1], Decimal(match[1])) for match in _IN_NAME.finditer(name)
    )


def _named(match: re.Match[str]) -> NamedPrice:
    number = match["after_sign"] or match["before"] or match["after_code"]
    unit = (match["sign"] or match["unit"] or match["code"]).lower()
    cents = unit == "¢" or unit.startswith(("cent", "ct"))
    return NamedPrice(
        match[0].strip(),
        _decimal(number),
        frozenset() if cents else _currencies(unit),
        cents,
        next(iter(_units(match)), 1),
    )


def _currencies(unit: str) -> frozenset[str]:
    sign = "$" if "dollar" in unit else _WORDS.get(unit, unit)
    return frozenset(_SIGNS.get(sign, {sign}))


def _units(match: re.Match[str]) -> Iterator[int]:
    if match["count"]:
        scale = _SCALES[match["scale"].lower()] if match["scale"] else 1
        yield max(1, int(_decimal(match["count"])) * scale)
    elif match["word"]:
        yield _SCALES[match["word"].lower()]


def _decimal(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("_", ""))
