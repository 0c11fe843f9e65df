"""Quantities: whole numbers of a resource's smallest unit.

A resource measured in fractions has a `scale`: gigabytes with scale 3 are counted
in thousandths, so `"1.5"` is 1500.
"""

from __future__ import annotations

import re
from decimal import Decimal

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible

LARGEST = 2**53
"""Largest quantity: beyond it Lua's numbers are no longer exact."""

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]{1,16})(?:\.(?P<part>[0-9]{1,9}))?"
)
_THOUSANDS = re.compile(r"(?<![0-9,_.])[0-9]{1,3}(?:[,_][0-9]{3})+(?![,_]?[0-9])")
_DECIMAL = re.compile(r"[0-9]{1,40}(?:\.[0-9]{1,40})?")
_FINEST = Decimal("1e-40")  # anything finer is too fine whatever the scale
_COUNTER = re.compile(rb"(0|-?[1-9][0-9]{0,18})")


def parse_quantity(text: str, scale: int = 0, *, signed: bool = False) -> int:
    """Read a quantity a person typed, in the smallest unit.

    Accepts ASCII digits with `,` or `_` between thousands, and up to `scale` decimals.

    Raises:
        BadInput: Not a number, too many decimals, negative, or above `LARGEST`.
    """
    match = _NUMBER.fullmatch(ungrouped(text.strip()))
    if match is None:
        raise BadInput(
            f"{text!r} is not a quantity; write a number such as {_right(text, scale)}"
        )
    part = match["part"] or ""
    if len(part) > scale:
        allowed = f"at most {scale} decimals" if scale else "whole numbers"
        raise BadInput(f"{text!r} is too fine; this resource takes {allowed}")
    value = int(match["whole"] + part.ljust(scale, "0"))
    if value > LARGEST:
        raise BadInput(f"{text!r} is too large; the largest is {LARGEST:,}")
    if match["sign"] == "-" and value:
        if not signed:
            raise BadInput(f"{text!r} is negative; write a quantity of 0 or more")
        return -value
    return value


def _right(text: str, scale: int) -> str:
    if "," not in text and "_" not in text:
        return "1500"
    return "12,500 or 1.5" if scale else "12,500"


def ungrouped(text: str) -> str:
    """Return a text without the `,` or `_` between the thousands of its numbers.

    One that stands elsewhere is left: in `1,5` it may be meant for a point.
    """
    return _THOUSANDS.sub(lambda number: re.sub("[,_]", "", number[0]), text)


def exact_units(amount: str | int | Decimal, scale: int = 0) -> int:
    """Return an amount that a program has in the smallest unit, exactly.

    `"1.5"` with scale 3 is 1500; so is `Decimal("1.50")`. A text is plain digits, with
    a point before decimals and nothing else.

    Raises:
        BadInput: It is finer than `scale` allows, negative, above `LARGEST`, no
            number, or a float, which does not hold decimals exactly.
    """
    exact = _decimal(amount)
    if exact < 0:
        raise BadInput(f"{amount} is negative; give 0 or more")
    if exact > LARGEST:
        raise BadInput(f"{amount} is too large; the largest is {LARGEST:,}")
    whole, parts = exact.as_integer_ratio() if exact > _FINEST else (0, 1)
    tens: int = 10**scale
    units, rest = divmod(whole * tens, parts)
    if rest or (exact and not whole):
        allowed = f"at most {scale} decimals" if scale else "whole numbers"
        raise BadInput(f"{amount} is too fine; this resource takes {allowed}")
    if units > LARGEST:
        raise BadInput(f"{amount} is too large; the largest is {LARGEST:,} units")
    return units


def exact_amount(units: int, scale: int = 0) -> Decimal:
    """Return units as the amount they stand for, exactly: 1500 with scale 3 is 1.5.

    Raises:
        BadInput: No whole number.
    """
    if type(units) is not int:
        raise BadInput(f"{units!r} is no number of units; they are whole")
    return Decimal(format_quantity(units, scale))


def _decimal(amount: object) -> Decimal:
    if isinstance(amount, float):
        raise BadInput(
            f"{amount!r} is a float, which does not hold decimals exactly;"
            f" give the text '{amount!r}' or a Decimal"
        )
    if isinstance(amount, str) and _DECIMAL.fullmatch(amount):
        return Decimal(amount)
    if isinstance(amount, Decimal) and amount.is_finite():
        return amount
    if type(amount) is int:
        return Decimal(amount)
    shown = visible(repr(amount), 64)
    raise BadInput(f"{shown} is no amount; give a text such as '1.5', or a Decimal")


def format_quantity(value: int, scale: int = 0) -> str:
    """Write a quantity exactly, as Stripe takes it: no exponent, no separators."""
    if not scale:
        return str(value)
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), 10**scale)
    decimals = str(part).rjust(scale, "0").rstrip("0")
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def group_quantity(value: int, scale: int = 0) -> str:
    """Write a quantity for a person, with thousands separated: `12,500`."""
    text = format_quantity(value, scale)
    whole, dot, part = text.partition(".")
    return f"{int(whole):,}{dot}{part}" if whole != "-0" else f"-0{dot}{part}"


def short_quantity(value: int, scale: int = 0) -> str:
    """Write a quantity in at most six characters, rounded down: `12.5k`, `3M`."""
    size = abs(value) / 10**scale
    if size < 1000:
        text = f"{int(size)}" if size == int(size) else f"{int(size * 10) / 10:g}"
    else:
        text = _scaled(size)
    return f"-{text}" if value < 0 else text


def _scaled(size: float) -> str:
    for suffix, unit in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if size >= unit:
            share = size / unit
            cut = int(share) if share >= 100 else int(share * 10) / 10
            return f"{cut:g}{suffix}"
    return f"{int(size)}"


def parse_counter(raw: bytes) -> int | None:
    """Read a counter's raw value; `None` where it is not a decimal integer."""
    if _COUNTER.fullmatch(raw) is None:
        return None
    value = int(raw)
    return value if abs(value) < 2**63 else None
