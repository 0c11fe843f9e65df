"""Rows of the fleet by numbers of their counters, by limits and by how they stand."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Protocol, assert_never

from meterdeck.core.model.filter.spans import HIGHEST, LOWEST, Span
from meterdeck.core.model.filter.tenant_terms import (
    LimitKind,
    LimitTerm,
    Measure,
    MeasureTerm,
    State,
)
from meterdeck.core.model.fleet_update import NO_COUNTER
from meterdeck.core.model.usage import Limit, LimitSource
from meterdeck.core.services.fleet_columns import (
    HIGHEST_SHARE,
    Column,
    LimitTable,
    Severity,
)
from meterdeck.core.services.trend import Trend

Rows = Sequence[int]
_NONE = Span(1, 0)
_BANDS = {
    State.LIMIT: Span(low=100),
    State.OVER: Span(low=101),
    State.NEAR: Span(71, 99),
    State.FINE: Span(0, 70),
}
_SOURCES = {
    LimitKind.OVERRIDE: LimitSource.OVERRIDE,
    LimitKind.PLAN: LimitSource.PLAN,
    LimitKind.DEFAULT: LimitSource.DEFAULT,
    LimitKind.NONE: LimitSource.NONE,
}


class MeasuredFleet(Protocol):
    """The columns of a fleet."""

    columns: list[Column]
    limits: LimitTable
    severity: Severity
    pace: Trend

    def column_of(self, resource: str) -> int:
        """Return the column of a resource, −1 where there is none."""
        ...


def rows_within(values: Sequence[int], span: Span, rows: Rows) -> list[int]:
    """Return the rows whose value lies in a span."""
    low, high = span.low, span.high
    if len(rows) == len(values):
        return [row for row, value in enumerate(values) if low <= value <= high]
    return [row for row in rows if low <= values[row] <= high]


def rows_by_measure(fleet: MeasuredFleet, term: MeasureTerm, rows: Rows) -> list[int]:
    """Return the rows whose counter has a number in the term's span.

    A counter that is not there yet counts as 0; one that holds no number has none.
    """
    index = fleet.column_of(term.resource)
    if index < 0:
        return []
    column = fleet.columns[index]
    spans = [_used_span(term, units) for units in fleet.limits.units]
    if term.measure is Measure.SHARE and term.span.low > 0:
        # No share is above the worst one, and few rows are near their limits.
        least = min(term.span.low, HIGHEST_SHARE)
        rows = rows_within(fleet.severity.worst, Span(low=least), rows)
    found = _rows_in_spans(column, spans, rows)
    if term.measure is Measure.LIMIT or not column.broken:
        return found
    return [row for row in found if row not in column.broken]


def _rows_in_spans(column: Column, spans: Sequence[Span], rows: Rows) -> list[int]:
    """Return the rows whose counter lies in the span of its limit's number."""
    used, limit = column.used, column.limit
    lows = [_low(span) for span in spans]
    highs = [span.high for span in spans]
    if any(
        NO_COUNTER < low <= 0 <= high for low, high in zip(lows, highs, strict=True)
    ):
        # From 0, or nearly: none yet is 0, and those below are not.
        zero = [low <= 0 <= high for low, high in zip(lows, highs, strict=True)]
        return [
            row
            for row in rows
            if lows[limit[row]] <= used[row] <= highs[limit[row]]
            or (used[row] == NO_COUNTER and zero[limit[row]])
        ]
    if len(rows) < len(used):
        return [
            row for row in rows if lows[limit[row]] <= used[row] <= highs[limit[row]]
        ]
    return [
        row
        for row, (value, number) in enumerate(zip(used, limit, strict=True))
        if lows[number] <= value <= highs[number]
    ]


def _low(span: Span) -> int:
    # `NO_COUNTER` is the lowest number: inside where 0 is, outside where it is not.
    return max(span.low, NO_COUNTER if span.high >= 0 else NO_COUNTER + 1)


def _used_span(term: MeasureTerm, limit: int) -> Span:
    """Return which counters are meant under a limit in units, −1 for unlimited."""
    span = term.span
    if limit < 0 and term.measure is not Measure.USED:
        return _NONE
    match term.measure:
        case Measure.USED:
            return span
        case Measure.LIMIT:
            return Span() if limit in span else _NONE
        case Measure.LEFT:
            return _left_span(span, limit)
        case Measure.SHARE:
            return _share_span(span, limit)
    assert_never(term.measure)


def _left_span(span: Span, limit: int) -> Span:
    """Return the counters of which max(0, limit - used) lies in a span."""
    if span.high < 0:
        return _NONE
    return Span(
        LOWEST if span.high == HIGHEST else limit - span.high,
        HIGHEST if span.low <= 0 else limit - span.low,
    )


def _share_span(span: Span, limit: int) -> Span:
    """Return the counters of which used * 100 // limit lies in a span."""
    if limit == 0:  # it blocks: its share is 100 whatever was used
        return Span() if 100 in span else _NONE
    if span.high < 0:
        return _NONE
    open_end = span.high == HIGHEST
    return Span(
        LOWEST if span.low <= 0 else -(-span.low * limit // 100),
        HIGHEST if open_end else ((span.high + 1) * limit - 1) // 100,
    )


def rows_by_limit(fleet: MeasuredFleet, term: LimitTerm, rows: Rows) -> list[int]:
    """Return the rows with a limit of a kind, of one resource or of any."""
    wanted = bytes(_is_of(term.kind, limit) for limit in fleet.limits.limits)
    if not any(wanted):
        return []
    if term.resource:
        index = fleet.column_of(term.resource)
        columns = fleet.columns[index : index + 1] if index >= 0 else []
    else:
        columns = fleet.columns
    found = bytearray(len(fleet.severity.worst))
    left = rows
    for column in columns:
        for row in rows_by_number(column.limit, wanted, left):
            found[row] = 1
        left = [row for row in left if not found[row]]
    return [row for row in rows if found[row]]


def rows_by_number(limits: array[int], wanted: bytes, rows: Rows) -> list[int]:
    """Return the rows whose limit's number is wanted."""
    if len(rows) == len(limits):
        return [row for row, number in enumerate(limits) if wanted[number]]
    return [row for row in rows if wanted[limits[row]]]


def _is_of(kind: LimitKind, limit: Limit) -> bool:
    if kind is LimitKind.UNLIMITED:
        return limit.unlimited
    return limit.source is _SOURCES[kind]


def rows_by_state(fleet: MeasuredFleet, state: State, rows: Rows) -> list[int]:
    """Return the rows that stand as a state says."""
    if state in _BANDS:
        return rows_within(fleet.severity.worst, _BANDS[state], rows)
    if state is State.MOVING:
        return rows_within(fleet.pace.latest(), Span(low=1), rows)
    if state is State.BROKEN:
        broken = _broken(fleet.columns)
        return [row for row in rows if row in broken]
    return _idle(fleet.columns, rows)


def _broken(columns: Iterable[Column]) -> frozenset[int]:
    return frozenset(row for column in columns for row in column.broken)


def _idle(columns: Sequence[Column], rows: Rows) -> list[int]:
    broken = _broken(columns)
    for column in columns:
        used = column.used
        rows = [row for row in rows if used[row] == NO_COUNTER]
    return [row for row in rows if row not in broken]
