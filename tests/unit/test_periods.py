"""Periods tile: every moment lies in exactly one, and anchors do not drift."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.errors import BadInput
from meterdeck.core.model.periods import (
    Cycle,
    Interval,
    PeriodKind,
    billing_cycle,
    calendar_month,
    current_period,
    parse_month,
)

moments = st.datetimes(
    min_value=datetime(2015, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
cycles = st.builds(
    Cycle,
    anchor=moments.map(lambda m: m.replace(microsecond=0)),
    interval=st.sampled_from(Interval),
    count=st.integers(1, 6),
)


@given(cycles, moments)
def test_the_period_holds_its_moment(cycle: Cycle, at: datetime) -> None:
    """The period computed for a moment contains it."""
    assert at in billing_cycle(cycle, at)


@given(cycles, moments)
def test_periods_tile_without_gap_or_overlap(cycle: Cycle, at: datetime) -> None:
    """The period after one starts in the instant it ends, and the one before too."""
    period = billing_cycle(cycle, at)

    assert billing_cycle(cycle, period.end).start == period.end
    before = billing_cycle(cycle, period.start - timedelta(microseconds=1))
    assert before.end == period.start


@pytest.mark.parametrize("day", range(1, 32))
def test_a_monthly_anchor_keeps_its_day(day: int) -> None:
    """Over ten years each start lies on the anchor's day, or the month's last one."""
    anchor = datetime(2024, 1, day, 13, 47, 22, tzinfo=UTC)
    cycle = Cycle(anchor, Interval.MONTH)
    start = anchor

    for _ in range(120):
        period = billing_cycle(cycle, start)
        assert period.start == start
        assert start.day == min(day, monthrange(start.year, start.month)[1])
        assert period.label == start.strftime("%Y-%m-%d")
        start = period.end

    assert (start.year, start.month) == (2034, 1)


def test_the_29th_of_february_comes_back_each_leap_year() -> None:
    """A yearly cycle from a leap day is clamped to the 28th and returns to the 29th."""
    cycle = Cycle(datetime(2024, 2, 29, tzinfo=UTC), Interval.YEAR)

    starts = [
        billing_cycle(cycle, datetime(year, 6, 1, tzinfo=UTC)).start.day
        for year in (2024, 2025, 2026, 2027, 2028)
    ]

    assert starts == [29, 28, 28, 28, 29]


def test_a_calendar_month_is_half_open() -> None:
    """The last microsecond of November is in it, the first of December is not."""
    period = calendar_month(datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=UTC))

    assert period.label == "2026-11"
    assert datetime(2026, 12, 1, tzinfo=UTC) not in period
    assert period.end == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_tenant_without_a_cycle_is_counted_by_calendar_month() -> None:
    """A resource by billing cycle falls back to the month without a subscription."""
    at = datetime(2026, 11, 22, tzinfo=UTC)

    assert current_period(PeriodKind.BILLING_CYCLE, None, at).label == "2026-11"


@pytest.mark.parametrize("label", ["2026-13", "2026-1", "26-11", "", "2026-11-01"])
def test_a_label_that_is_no_month_is_refused(label: str) -> None:
    """Anything but YYYY-MM is answered with what would be right."""
    with pytest.raises(BadInput, match="write it like 2026-11"):
        parse_month(label)
