"""What a command prints: calm aligned text for people, one JSON object for programs.

Every text that is printed passes `visible` here, so nothing from outside can act on
the terminal; colour is added after that.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO
from unicodedata import combining, east_asian_width

from meterdeck.core.model.text import visible

_BAR_CELLS = 20
_LONGEST = 2000


class Tone(StrEnum):
    """A colour's meaning, as the number of its terminal colour."""

    PLAIN = ""
    FAINT = "2"
    LOW = "34"
    NEAR = "33"
    HIGH = "31"
    GOOD = "32"


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of text with its tone; `right` aligns it in its column."""

    text: str
    tone: Tone = Tone.PLAIN
    right: bool = False


Row = Sequence[Cell | str]


class Output:
    """Where a command's answer goes.

    Colour is used on a terminal only, and never with NO_COLOR or TERM=dumb.
    """

    def __init__(self, *, as_json: bool, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = sys.stdout if stream is None else stream
        self._colour = self._stream.isatty() and not _colourless()
        self._unicode = _takes_unicode(self._stream)

    def object(self, form: Mapping[str, object]) -> None:
        """Print one JSON object on a line of its own, in ASCII."""
        self._write(json.dumps(form))

    def line(self, *pieces: Cell | str) -> None:
        """Print one line."""
        self._write("".join(self._painted(_cell(piece)) for piece in pieces))

    def table(self, rows: Sequence[Row], *, indent: int = 0) -> None:
        """Print rows with their columns aligned, two blanks between them."""
        cells = [[_cell(piece) for piece in row] for row in rows]
        columns = max(map(len, cells), default=0)
        widths = [
            max(width_of(_shown(row[i])) for row in cells if i < len(row))
            for i in range(columns)
        ]
        for row in cells:
            parts = [self._padded(cell, widths[i]) for i, cell in enumerate(row)]
            self._write((" " * indent + "  ".join(parts)).rstrip())

    def bar(self, percent: int | None) -> Cell:
        """Return a bar of twenty cells; blank where there is no share to show."""
        if percent is None:
            return Cell("")
        full, rest = ("█", "░") if self._unicode else ("#", "-")
        filled = min(_BAR_CELLS, percent * _BAR_CELLS // 100)
        filled = max(filled, 1) if percent > 0 else filled
        return Cell(full * filled + rest * (_BAR_CELLS - filled), tone_of(percent))

    def flush(self) -> None:
        """Hand on what was printed, to a reader that waits for it."""
        self._stream.flush()

    def _padded(self, cell: Cell, width: int) -> str:
        gap = " " * (width - width_of(_shown(cell)))
        painted = self._painted(cell)
        return gap + painted if cell.right else painted + gap

    def _painted(self, cell: Cell) -> str:
        text = _shown(cell)
        if not self._colour or not cell.tone or not text:
            return text
        return f"\x1b[{cell.tone}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        if not self._unicode:
            text = text.encode("ascii", "replace").decode()
        self._stream.write(text + "\n")


def note(text: str) -> None:
    """Tell the person something that is not part of the answer."""
    sys.stderr.write(visible(text, _LONGEST) + "\n")


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


def _colourless() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def _takes_unicode(stream: TextIO) -> bool:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "") in ("utf8", "utf16", "utf32")
