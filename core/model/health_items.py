"""What a picture of a context's health says, line by line, each with its verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.diagnosis import Severity, Verdict

NOT_ALLOWED = "not allowed for this user"


class Section(StrEnum):
    """What an item is about."""

    REDIS = "redis"
    STRIPE = "stripe"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is well, or is not.

    Attributes:
        id: Names it for programs; never changes its meaning.
        title: The same for people, at most fourteen characters.
        why: What goes wrong where it is not as it should be, one sentence.
    """

    section: Section
    id: str
    title: str
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a context leads one to expect.

    Attributes:
        flush_s: The longest flush interval: usage may wait so long.
        reconcile_m: Minutes between two reconciliations; 0: none.
    """

    mode: Mode
    flush_s: int = 60
    reconcile_m: int = 60


def expected_of(context: Context) -> Expected:
    """Return what a context leads one to expect."""
    billed = [each.flush_s for each in context.resources if each.meter]
    minutes = context.delivery.reconcile_m
    return Expected(context.mode, max(billed, default=60), minutes)


SIGNS = {
    Severity.OK: ("✓", "good"),
    Severity.WARNING: ("!", "look"),
    Severity.FAULT: ("✗", "bad"),
    Severity.UNKNOWN: ("?", "unknown"),
}
"""Each verdict's sign and word."""


def worst_of(items: Iterator[Item] | tuple[Item, ...]) -> Severity:
    """Return the worst there is; what could not be looked at is not wrong."""
    found = {item.verdict.severity for item in items}
    for severity in (Severity.FAULT, Severity.WARNING):
        if severity in found:
            return severity
    return Severity.OK


def ms_words(milliseconds: float) -> str:
    """Write a round trip, so coarse that it stands still: `<1 ms`, `12 ms`, `1.4 s`."""
    if milliseconds < 1:
        return "<1 ms"
    if milliseconds < 1000:
        return f"{rough(milliseconds):,} ms"
    return f"{milliseconds / 1000:.1f} s"


def age_words(seconds: float) -> str:
    """Write an age, so coarse that it does not flicker: `20 s`, `3 min`, `4 days`."""
    seconds = max(0, int(seconds))
    if seconds < 10:
        return "under 10 s"
    if seconds < 120:
        return f"{seconds // 10 * 10} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def rough(number: float, digits: int = 2) -> int:
    """Return a number to its first digits: 646 is 650."""
    whole = round(number)
    size: int = 10 ** max(len(str(abs(whole))) - digits, 0)
    return round(whole / size) * size


def since_words(length: timedelta) -> str:
    """Write how long ago something was."""
    return f"{age_words(length.total_seconds())} ago"
