"""Billing periods against another reckoning: python-dateutil's recurrence rules."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule

from meterdeck.core.model.periods import Cycle, Interval, billing_cycle

YEARS = 10
TIME = (13, 47, 22)  # subscriptions do not begin at midnight


def _monthly(anchor: datetime, months: int, until: datetime) -> list[datetime]:
    # Of the days up to the anchor's that the month has, the last.
    days = range(min(28, anchor.day), anchor.day + 1)
    rule = rrule(
        MONTHLY,
        interval=months,
        dtstart=anchor.replace(day=1),
        bymonthday=list(days),
        bysetpos=-1,
        until=until,
    )
    return [start for start in rule if start >= anchor]


def _assert_equal(cycle: Cycle, starts: list[datetime]) -> None:
    """Compare at each start, just before it, and in the middle of each period."""
    for start, end in pairwise(starts):
        last = end - timedelta(microseconds=1)
        for at in (start, start + (end - start) / 2, last):
            period = billing_cycle(cycle, at)
            assert (period.start, period.end) == (start, end), at
            assert starts[bisect_right(starts, at) - 1] == period.start


@pytest.mark.parametrize("months", [1, 2, 3, 6])
@pytest.mark.parametrize("day", range(1, 32))
def test_months_from_every_anchor_day(day: int, months: int) -> None:
    """Anchors 1 to 31, by one to six months, over ten years with leap days."""
    anchor = datetime(2024, 1, day, *TIME, tzinfo=UTC)
    starts = _monthly(anchor, months, anchor + timedelta(days=366 * YEARS))

    assert len(starts) >= YEARS * 12 // months
    _assert_equal(Cycle(anchor, Interval.MONTH, months), starts)


@pytest.mark.parametrize("month", range(1, 13))
def test_years_from_every_month_and_from_the_leap_day(month: int) -> None:
    """A yearly cycle keeps its day; the 29th of February is clamped and returns."""
    day = 29 if month == 2 else 28
    anchor = datetime(2024, month, day, *TIME, tzinfo=UTC)
    rule = rrule(
        YEARLY,
        dtstart=anchor.replace(day=1),
        bymonth=month,
        bymonthday=[28, 29] if day == 29 else [28],
        bysetpos=-1,
        count=YEARS,
    )
    _assert_equal(Cycle(anchor, Interval.YEAR), list(rule))


@pytest.mark.parametrize("count", [1, 2, 5, 14])
@pytest.mark.parametrize(
    ("interval", "frequency"), [(Interval.DAY, DAILY), (Interval.WEEK, WEEKLY)]
)
def test_days_and_weeks(interval: Interval, frequency: int, count: int) -> None:
    """Days and weeks are plain multiples from the anchor."""
    anchor = datetime(2024, 2, 27, *TIME, tzinfo=UTC)
    rule = rrule(frequency, interval=count, dtstart=anchor, count=200)  # type: ignore[arg-type]  # a Literal there

    _assert_equal(Cycle(anchor, interval, count), list(rule))


@pytest.mark.parametrize("day", [1, 15, 29, 30, 31])
def test_moments_before_the_anchor_lie_in_periods_too(day: int) -> None:
    """A cycle reaches back: a future anchor says where the current period is."""
    anchor = datetime(2027, 1, day, *TIME, tzinfo=UTC)
    past = datetime(2024, 1, day, *TIME, tzinfo=UTC)

    _assert_equal(Cycle(anchor, Interval.MONTH), _monthly(past, 1, anchor))
