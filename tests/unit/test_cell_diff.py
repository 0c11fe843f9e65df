"""Frames made small: the terminal shows what it would have shown without that."""

from __future__ import annotations

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from meterdeck.tui.output.cell_diff import CellDiff

WIDTH, HEIGHT = 12, 9
_PENS = ("", "1", "38;2;1;2;3", "1;38;2;1;2;3;48;2;4;5;6", "31;48;5;7", "4;32", "7")
_WORDS = ("ab", "   ", "━╸─", "c d", "x", "é·", "    12%")
_WIDE = ("計", "漢字ab", "e\u0301", "☎ ")

Piece = tuple[str, str]
"""A pen and a text."""


def frame(rows: dict[int, list[Piece]], x: int = 0) -> str:
    """Write a frame as Textual does: each piece with all its pen, and a reset."""
    lines = []
    for y, pieces in sorted(rows.items()):
        written = "".join(
            f"\x1b[{pen}m{text}\x1b[0m" if pen else text for pen, text in pieces
        )
        lines.append(f"\x1b[{y + 1};{x + 1}H{written}")
    return "\n".join(lines) + "\x1b[1;1H"


def piece(words: tuple[str, ...]) -> st.SearchStrategy[Piece]:
    """A piece of a line."""
    return st.tuples(st.sampled_from(_PENS), st.sampled_from(words))


@st.composite
def whole_lines(draw: st.DrawFn) -> str:
    """A frame of some whole lines, with any text."""
    rows = {}
    for y in sorted(draw(st.sets(st.integers(0, HEIGHT - 1), min_size=1))):
        pieces, room = [], WIDTH
        for pen, text in draw(st.lists(piece(_WORDS + _WIDE), max_size=4)):
            if cell_len(text) <= room:
                pieces.append((pen, text))
                room -= cell_len(text)
        rows[y] = [*pieces, ("", " " * room)] if room else pieces
    return frame(rows)


@st.composite
def moved_lines(draw: st.DrawFn) -> str:
    """A frame in which lines that differ have moved by some lines."""
    first = draw(st.integers(0, 4))
    cursor = draw(st.integers(0, HEIGHT - 1))
    rows = {
        y: [("7" if y == cursor else "1", f"line {first + y:<{WIDTH - 5}}")]
        for y in range(HEIGHT)
    }
    return frame(rows)


@st.composite
def bits(draw: st.DrawFn) -> str:
    """A frame of a few cells somewhere, of characters that take one cell."""
    pen, text = draw(piece(_WORDS))
    y, x = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - len(text)))
    return frame({y: [(pen, text)]}, x)


class Shown:
    """A terminal without line wrap, as Textual sets it."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self._stream = pyte.Stream(self.screen)
        self._stream.feed("\x1b[?7l")

    def feed(self, data: str) -> None:
        """Take what a program writes; a line feed does not return the carriage."""
        self._stream.feed(data)

    def looks(self) -> list[list[tuple[object, ...]]]:
        """Return what an eye sees of each cell."""
        return [
            [_look(self.screen.buffer[y][x]) for x in range(WIDTH)]
            for y in range(HEIGHT)
        ]


def _look(cell: pyte.screens.Char) -> tuple[object, ...]:
    seen = (cell.data, cell.bg, cell.reverse, cell.underscore)
    return (
        seen if cell.data == " " and not cell.reverse else (*seen, cell.fg, cell.bold)
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(whole_lines(), moved_lines(), bits()), max_size=5))
def test_less_is_written_and_the_same_is_seen(frames: list[str]) -> None:
    """After each frame, whether rows have moved, are wide, or stay as they are."""
    raw, reduced = Shown(), Shown()
    diff = CellDiff(WIDTH, HEIGHT)
    for each in [frame(_blank()), *frames]:
        raw.feed(each)
        reduced.feed(less := diff.reduce(each))
        assert reduced.looks() == raw.looks(), (each, less)
        assert diff.reduce(each) == ""


def _blank() -> dict[int, list[Piece]]:
    return {y: [("", " " * WIDTH)] for y in range(HEIGHT)}


def test_a_list_that_scrolls_is_moved_by_the_terminal() -> None:
    """A line further costs the new line, and not the list."""
    diff = CellDiff(WIDTH, HEIGHT)
    lines = [[("38;2;1;2;3", f"line {n:<{WIDTH - 5}}")] for n in range(HEIGHT + 1)]
    diff.reduce(frame(dict(enumerate(lines[:-1]))))

    scrolled = diff.reduce(frame(dict(enumerate(lines[1:]))))

    assert scrolled == f"\x1b[1;{HEIGHT}r\x1b[1H\x1b[1M\x1b[r\x1b[{HEIGHT}Hline 9      "


def test_what_is_no_frame_is_sent_as_it_is_and_what_follows_is_sent_whole() -> None:
    """The other screen is on: nobody knows what it shows."""
    diff = CellDiff(WIDTH, HEIGHT)
    line = frame({2: [("31", "word")]})
    first = diff.reduce(line)

    assert diff.reduce("\x1b[?1049h") == "\x1b[0m\x1b[?1049h"
    assert diff.reduce(line) == first


def test_what_shows_nothing_leaves_the_picture_alone() -> None:
    """Clipboard, bell, mouse; and marks around a frame that changes nothing."""
    diff = CellDiff(WIDTH, HEIGHT)
    line = frame({2: [("31", "word")]})
    diff.reduce(line)

    assert diff.reduce("\x1b]52;c;YQ==\x07") == "\x1b]52;c;YQ==\x07"
    begin, end = "\x1b[?2026h", "\x1b[?2026l"
    assert [diff.reduce(each) for each in (begin, line, end)] == ["", "", ""]
    other = frame({2: [("31", "ward")]})
    assert [diff.reduce(each) for each in (begin, other, end)] == [
        "",
        f"{begin}\x1b[2Ga",
        end,
    ]
