"""What a command prints: calm aligned text for people, one JSON object for programs.

Every text that is printed passes `visible` here, so nothing from outside can act on
the terminal; colour is added after that.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO
from unicodedata import combining, east_asian_width

from meterdeck.core.model.text import visible
from meterdeck.tui.cli.streams import abandon

_BAR_CELLS = 20
_LEAST_BAR = 8
_LEAST_TEXT = 8
_LEAST_LINE = 24
_LONGEST = 2000


class Tone(StrEnum):
    """A colour's meaning, as the number of its terminal colour."""

    PLAIN = ""
    BOLD = "1"
    FAINT = "2"
    LOW = "34"
    NEAR = "33"
    HIGH = "31"
    GOOD = "32"


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of text with its tone.

    Attributes:
        right: Aligned to the right of its column, and never cut.
        firm: Never cut.
        share: Percent, for a bar that is drawn as wide as its column.
    """

    text: str
    tone: Tone = Tone.PLAIN
    right: bool = False
    firm: bool = False
    share: int | None = None


Row = Sequence[Cell | str]


class Output:
    """Where a command's answer goes.

    Colour is used on a terminal only, and never with NO_COLOR or TERM=dumb.

    What cannot be written stops nothing: a change that was begun is brought to its end,
    whoever has left meanwhile.

    Attributes:
        lost: Why something could not be written; nothing is written after it.
    """

    def __init__(self, *, as_json: bool, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self.lost: OSError | None = None
        self._stream = sys.stdout if stream is None else stream
        self._colour = self._stream.isatty() and not _colourless()
        self._unicode = _takes_unicode(self._stream)

    def object(self, form: Mapping[str, object]) -> None:
        """Print one JSON object on a line of its own, in ASCII."""
        self._write(json.dumps(form))

    def line(self, *pieces: Cell | str) -> None:
        """Print one line."""
        self._write("".join(self._painted(_cell(piece)) for piece in pieces))

    def exactly(self, text: str) -> None:
        """Print a file's text whole: nothing in it may act on a terminal.

        Where the stream takes no Unicode, other letters are written as `\\U000000E9`.
        """
        if not self._unicode:
            text = "".join(c if c.isascii() else f"\\U{ord(c):08X}" for c in text)
        self._put(text)

    def table(self, rows: Sequence[Row], *, indent: int = 0) -> None:
        """Print rows with their columns aligned, two blanks between them.

        On a terminal a row takes one line: bars get shorter, then texts are cut.
        """
        cells = [[_cell(piece) for piece in row] for row in rows]
        widths = self._widths(cells, indent)
        for row in cells:
            parts = [self._padded(cell, widths[i]) for i, cell in enumerate(row)]
            self._write((" " * indent + "  ".join(parts)).rstrip())

    def wrapped(self, text: str, *, indent: int = 0) -> list[str]:
        """Return `text` in lines that fit beside a margin of `indent` blanks."""
        return textwrap.wrap(text, max(self._columns() - indent, _LEAST_LINE))

    def bar(self, percent: int | None) -> Cell:
        """Return a bar of at most twenty cells; blank where there is no share."""
        if percent is None:
            return Cell("")
        return Cell("", tone_of(percent), share=percent)

    def _widths(self, cells: Sequence[Sequence[Cell]], indent: int) -> list[int]:
        columns = max(map(len, cells), default=0)
        kinds = [[row[i] for row in cells if i < len(row)] for i in range(columns)]
        widths = [max(map(_wanted, column)) for column in kinds]
        room = self._columns() - indent - 2 * (columns - 1)
        bars = [any(c.share is not None for c in column) for column in kinds]
        firm = [any(c.right or c.firm for c in column) for column in kinds]
        _take(widths, room, [i for i in range(columns) if bars[i]], _LEAST_BAR)
        cuttable = [i for i in range(columns) if not (bars[i] or firm[i])]
        _take(widths, room, cuttable, _LEAST_TEXT)
        return widths

    def _columns(self) -> int:
        """Return the terminal's width; elsewhere lines may be as long as they are."""
        if not self._stream.isatty():
            return _LONGEST
        return shutil.get_terminal_size().columns

    def _drawn(self, share: int, cells: int) -> str:
        full, rest = ("█", "░") if self._unicode else ("#", "-")
        filled = min(cells, share * cells // 100)
        filled = max(filled, 1) if share > 0 else filled
        return full * filled + rest * (cells - filled)

    def flush(self) -> None:
        """Hand on what was printed, to a reader that waits for it."""
        self._put("", flush=True)

    def _padded(self, cell: Cell, width: int) -> str:
        text = _shown(cell)
        if cell.share is not None:
            text = self._drawn(cell.share, width)
        elif width_of(text) > width:
            text = _cut(text, width)
        gap = " " * (width - width_of(text))
        painted = self._tinted(text, cell.tone)
        return gap + painted if cell.right else painted + gap

    def _painted(self, cell: Cell) -> str:
        return self._tinted(_shown(cell), cell.tone)

    def _tinted(self, text: str, tone: Tone) -> str:
        if not self._colour or not tone or not text:
            return text
        return f"\x1b[{tone}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        if not self._unicode:
            text = text.encode("ascii", "replace").decode()
        self._put(text + "\n")

    def _put(self, text: str, *, flush: bool = False) -> None:
        if self.lost is not None:
            return
        try:
            self._stream.write(text)
            if flush:
                self._stream.flush()
        except OSError as error:
            self.lost = error


def note(text: str) -> None:
    """Tell the person something that is not part of the answer, if anybody listens."""
    try:
        sys.stderr.write(visible(text, _LONGEST) + "\n")
    except OSError:
        abandon(sys.stderr)


def tone_of(percent: int) -> Tone:
    """Return the tone of a share: near above 70 %, high above 90 %."""
    if percent > 90:
        return Tone.HIGH
    return Tone.NEAR if percent > 70 else Tone.LOW


def width_of(text: str) -> int:
    """Return how many cells of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(ch) else 2 if east_asian_width(ch) in "WF" else 1 for ch in text
    )


def _cell(piece: Cell | str) -> Cell:
    return piece if isinstance(piece, Cell) else Cell(piece)


def _shown(cell: Cell) -> str:
    return visible(cell.text, _LONGEST)


def _wanted(cell: Cell) -> int:
    return _BAR_CELLS if cell.share is not None else width_of(_shown(cell))


def _take(widths: list[int], room: int, columns: Sequence[int], least: int) -> None:
    """Narrow the widest of `columns` until all fit in `room`, none below `least`."""
    while columns and sum(widths) > room:
        widest = max(columns, key=lambda i: widths[i])
        if widths[widest] <= least:
            return
        widths[widest] -= 1


def _cut(text: str, width: int) -> str:
    """Cut to `width` cells, the last of them a mark that something is missing."""
    kept, used = "", 1
    for ch in text:
        used += width_of(ch)
        if used > width:
            break
        kept += ch
    return kept + "…"


def _colourless() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def _takes_unicode(stream: TextIO) -> bool:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "") in ("utf8", "utf16", "utf32")
