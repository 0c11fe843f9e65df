"""Frames made small: what the terminal shows already is not sent again.

Textual paints stretches of lines, each of their pieces with all its colours. Here its
output is read into cells again, compared with what was sent before, and written with
as few moves and changes of colour as it takes. What is not understood is sent as it is,
and everything is taken to be unknown then: that costs bytes, never a wrong picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from meterdeck.tui.output.pens import Pens
from meterdeck.tui.output.rows import Row
from meterdeck.tui.output.scrolling import shifted
from meterdeck.tui.output.writing import Writer

_TOKEN = re.compile(
    r"\x1b\[(?P<pen>[0-9;]*)m"
    r"|\x1b\[(?P<row>[0-9]*)(?:;(?P<column>[0-9]*))?H"
    r"|(?P<line>\n)"
    r"|(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
)
_SYNC_START, _SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
_SCROLLED_FROM = 6  # rows in a frame
_HOME = (0, 0)
_ASIDE = re.compile(
    r"(?:\x07|\x1b\](?:52|0|2);[^\x07\x1b]*(?:\x07|\x1b\\)|\x1bPtmux;.*?\x1b\\"
    r"|\x1b\[\?(?:1000|1003|1004|1006|1015|1016|2004|2048)[hl]"
    r"|\x1b\[\?[0-9]+\$p)+",
    re.DOTALL,
)
"""What changes nothing that is shown: bell, clipboard, title, mouse, questions."""


class CellDiff:
    """What one terminal shows.

    Attributes:
        scrolls: Whether rows that moved are moved by the terminal.
    """

    def __init__(self, width: int, height: int, *, scrolls: bool = True) -> None:
        self.scrolls = scrolls
        self._pens = Pens()
        self._generation = 0
        self._cursor: tuple[int, int] | None = None
        self._sync = ""
        self.resize(width, height)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in cells."""
        return self._width, len(self._shown)

    def resize(self, width: int, height: int) -> None:
        """Take another size for the terminal's; what it shows is unknown then."""
        self._width = width
        self._writer = Writer(self._pens, width)
        self._shown = [Row(width) for _ in range(height)]
        self._wanted = [Row(width) for _ in range(height)]
        self.forget()

    def forget(self) -> None:
        """Take nothing for known: what comes next is sent whole."""
        self._generation += 1
        for row in (*self._shown, *self._wanted):
            row.forget()
        self._writer.forget()

    def reduce(self, data: str) -> str:
        """Return what has to be written instead of `data`."""
        if data == _SYNC_START:
            self._sync = data
            return ""
        if data == _SYNC_END:
            begun, self._sync = self._sync, ""
            return "" if begun else data
        if _ASIDE.fullmatch(data):
            return data
        generation = self._generation
        rows = self._read(data)
        out = "" if rows is None else "".join(self._write(rows))
        if rows is None or generation != self._generation:
            # Not a frame; or a signal has interrupted this one, and its terminal was
            # another program's meanwhile.
            self.forget()
            out = f"\x1b[0m{data}"
        if not out:
            return ""
        begun, self._sync = self._sync, ""
        return begun + out

    # -- reading ---------------------------------------------------------------

    def _read(self, data: str) -> list[int] | None:
        """Put a frame into the wanted rows; return which, None if it is no frame."""
        touched: dict[int, None] = {}
        pens, position = self._pens, 0
        pen: int | None = Pens.DEFAULT
        at: tuple[int, int] | None = None
        for token in _TOKEN.finditer(data):
            if token.start() != position:
                return None
            position = token.end()
            kind = token.lastgroup
            if kind == "text":
                if at is None or pen is None:
                    return None
                y, x = at
                row = self._wanted[y]
                at = y, row.put(x, token["text"], pen, pens.blank(pen))
                touched[y] = None
            elif kind == "pen":
                pen = pens.number(token["pen"])
            elif kind == "line":
                at = None
            else:
                at = int(token["row"] or 1) - 1, int(token["column"] or 1) - 1
                if at[0] >= len(self._wanted) or at[1] >= self._width:
                    at = None
        if position != len(data) or not touched:
            return None
        self._cursor = at
        return sorted(touched)

    # -- writing ---------------------------------------------------------------

    def _write(self, rows: Sequence[int]) -> Iterator[str]:
        if self.scrolls and len(rows) >= _SCROLLED_FROM:
            shift = shifted(self._wanted, self._shown, rows)
            if shift is not None:
                shift.apply(self._shown)
                self._writer.at = None
                rows = sorted({*rows, *range(shift.top, shift.end)})
                yield shift.sequence
        for y in rows:
            wanted, shown = self._wanted[y], self._shown[y]
            if not wanted.same(shown):
                yield from self._writer.row(y, wanted, shown)
                shown.take(wanted)
        # The cursor is hidden: it matters where an input has put it, for what is
        # composed of several keys.
        if self._cursor not in (None, _HOME, self._writer.at):
            yield self._writer.move(*self._cursor)
