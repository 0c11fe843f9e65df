"""Rows as a terminal is told them: with few moves and few changes of the pen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from meterdeck.tui.output.pens import Pens
from meterdeck.tui.output.rows import BEHIND, UNKNOWN, Row

_SMALL_GAP = 3  # cells that are sent again rather than passed over
_CHANGE, _MOVE = 17, 5  # bytes of a change of colour, and of a move, about


@dataclass(slots=True)
class _Run:
    """Cells that one pen writes; `blank` ones can be written by others, too."""

    start: int
    end: int
    pen: int
    blank: bool


class Writer:
    """Writes to one terminal; knows its pen and where it writes next.

    Attributes:
        at: Line and column of the next character, None where that is not sure.
    """

    def __init__(self, pens: Pens, width: int) -> None:
        self._pens = pens
        self._width = width
        self.forget()

    def forget(self) -> None:
        """Know nothing."""
        self._pen: int | None = None
        self.at: tuple[int, int] | None = None

    def row(self, y: int, wanted: Row, shown: Row) -> Iterator[str]:
        """Yield what makes a line that looks like `shown` look like `wanted`."""
        columns = _differing(wanted, shown)
        if not columns:
            return
        if not (wanted.plain and shown.plain):
            yield from self._one_by_one(y, wanted, shown, columns)
            return
        for run in self._in_order(self._runs(wanted, columns)):
            if self.at != (y, run.start):
                yield self.move(y, run.start)
            yield self._change(run.pen, blank=run.blank)
            yield "".join(wanted.cells[run.start : run.end])
            # At the end of a line terminals differ.
            self.at = (y, run.end) if run.end < self._width else None

    def move(self, y: int, x: int) -> str:
        """Return what moves to a line and column."""
        before, self.at = self.at, (y, x)
        if before is not None and before[0] == y:
            ahead = x - before[1]
            if ahead > 0:
                return f"\x1b[{ahead}C" if ahead > 1 else "\x1b[C"
            return f"\x1b[{x + 1}G" if x else "\r"
        return f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"

    def _change(self, pen: int, *, blank: bool) -> str:
        before = self._pen
        if before is None:
            self._pen = pen
            return "\x1b[0m" + self._pens.way(Pens.DEFAULT, pen)
        self._pen = self._pens.under(before, pen) if blank else pen
        return self._pens.way(before, self._pen)

    # -- one pen after the other -----------------------------------------------

    def _runs(self, row: Row, columns: Sequence[int]) -> list[_Run]:
        runs: list[_Run] = []
        for x in columns:
            pen, blank = row.pens[x], row.cells[x] == " "
            if runs and runs[-1].end == x and runs[-1].pen == pen:
                runs[-1].end = x + 1
                runs[-1].blank &= blank
            elif runs and self._joins(runs[-1], row, x):
                last = runs[-1]
                last.end = x + 1
                if last.blank and not blank:
                    last.pen, last.blank = pen, False
            else:
                runs.append(_Run(x, x + 1, pen, blank))
        return runs

    def _joins(self, run: _Run, row: Row, x: int) -> bool:
        """Tell whether a run can go on to a column, over what lies between."""
        if x - run.end > _SMALL_GAP:
            return False
        pen = row.pens[x]
        if run.blank and self._pens.blank(pen) == run.pen:
            return x == run.end
        plain = self._pens.blank(run.pen)
        between = slice(run.end, x + 1)
        return all(
            (each == run.pen and cell != UNKNOWN) or (each == plain and cell == " ")
            for each, cell in zip(row.pens[between], row.cells[between], strict=True)
        )

    def _in_order(self, runs: list[_Run]) -> list[_Run]:
        """Return the runs in the order that costs least: by column, or pen by pen."""
        by_pen: dict[int, list[_Run]] = {}
        if self._pen is not None:
            by_pen[self._pen] = []
        changes, before = 0, self._pen
        for run in runs:
            changes += run.pen != before
            before = run.pen
            by_pen.setdefault(run.pen, []).append(run)
        if changes * _CHANGE <= len(by_pen) * _CHANGE + len(runs) * _MOVE:
            return runs
        return [run for group in by_pen.values() for run in group]

    # -- texts that take several cells -------------------------------------------

    def _one_by_one(
        self, y: int, wanted: Row, shown: Row, columns: Sequence[int]
    ) -> Iterator[str]:
        """Write from the first difference to the last, no text cut into pieces."""
        past = columns[-1] + 1
        first = min(wanted.lead(columns[0]), shown.lead(columns[0]))
        for x in range(first, max(wanted.behind(past), shown.behind(past))):
            cell = wanted.cells[x]
            if cell in (BEHIND, UNKNOWN):
                continue
            if self.at != (y, x):
                yield self.move(y, x)
            yield self._change(wanted.pens[x], blank=cell == " ")
            yield cell
            # Where a terminal is after other text is for it to know.
            sure = len(cell) == 1 and cell.isascii() and x + 1 < self._width
            self.at = (y, x + 1) if sure else None


def _differing(wanted: Row, shown: Row) -> list[int]:
    """Return the columns in which a row looks different."""
    return [
        x
        for x, (cell, was, pen, pen_was) in enumerate(
            zip(wanted.cells, shown.cells, wanted.pens, shown.pens, strict=True)
        )
        if (cell != was or pen != pen_was) and cell != UNKNOWN
    ]
