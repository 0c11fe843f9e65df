"""Counts, moments and what the audit trail holds, written for a person."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from meterdeck.core.model.quantity import group_quantity, parse_counter

_END = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}):[0-9.]{2,9}Z")


def counted(number: int, one: str, many: str = "") -> str:
    """Return a count with its noun: `1 tenant`, `1,204 tenants`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def minute(at: datetime) -> str:
    """Return date and time in UTC: `2026-12-01 00:00`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def trail_words(text: str, scale: int = 0) -> str:
    """Return what the audit trail wrote of a counter or an override.

    Thousands are separated, and an override's end is told to the minute; what is no
    number is left as it is.
    """
    units, until, end = text.partition(" until ")
    if units == "none":
        return "no override"
    value = parse_counter(units.encode("utf-8", "surrogateescape"))
    if match := _END.fullmatch(end):
        end = f"{match[1]} {match[2]}"
    return f"{units if value is None else group_quantity(value, scale)}{until}{end}"
