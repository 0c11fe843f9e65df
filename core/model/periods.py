"""Periods in which usage is counted: `[start, end)` in UTC, tiling without gaps."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from meterdeck.core.errors import BadInput


class PeriodKind(StrEnum):
    """How a resource's periods are cut."""

    CALENDAR_MONTH = "calendar_month"
    BILLING_CYCLE = "billing_cycle"
    NONE = "none"
    """Not at all: a gauge is not counted in periods. No setting says it."""


class Interval(StrEnum):
    """The unit of a billing cycle, in Stripe's words."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Cycle:
    """A subscription's billing cycle: `count` × `interval` from `anchor`."""

    anchor: datetime
    interval: Interval
    count: int = 1


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time `[start, end)`; `label` is the last part of a counter's key.

    The label is `YYYY-MM` for a calendar month in UTC and `YYYY-MM-DD`, the first
    day, for a billing cycle. `ENDLESS` is the exception: neither start nor end mean
    anything there, and it holds every moment.
    """

    start: datetime
    end: datetime
    label: str

    @property
    def endless(self) -> bool:
        """Whether it never ends: what is counted in it does not reset."""
        return self.label == ENDLESS.label

    def __contains__(self, moment: datetime) -> bool:
        return self.endless or self.start <= moment < self.end


_EVERYWHERE = 28
"""The last day that every month has."""
# Both at 0 is how the scripts take it.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENDLESS = Period(_EPOCH, _EPOCH, "now")
"""The period of what has none, a gauge."""


def calendar_month(at: datetime) -> Period:
    """Return the UTC calendar month that holds `at`."""
    at = at.astimezone(UTC)
    start = datetime(at.year, at.month, 1, tzinfo=UTC)
    return Period(start, _add_months(start, 1), start.strftime("%Y-%m"))


def billing_cycle(cycle: Cycle, at: datetime) -> Period:
    """Return the period of `cycle` that holds `at`.

    Starts are computed from the anchor each time, so a cycle anchored on the 31st
    is clamped in short months and comes back to the 31st.
    """
    index = _index_near(cycle, at)
    start = _cycle_start(cycle, index)
    while start > at:
        index -= 1
        start = _cycle_start(cycle, index)
    end = _cycle_start(cycle, index + 1)
    while end <= at:
        index += 1
        start, end = end, _cycle_start(cycle, index + 1)
    return Period(start, end, start.date().isoformat())


def current_period(kind: PeriodKind, cycle: Cycle | None, at: datetime) -> Period:
    """Return the period of a counter at `at`.

    A tenant without a billing cycle (no subscription) is counted by calendar month.
    """
    if kind is PeriodKind.NONE:
        return ENDLESS
    if kind is PeriodKind.BILLING_CYCLE and cycle is not None:
        return billing_cycle(cycle, at)
    return calendar_month(at)


_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def parse_month(label: str) -> Period:
    """Return the calendar month that `YYYY-MM` names.

    Raises:
        BadInput: The label is not a month.
    """
    if _MONTH.fullmatch(label) is None:
        raise BadInput(f"{label!r} is not a month; write it like 2026-11")
    return calendar_month(datetime(int(label[:4]), int(label[5:]), 1, tzinfo=UTC))


def _index_near(cycle: Cycle, at: datetime) -> int:
    anchor = cycle.anchor.astimezone(UTC)
    at = at.astimezone(UTC)
    if cycle.interval in (Interval.MONTH, Interval.YEAR):
        months = (at.year - anchor.year) * 12 + at.month - anchor.month
        return months // (cycle.count * (12 if cycle.interval is Interval.YEAR else 1))
    days = 7 if cycle.interval is Interval.WEEK else 1
    return (at - anchor) // timedelta(days=days * cycle.count)


def _cycle_start(cycle: Cycle, index: int) -> datetime:
    steps = index * cycle.count
    anchor = cycle.anchor.astimezone(UTC)
    match cycle.interval:
        case Interval.DAY:
            return anchor + timedelta(days=steps)
        case Interval.WEEK:
            return anchor + timedelta(weeks=steps)
        case Interval.MONTH:
            return _add_months(anchor, steps)
        case Interval.YEAR:
            return _add_months(anchor, 12 * steps)


def _add_months(start: datetime, months: int) -> datetime:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = start.day
    if day > _EVERYWHERE:
        day = min(day, monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day)
