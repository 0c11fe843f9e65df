"""A counter's history in words: how fast, how long, since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from meterdeck.core.model.history import DAY, HOUR, Rate, Stretch
from meterdeck.core.model.quantity import short_quantity
from meterdeck.core.model.tenant_history import ResourceHistory
from meterdeck.tui import phrases

NOT_KNOWN = "not known yet"
_STEPS = "▁▂▃▄▅▆▇█"
_UNKNOWN, _NOTHING = " ", "·"


def rate_words(rate: Rate | None, asked: timedelta, scale: int = 0) -> str:
    """Return a burn rate by the hour: `1.2k/h`; over how long where not as asked."""
    if rate is None:
        return NOT_KNOWN
    per_hour = round(rate.per_hour)
    words = f"{short_quantity(per_hour, scale)}/h"
    if 0 < abs(rate.per_hour) < 10**scale:
        words = f"{_signed(rate)}{phrases.rate(abs(rate.per_second), scale)}"
    return words if rate.is_over(asked) else f"{words} over {short_span(rate.over)}"


def _signed(rate: Rate) -> str:
    return "-" if rate.units < 0 else ""


def lasts_words(history: ResourceHistory, rate: Rate | None) -> str:
    """Return how long the limit lasts at a rate: `full in ~3h`; empty: no limit."""
    usage = history.usage
    if usage.limit.units is None or usage.remaining is None:
        return ""
    until = history.until_limit(rate)
    if until is not None:
        return "at its limit" if not until else f"full in {phrases.coarse(until)}"
    if rate is None:
        return ""
    return "will last"


def short_span(length: timedelta) -> str:
    """Return a length of time in one unit: `26m`, `12h`, `3d`."""
    if length < HOUR:
        return f"{max(round(length.total_seconds() / 60), 1)}m"
    if length < 2 * DAY:
        return f"{round(length / HOUR)}h"
    return f"{round(length / DAY)}d"


def since_words(history: ResourceHistory, now: datetime) -> str:
    """Return from when on it is known how it was used: `since 14:05`."""
    since = history.since
    if since is None or len(history.line.points) < 2:
        return "no history yet"
    if now - since < DAY:
        return f"since {phrases.clock(since)[:5]}"
    return f"since {phrases.day(since, now)}"


def spark(stretches: Sequence[Stretch]) -> str:
    """Return a column for each stretch: a dot where nothing was used, else a block.

    A blank is where nobody knows. What fell of a level is a dot, too.
    """
    top = max((each.units for each in stretches if each.units is not None), default=0)
    return "".join(_column(each.units, top) for each in stretches)


def _column(units: float | None, top: float) -> str:
    if units is None:
        return _UNKNOWN
    if units <= 0 or top <= 0:
        return _NOTHING
    return _STEPS[min(int(units * len(_STEPS) / top), len(_STEPS) - 1)]
