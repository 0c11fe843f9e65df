"""What the parts of a handoff's Markdown share."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from meterdeck.core.model.markdown import code, escaped
from meterdeck.core.model.quantity import group_quantity, parse_counter

_END = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}):[0-9.]{2,9}Z")

MOST_LINES = 100
"""Of a table; how many more there are is said below it."""

Lines = list[str]


def trail_words(text: str, scale: int) -> str:
    """Write what the trail has of a counter or an override, for a person.

    Thousands are separated, and an override's end is told to the minute.
    """
    units, until, end = text.partition(" until ")
    value = parse_counter(units.encode("utf-8", "surrogateescape"))
    if units == "none":
        return "no override"
    if match := _END.fullmatch(end):
        end = f"{match[1]} {match[2]}"
    return f"{units if value is None else group_quantity(value, scale)}{until}{end}"


def who(tenant: str, name: str) -> str:
    """Name a tenant, and its id where that is another text."""
    return code(tenant) if name in ("", tenant) else f"{escaped(name)} {code(tenant)}"


def and_more(count: int) -> Lines:
    """Say how many more there are, if any."""
    return ["", f"And {count:,} more."] if count > 0 else []


def minute(at: datetime) -> str:
    """Return date and time in UTC: `2026-12-01 00:00`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
