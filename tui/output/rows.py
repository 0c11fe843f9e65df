"""Rows of cells: what a row of the screen holds, or is to hold."""

from __future__ import annotations

import re

from rich.cells import cell_len

from meterdeck.tui.output.pens import Pens

_PLAIN = re.compile(
    r"[\x20-\x7e\xa1-\xac\xae-\u02af\u0386-\u0482\u048a-\u0527\u2010-\u2027"
    r"\u2030-\u205e\u2190-\u22ff\u2500-\u25ff\u2713-\u2718\u2800-\u28ff]*"
)
"""Characters that take one cell by themselves on every terminal."""

UNKNOWN = "\0"
"""In a cell: nobody knows what the terminal shows there."""
BEHIND = ""
"""In a cell: it is taken by the text of a cell before it."""


class Row:
    """Cells and their pens, by column.

    Text of which a terminal may make another number of cells than we do (emoji, scripts
    that combine) stands whole in its first cell.

    Attributes:
        plain: Whether each cell has held a character of its own since the beginning.
    """

    __slots__ = ("cells", "pens", "plain")

    def __init__(self, width: int) -> None:
        self.cells = [UNKNOWN] * width
        self.pens = [Pens.DEFAULT] * width
        self.plain = True

    def put(self, x: int, text: str, pen: int, blank: int) -> int:
        """Put text at a column; return the column behind it.

        Args:
            blank: The pen of the blanks in it.
        """
        cells, room = self.cells, len(self.cells) - x
        plain = _PLAIN.fullmatch(text) is not None
        if not plain and not cell_len(text):
            return self._mark(x, text)
        made = [*text] if plain else [text, *[BEHIND] * (cell_len(text) - 1)]
        del made[room:]
        end = x + len(made)
        if not (plain and self.plain):
            self.plain = False
            self._cut(x, end)
        cells[x:end] = made
        if blank == pen or " " not in text:
            self.pens[x:end] = [pen] * len(made)
        else:
            self.pens[x:end] = [blank if cell == " " else pen for cell in made]
        return end

    def _mark(self, x: int, text: str) -> int:
        """Put marks on the text before a column: they take no cell."""
        if x:
            self.plain = False
            self.cells[self.lead(x - 1)] += text
        return x

    def _cut(self, start: int, end: int) -> None:
        """Forget what is left of texts that are partly written over."""
        cells = self.cells
        if start < len(cells) and cells[start] == BEHIND:
            first = self.lead(start)
            cells[first:start] = [UNKNOWN] * (start - first)
        while end < len(cells) and cells[end] == BEHIND:
            cells[end] = UNKNOWN
            end += 1

    def lead(self, x: int) -> int:
        """Return where the text begins that a column belongs to."""
        while x and self.cells[x] == BEHIND:
            x -= 1
        return x

    def behind(self, x: int) -> int:
        """Return the first column from `x` on that belongs to no text before it."""
        while x < len(self.cells) and self.cells[x] == BEHIND:
            x += 1
        return x

    @property
    def known(self) -> bool:
        """Whether every cell is known."""
        return UNKNOWN not in self.cells

    def forget(self) -> None:
        """Hold nothing that is known."""
        self.cells = [UNKNOWN] * len(self.cells)

    def take(self, other: Row) -> None:
        """Hold what another row of the same width holds."""
        self.cells[:] = other.cells
        self.pens[:] = other.pens
        self.plain = other.plain

    def same(self, other: Row) -> bool:
        """Tell whether two rows look the same."""
        return self.cells == other.cells and self.pens == other.pens
