"""Usage of one customer on one meter, in buckets that any summary is made of."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Context, Decimal
from functools import reduce
from typing import Protocol

from meterdeck.core.local_stripe.records import Meter

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400
WINDOW_S = {"hour": HOUR_S, "day": DAY_S}
# Values of 15 digits, some of them far before the point and others far behind it.
_EXACT = Context(prec=100)


@dataclass(frozen=True, slots=True)
class Point:
    """One accepted event: when it counts, its place in the order of receipt."""

    timestamp: int
    sequence: int
    value: Decimal


class Totals(Protocol):
    """Usage of one customer on one meter; times are Unix seconds."""

    def add(self, point: Point) -> None:
        """Count an event."""

    def remove(self, point: Point) -> None:
        """Take back an event that was counted."""

    def aggregate(self, start: int, end: int) -> Decimal | None:
        """Give the meter's formula over `[start, end)`; None without usage."""

    def occupied(self, step: int, start: int, end: int) -> list[int]:
        """Give the starts of the `step` buckets with usage, newest first."""


def added(values: Iterable[Decimal]) -> Decimal:
    """Give the exact sum."""
    return reduce(_EXACT.add, values, Decimal(0))


def totals_for(meter: Meter) -> Totals:
    """Give the empty totals of the meter's formula."""
    if meter.event_time_window is not None:
        return LatestTotals(WINDOW_S[meter.event_time_window], meter.formula)
    if meter.formula == "last":
        return LatestTotals(MINUTE_S, "last")
    return AddedTotals(counts=meter.formula == "count")


@dataclass(slots=True)
class _Cell:
    total: Decimal = Decimal(0)
    count: int = 0


@dataclass(slots=True)
class _Seconds:
    """What was used in each second that has any, in the order of time.

    Three rows in place of a cell each: a customer may have used something in each
    second of a year.
    """

    at: array[int] = field(default_factory=lambda: array("q"))
    counts: array[int] = field(default_factory=lambda: array("q"))
    totals: list[Decimal | int] = field(default_factory=list)

    def shift(self, point: Point, sign: int) -> None:
        """Count an event, or take it back."""
        place = bisect_left(self.at, point.timestamp)
        if place == len(self.at) or self.at[place] != point.timestamp:
            self.at.insert(place, point.timestamp)
            self.counts.insert(place, 0)
            self.totals.insert(place, 0)
        total = _EXACT.fma(sign, point.value, self.totals[place])
        self.counts[place] += sign
        if self.counts[place]:
            whole = total == total.to_integral_value()
            self.totals[place] = int(total) if whole else total
        else:
            del self.at[place], self.counts[place], self.totals[place]

    def between(self, start: int, end: int) -> Iterator[_Cell]:
        """Give a range's seconds with usage."""
        for place in range(bisect_left(self.at, start), bisect_left(self.at, end)):
            yield _Cell(Decimal(self.totals[place]), self.counts[place])


@dataclass(slots=True)
class AddedTotals:
    """Sum or count: hours for the middle of a range, seconds for its edges.

    Summaries begin and end at whole minutes, billing periods at any second.
    """

    counts: bool
    _seconds: _Seconds = field(default_factory=_Seconds)
    _hours: dict[int, _Cell] = field(default_factory=dict)

    def add(self, point: Point) -> None:
        """Count an event."""
        self._shift(point, 1)

    def remove(self, point: Point) -> None:
        """Take back an event that was counted."""
        self._shift(point, -1)

    def aggregate(self, start: int, end: int) -> Decimal | None:
        """Give the sum or the count; None without usage."""
        cells = list(self._between(start, end))
        if not cells:
            return None
        if self.counts:
            return Decimal(sum(cell.count for cell in cells))
        return added(cell.total for cell in cells)

    def occupied(self, step: int, start: int, end: int) -> list[int]:
        """Give the starts of the hours or days with usage, newest first."""
        starts = {hour - hour % step for hour in self._hours if start <= hour < end}
        return sorted(starts, reverse=True)

    def _shift(self, point: Point, sign: int) -> None:
        self._seconds.shift(point, sign)
        start = point.timestamp - point.timestamp % HOUR_S
        cell = self._hours.setdefault(start, _Cell())
        cell.total = _EXACT.fma(sign, point.value, cell.total)
        cell.count += sign
        if cell.count == 0:
            del self._hours[start]

    def _between(self, start: int, end: int) -> Iterator[_Cell]:
        """Give the fewest cells that make up a range."""
        first, last = start + -start % HOUR_S, end - end % HOUR_S
        if first >= last:
            yield from self._seconds.between(start, end)
            return
        hours = self._hours.items()
        yield from (cell for at, cell in hours if first <= at < last)
        yield from self._seconds.between(start, first)
        yield from self._seconds.between(last, end)


@dataclass(slots=True)
class LatestTotals:
    """Only the newest event of each bucket counts.

    `last` meters take the newest by event time; meters of pre-aggregated values
    (`event_time_window`) take the last received of each window.
    """

    width: int
    formula: str
    _cells: dict[int, list[tuple[int, int, Decimal, int]]] = field(default_factory=dict)
    _starts: list[int] = field(default_factory=list)

    def add(self, point: Point) -> None:
        """Count an event."""
        start = point.timestamp - point.timestamp % self.width
        if start not in self._cells:
            insort(self._starts, start)
        insort(self._cells.setdefault(start, []), self._entry(point))

    def remove(self, point: Point) -> None:
        """Take back an event: the one before it counts again."""
        start = point.timestamp - point.timestamp % self.width
        cell = self._cells.get(start, [])
        if self._entry(point) in cell:
            cell.remove(self._entry(point))
        if not cell and start in self._cells:
            del self._cells[start]
            self._starts.remove(start)

    def aggregate(self, start: int, end: int) -> Decimal | None:
        """Give the formula over the buckets' values; None without usage.

        Of a bucket that reaches over an edge of the range, the events within count.
        """
        starts = self._within(start - start % self.width, end)
        newest = (self._newest(each, start, end) for each in reversed(starts))
        present = (value for value in newest if value is not None)
        if self.formula == "last":
            return next(present, None)
        values = list(present)
        if not values:
            return None
        if self.formula == "count":
            return Decimal(len(values))
        return added(values)

    def occupied(self, step: int, start: int, end: int) -> list[int]:
        """Give the starts of the hours or days with usage, newest first."""
        starts = {each - each % step for each in self._within(start, end)}
        return sorted(starts, reverse=True)

    def _within(self, start: int, end: int) -> list[int]:
        first, stop = bisect_left(self._starts, start), bisect_left(self._starts, end)
        return self._starts[first:stop]

    def _newest(self, bucket: int, start: int, end: int) -> Decimal | None:
        for _, _, value, timestamp in reversed(self._cells[bucket]):
            if start <= timestamp < end:
                return value
        return None

    def _entry(self, point: Point) -> tuple[int, int, Decimal, int]:
        by_time = point.timestamp if self.width == MINUTE_S else 0
        return by_time, point.sequence, point.value, point.timestamp
