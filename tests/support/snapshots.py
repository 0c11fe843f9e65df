"""Snapshots of a screen as text: what is written, and in which colours.

A snapshot is a file that can be read and compared: the lines of the screen, then for
each line its runs of style. Styles are numbered in the order in which they appear, so a
line like `2a 76b` says that two cells look one way and 76 another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from string import ascii_letters

from rich.style import Style
from textual.app import App
from textual.strip import Strip


def picture_of(app: App[int]) -> tuple[list[str], list[str]]:
    """Return the screen's lines, and the runs of style under a legend."""
    strips = app.screen._compositor.render_strips()
    lines = ["".join(s.text for s in strip).rstrip() for strip in strips]
    return lines, _styles(strips)


def _styles(strips: Sequence[Strip]) -> list[str]:
    letters: dict[str, str] = {}
    runs = []
    for strip in strips:
        parts: list[tuple[str, int]] = []
        for segment in strip:
            look = _look(segment.style)
            letter = letters.setdefault(look, _letter(len(letters)))
            if parts and parts[-1][0] == letter:
                parts[-1] = (letter, parts[-1][1] + segment.cell_length)
            else:
                parts.append((letter, segment.cell_length))
        runs.append(" ".join(f"{length}{letter}" for letter, length in parts))
    legend = [f"{letter} = {look}" for look, letter in letters.items()]
    return [*legend, *_counted(runs)]


def _letter(number: int) -> str:
    first, rest = divmod(number, len(ascii_letters))
    return ascii_letters[rest] + ("'" * first)


def _look(style: Style | None) -> str:
    if style is None:
        return "plain"
    colours = [each.name if each else "none" for each in (style.color, style.bgcolor)]
    marks = [
        name for name in ("bold", "dim", "reverse", "underline") if getattr(style, name)
    ]
    return " ".join([f"{colours[0]} on {colours[1]}", *marks])


def _counted(runs: Iterable[str]) -> list[str]:
    """Write lines that look the same once, with how many there are."""
    written: list[tuple[str, int]] = []
    for run in runs:
        if written and written[-1][0] == run:
            written[-1] = (run, written[-1][1] + 1)
        else:
            written.append((run, 1))
    return [f"{count} × {run}" if count > 1 else run for run, count in written]


def compare(path: Path, text: str, *, update: bool) -> str:
    """Return how a snapshot differs from its file, "" where it does not.

    Args:
        update: Write the file instead.
    """
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return ""
    kept = path.read_text() if path.exists() else ""
    if kept == text:
        return ""
    old, new = kept.split("\n"), text.split("\n")
    for number in range(max(len(old), len(new))):
        was = old[number] if number < len(old) else "nothing"
        now = new[number] if number < len(new) else "nothing"
        if was != now:
            return f"{path.name}, line {number + 1}:\n  was {was}\n  is  {now}"
    return f"{path.name} differs"
