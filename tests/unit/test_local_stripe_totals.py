"""Totals in buckets equal what adding up the events one by one gives."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.local_stripe.records import Meter
from meterdeck.core.local_stripe.totals import Point, totals_for

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_START = int(_EPOCH.timestamp())
_SPAN_S = 3 * 86_400
# Far before the point and far behind it: more digits than Python keeps by itself.
_values = st.decimals(-1000, 1000, places=3, allow_nan=False) | st.sampled_from(
    [Decimal("999999999999999"), Decimal("0.00000000000000123")]
)
_events = st.lists(
    st.tuples(
        st.integers(0, _SPAN_S - 1),
        _values,
        st.booleans(),
    ),
    max_size=40,
)
_seconds = st.integers(0, _SPAN_S)


def _meter(formula: str, window: str | None = None) -> Meter:
    return Meter(
        id="mtr",
        created=_EPOCH,
        updated=_EPOCH,
        display_name="",
        event_name="",
        formula=formula,
        customer_key="",
        value_key="",
        event_time_window=window,
    )


def _sum(values: Iterable[Decimal]) -> Decimal:
    with localcontext(prec=100):
        return sum(values, Decimal(0))


def _expected(
    formula: str, points: list[Point], start: int, end: int
) -> Decimal | None:
    inside = [point for point in points if start <= point.timestamp < end]
    if not inside:
        return None
    if formula == "sum":
        return _sum(point.value for point in inside)
    if formula == "count":
        return Decimal(len(inside))
    return max(inside, key=lambda point: (point.timestamp, point.sequence)).value


@pytest.mark.parametrize("formula", ["sum", "count", "last"])
@given(events=_events, first=_seconds, second=_seconds)
def test_any_range_of_seconds_equals_the_events_in_it(
    formula: str,
    events: list[tuple[int, Decimal, bool]],
    first: int,
    second: int,
) -> None:
    """For every formula, with any of the events cancelled again."""
    start = _START + min(first, second)
    end = _START + max(first, second) + 1
    totals = totals_for(_meter(formula))
    points = [
        Point(_START + offset, number, value)
        for number, (offset, value, _) in enumerate(events)
    ]

    for point in points:
        totals.add(point)
    kept = []
    for point, (_, _, cancelled) in zip(points, events, strict=True):
        if cancelled:
            totals.remove(point)
        else:
            kept.append(point)

    assert _expected(formula, kept, start, end) == totals.aggregate(start, end)


@pytest.mark.parametrize("formula", ["sum", "count", "last"])
@given(events=_events)
def test_hours_partition_the_days(
    formula: str, events: list[tuple[int, Decimal, bool]]
) -> None:
    """Exactly the hours with events are occupied, newest first."""
    totals = totals_for(_meter(formula))
    for number, (offset, value, _) in enumerate(events):
        totals.add(Point(_START + offset, number, value))

    for step in (3_600, 86_400):
        expected = {
            _START + offset - (_START + offset) % step for offset, _, _ in events
        }
        assert sorted(expected, reverse=True) == totals.occupied(
            step, _START, _START + _SPAN_S
        )


@given(events=_events)
def test_a_pre_aggregated_hour_counts_its_last_received_value(
    events: list[tuple[int, Decimal, bool]],
) -> None:
    """The order of receipt decides, not the events' times."""
    totals = totals_for(_meter("sum", "hour"))
    last: dict[int, Decimal] = {}
    for number, (offset, value, _) in enumerate(events):
        totals.add(Point(_START + offset, number, value))
        last[offset // 3_600] = value

    expected = _sum(last.values()) if last else None
    assert expected == totals.aggregate(_START, _START + _SPAN_S)
