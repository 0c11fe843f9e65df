"""Quantities, limits and counters in words."""

from __future__ import annotations

from datetime import UTC, datetime

from meterdeck.core.model.decisions import Beyond, Refusal
from meterdeck.core.model.periods import Period
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.usage import Broken, Limit, LimitSource, Resource, Usage
from meterdeck.tui import phrases
from meterdeck.tui.cli.output import Cell, Output, Row, Tone, tone_of

REFUSAL_WORDS = {
    Refusal.OVER_LIMIT: "too little was left",
    Refusal.LARGER_THAN_LIMIT: "larger than the whole limit",
    Refusal.BLOCKED: "blocked: the limit is 0",
}
BEYOND_WORDS = {
    Beyond.OVER: "over the limit, and allowed",
    Beyond.SHADOW: "over the limit, which is in shadow",
}
_NO_LIMIT_WORDS = {LimitSource.NONE: "no limit"}
_SOURCES = {LimitSource.OVERRIDE: "override", LimitSource.DEFAULT: "default plan"}


def amount(units: int | None, resource: Resource) -> str:
    """Return a quantity as people write it; None is unlimited."""
    return "unlimited" if units is None else group_quantity(units, resource.scale)


def limit_words(limit: Limit, resource: Resource) -> str:
    """Return a limit, and the rule that gave it where it is not the plan."""
    text = _NO_LIMIT_WORDS.get(limit.source) or amount(limit.units, resource)
    source = _SOURCES.get(limit.source)
    return f"{text} ({source})" if source else text


def used_words(used: int | Broken, resource: Resource) -> str:
    """Return what a counter holds, or what is wrong with it."""
    if isinstance(used, Broken):
        return f"broken: {used.holds}"
    return phrases.used_words(used, resource)


def percent_cell(percent: int | None) -> Cell:
    """Return a share in its tone; blank where there is none."""
    if percent is None:
        return Cell("")
    return Cell(f"{percent} %", tone_of(percent), right=True)


def usage_row(usage: Usage, resource: Resource, out: Output) -> Row:
    """Return one counter as a row: label, used, limit, bar, share, reset."""
    tone = Tone.HIGH if isinstance(usage.used, Broken) else Tone.PLAIN
    return (
        resource.label,
        Cell(used_words(usage.used, resource), tone, right=True),
        Cell(f"of {limit_words(usage.limit, resource)}"),
        Cell(resource.unit, Tone.FAINT),
        out.bar(usage.percent),
        percent_cell(usage.percent),
        Cell(reset_words(usage.period), Tone.FAINT),
    )


def reset_words(period: Period) -> str:
    """Return when a counter starts anew, if it does."""
    return "does not reset" if period.endless else f"resets {day(period.end)}"


def shorten(text: str, longest: int) -> str:
    """Return `text`, cut to `longest` characters where it is longer."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def day(at: datetime) -> str:
    """Return a date in UTC: `2026-12-01`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d")


def second(at: datetime) -> str:
    """Return date and time in UTC: `2026-12-01 00:00:00`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
