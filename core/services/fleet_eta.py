"""Rows of the fleet by when they reach a limit."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from meterdeck.core.model.filter.spans import Span
from meterdeck.core.model.filter.tenant_terms import EtaTerm, Measure, MeasureTerm
from meterdeck.core.model.fleet_update import NO_COUNTER
from meterdeck.core.model.periods import PeriodKind
from meterdeck.core.services.fleet_measures import (
    MeasuredFleet,
    rows_by_measure,
    rows_within,
)

Rows = Sequence[int]
_SECOND = timedelta(seconds=1)
_REACHED = Span(high=0)


class EtaFleet(MeasuredFleet, Protocol):
    """A fleet that knows how fast its counters move."""

    at: datetime | None

    def moved(self, column: int, rows: Rows) -> Rows:
        """Return at least those rows whose counter has grown lately."""
        ...

    def before(self, column: int) -> tuple[array[int], float]:
        """Return the column as it was, and how many seconds ago."""
        ...

    def seconds_left(self, row: int, column: int) -> float:
        """Return the seconds until a counter starts anew; many where it does not."""
        ...

    def time_to_limit(self, row: int, column: int) -> timedelta | None:
        """Return when the limit is reached at the present rate; None: it will not."""
        ...


def rows_by_eta(fleet: EtaFleet, term: EtaTerm, rows: Rows) -> list[int]:
    """Return the rows of which some counter reaches its limit in the term's span.

    What has reached it does so in 0 seconds. Without a span: those that will not.
    """
    columns = _columns(fleet, term.resource)
    span = term.span or Span()
    found: set[int] = set()
    for column in columns:
        if 0 in span:
            found.update(_reached(fleet, column, rows))
        found.update(_reaching(fleet, column, span, rows))
    return [row for row in rows if (row in found) is (term.span is not None)]


def rows_reaching(fleet: EtaFleet, span: Span) -> set[int]:
    """Return the rows of which some counter is below its limit, and there in a span."""
    rows = range(len(fleet.severity.worst))
    return {
        row
        for column in range(len(fleet.columns))
        for row in _reaching(fleet, column, span, rows)
    }


def _columns(fleet: EtaFleet, resource: str) -> Sequence[int]:
    if not resource:
        return range(len(fleet.columns))
    index = fleet.column_of(resource)
    return (index,) if index >= 0 else ()


def _reached(fleet: EtaFleet, column: int, rows: Rows) -> list[int]:
    name = str(fleet.columns[column].resource.name)
    at_limit = rows_within(fleet.severity.worst, Span(low=100), rows)
    return rows_by_measure(fleet, MeasureTerm(name, Measure.LEFT, _REACHED), at_limit)


def _reaching(fleet: EtaFleet, column: int, span: Span, rows: Rows) -> Iterator[int]:
    """Yield rows that are below the limit and get there within the span."""
    moved = fleet.moved(column, rows)
    before, seconds = fleet.before(column)
    if not moved or seconds < 1:
        return
    resource = fleet.columns[column].resource
    in_step = resource.period is not PeriodKind.BILLING_CYCLE
    first, end = max(span.low, 0), span.high + 1.0
    if in_step:  # all of them reset together, and what is later than that is never
        end = min(end, fleet.seconds_left(moved[0], column))
    used, limit = fleet.columns[column].used, fleet.columns[column].limit
    units = fleet.limits.units
    for row in moved:
        value, most = used[row], units[limit[row]]
        if value >= most or value == NO_COUNTER:
            continue
        known = row < len(before) and before[row] != NO_COUNTER
        if known:
            grown = value - before[row]
            if not first * grown <= (most - value) * seconds < end * grown:
                continue
        if (known and in_step) or _confirmed(fleet, row, column, span):
            yield row


def _confirmed(fleet: EtaFleet, row: int, column: int, span: Span) -> bool:
    left = fleet.time_to_limit(row, column)
    return left is not None and left // _SECOND in span
