"""Quantities: whole numbers of a resource's smallest unit.

A resource measured in fractions has a `scale`: gigabytes with scale 3 are counted
in thousandths, so `"1.5"` is 1500.
"""

from __future__ import annotations

import re

from meterdeck.core.errors import BadInput

LARGEST = 2**53
"""Largest quantity: beyond it Lua's numbers are no longer exact."""

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]{1,16})(?:\.(?P<part>[0-9]{1,9}))?"
)
_COUNTER = re.compile(rb"(0|-?[1-9][0-9]{0,18})")


def parse_quantity(text: str, scale: int = 0, *, signed: bool = False) -> int:
    """Read a quantity a person typed, in the smallest unit.

    Accepts ASCII digits with `,` or `_` between them, and up to `scale` decimals.

    Raises:
        BadInput: Not a number, too many decimals, negative, or above `LARGEST`.
    """
    cleaned = re.sub(r"(?<=[0-9])[,_](?=[0-9])", "", text.strip())
    match = _NUMBER.fullmatch(cleaned)
    if match is None:
        raise BadInput(f"{text!r} is not a quantity; write a number such as 1500")
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
