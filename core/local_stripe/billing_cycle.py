"""Periods `[start, end)` counted from a billing cycle anchor; pure."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterdeck.core.local_stripe.records import Recurring

_SPAN_DAYS = {"day": 1, "week": 7, "month": 28, "year": 365}


@dataclass(frozen=True, slots=True)
class Period:
    """One period; `end` belongs to the next."""

    start: datetime
    end: datetime


def period_at(anchor: datetime, recurring: Recurring, moment: datetime) -> Period:
    """Give the period that holds `moment`.

    Months keep the anchor's day where the month has it: Jan 31, Feb 28, Mar 31.
    """
    shortest = timedelta(days=_SPAN_DAYS[recurring.interval] * recurring.interval_count)
    # Never too low for a moment after the anchor; corrected below by single steps.
    number = (moment - anchor) // shortest
    while _boundary(anchor, recurring, number) > moment:
        number -= 1
    while _boundary(anchor, recurring, number + 1) <= moment:
        number += 1
    return Period(
        _boundary(anchor, recurring, number), _boundary(anchor, recurring, number + 1)
    )


def first_boundary(start: datetime, recurring: Recurring) -> datetime:
    """Give the natural end of a period that begins at `start`."""
    return _boundary(start, recurring, 1)


def after_intervals(start: datetime, recurring: Recurring, number: int) -> datetime:
    """Give the moment so many intervals after `start`."""
    return _boundary(start, recurring, number)


def next_on_day(
    now: datetime, day: int, month: int | None, clock: tuple[int, int, int]
) -> datetime:
    """Give the next moment on this day of the month (and month) at this time."""
    hour, minute, second = clock
    for ahead in range(14):
        year, index = divmod(now.year * 12 + now.month - 1 + ahead, 12)
        if month is not None and index + 1 != month:
            continue
        last = calendar.monthrange(year, index + 1)[1]
        candidate = now.replace(
            year=year,
            month=index + 1,
            day=min(day, last),
            hour=hour,
            minute=minute,
            second=second,
            microsecond=0,
        )
        if candidate > now:
            return candidate
    raise AssertionError("fourteen months hold every month after today")


def _boundary(anchor: datetime, recurring: Recurring, number: int) -> datetime:
    steps = number * recurring.interval_count
    if recurring.interval == "day":
        return anchor + timedelta(days=steps)
    if recurring.interval == "week":
        return anchor + timedelta(weeks=steps)
    months = steps * 12 if recurring.interval == "year" else steps
    year, index = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    last = calendar.monthrange(year, index + 1)[1]
    return anchor.replace(year=year, month=index + 1, day=min(anchor.day, last))
