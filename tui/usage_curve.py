"""The curve of a counter: what it held through its period, its limit, a forecast.

Nothing of Textual is here: a chart is rows of pieces, and whoever paints it gives each
part its colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from meterdeck.core.model.history import DAY, UsedLine
from meterdeck.core.model.quantity import short_quantity
from meterdeck.core.model.tenant_history import LEVEL_DAYS, ResourceHistory
from meterdeck.tui import phrases

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Braille: bits of a cell's eight dots, by row and column."""
_BRAILLE = 0x2800
_TOPS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
_FAR = 4
"""A limit that is so many times what is expected is not drawn: all would be flat."""
_NARROWEST, _LOWEST = 20, 2


class Part(Enum):
    """What a piece of a chart is."""

    LABEL = "label"
    AXIS = "axis"
    LIMIT = "limit"
    LINE = "line"
    FORECAST = "forecast"
    """How it goes on if it is used as in the last day."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text of one part."""

    text: str
    part: Part


Row = tuple[Piece, ...]


def draw(history: ResourceHistory, *, width: int, height: int) -> tuple[Row, ...]:
    """Draw a counter's period in `height` rows of `width` cells.

    The two rows at the bottom are the axis and its dates. No rows where there is no
    room, or nothing to draw.
    """
    rows = height - 2
    if rows < _LOWEST or width < _NARROWEST or len(history.readings) < 2:
        return ()
    sight = _Sight(history)
    labels = sight.labels(rows)
    margin = max(map(len, labels.values())) + 1
    plot = _Plot(sight, width - margin - 1, rows)
    made: list[Row] = []
    for y in range(rows):
        label = f"{labels.get(y, ''):>{margin - 1}} "
        tick = Piece("┤" if y in labels else "│", Part.AXIS)
        made.append((Piece(label, Part.LABEL), tick, *plot.row(y)))
    axis = Piece("└" + "─" * plot.width, Part.AXIS)
    dates = " " * (margin + 1) + plot.dates()
    return (*made, (Piece(" " * margin, Part.LABEL), axis), (Piece(dates, Part.LABEL),))


class _Sight:
    """What is to be seen of a history: from when to when, and how high."""

    def __init__(self, history: ResourceHistory) -> None:
        period, self.now = history.usage.period, history.now
        self.start, self.end = period.start, period.end
        if period.endless:
            self.start = max(history.readings[0].at, self.now - LEVEL_DAYS * DAY)
            self.end = self.now + (self.now - self.start) / 8
        self.line = UsedLine((each.at, each.value) for each in history.readings)
        self.scale = history.resource.scale
        used = history.readings[-1].value
        rate = history.last_day
        self.per_second = rate.per_second if rate is not None else 0.0
        self.used = used
        expected = max(used, self.forecast(self.end))
        most = max(expected, *(each.value for each in history.readings), 1)
        limit = history.usage.limit.units
        self.limit = limit if limit is not None and 0 < limit <= _FAR * most else None
        self.top = _nice_top(max(most, self.limit or 0))

    def forecast(self, moment: datetime) -> float:
        """Return what is expected at a moment that has not come."""
        later = (moment - self.now).total_seconds()
        return self.used + max(0.0, self.per_second) * later

    def labels(self, rows: int) -> dict[int, str]:
        """Return labels of the vertical axis by row."""
        labels = {0: self._amount(self.top), rows - 1: "0"}
        middle = (rows - 1) / 2
        if rows >= 5 and middle == int(middle):
            labels[int(middle)] = self._amount(self.top / 2)
        return labels

    def _amount(self, value: float) -> str:
        return short_quantity(round(value), self.scale)


class _Plot:
    """Dots between the axes: two columns and four rows to a cell."""

    def __init__(self, sight: _Sight, width: int, height: int) -> None:
        self.width = width
        self._sight = sight
        self._height = height
        self._cells = [[0] * width for _ in range(height)]
        self._parts = [[Part.LIMIT] * width for _ in range(height)]
        self._limit_row = self._row_of(sight.limit) if sight.limit else None
        before: int | None = None
        for column in range(2 * width):
            moment = self._moment(column)
            value = sight.line.total(moment)
            if value is not None:
                before = self._rise(column, value, before)
            elif moment > sight.now and column % 2 == 0 and sight.per_second > 0:
                self._dot(column, self._dot_row(sight.forecast(moment)), Part.FORECAST)

    def _moment(self, column: int) -> datetime:
        span: timedelta = self._sight.end - self._sight.start
        return self._sight.start + span * (column / max(2 * self.width - 1, 1))

    def _rise(self, column: int, value: float, before: int | None) -> int:
        y = self._dot_row(value)
        step = 1 if before is None or y >= before else -1
        for row in range(y if before is None else before + step, y, step):
            self._dot(column, row, Part.LINE)
        self._dot(column, y, Part.LINE)
        return y

    def _dot_row(self, value: float) -> int:
        lowest = 4 * self._height - 1
        share = min(max(value / self._sight.top, 0.0), 1.0)
        return lowest - round(share * lowest)

    def _row_of(self, value: float) -> int:
        return self._dot_row(value) // 4

    def _dot(self, x: int, y: int, part: Part) -> None:
        self._cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
        self._parts[y // 4][x // 2] = part

    def row(self, y: int) -> Row:
        """Return a row of cells, its runs of one part together."""
        pieces: list[Piece] = []
        blank = "┄" if y == self._limit_row else " "
        for bits, part in zip(self._cells[y], self._parts[y], strict=True):
            text = chr(_BRAILLE + bits) if bits else blank
            if pieces and pieces[-1].part is part:
                pieces[-1] = Piece(pieces[-1].text + text, part)
            else:
                pieces.append(Piece(text, part))
        return tuple(pieces)

    def dates(self) -> str:
        """Return the dates below the axis: its ends, and now where there is room."""
        sight = self._sight
        line = [" "] * self.width
        now = min(int((sight.now - sight.start) / (sight.end - sight.start)
                      * self.width), self.width - 1)  # fmt: skip
        first = phrases.day(sight.start, sight.now)
        last = phrases.day(sight.end, sight.now)
        for text, left in (
            (first, 0),
            (last, self.width - len(last)),
            ("now", now - 1),
        ):
            place = range(left, left + len(text))
            around = range(max(left - 1, 0), min(left + len(text) + 1, self.width))
            if place.start < 0 or place.stop > self.width:
                continue
            if all(line[x] == " " for x in around):
                line[place.start : place.stop] = text
        return "".join(line)


def _nice_top(most: float) -> float:
    """Return the end of an axis that holds `most`: a round number at least as large."""
    power = float(f"1e{len(str(int(most))) - 1}")
    return next(top * power for top in _TOPS if top * power >= most)
