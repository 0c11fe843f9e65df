"""Our own Markdown laid out for a screen of any width: headings, text, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest
from textwrap import wrap

from meterdeck.tui.render import Align, cells, fit
from meterdeck.tui.themes import Role

_CELLS = re.compile(r"(?<!\\)\|")
_ESCAPE = re.compile(r"\\(?=[^A-Za-z0-9\s])")
_MARKS = re.compile(r"(?<!\\)(?:\*\*|`)")
_RULE = re.compile(r"[|:\s-]+")
_GAP = "  "
_NARROWEST = 6
_MOST_LINES = 4  # of a row

Laid = tuple[str, Role, bool]
"""A line, its role, and whether it is bold."""


def laid_out(markdown: str, width: int) -> list[Laid]:
    """Return the lines of a text that `handoff_markdown` has written."""
    made: list[Laid] = []
    for is_table, group in groupby(markdown.splitlines(), _is_row):
        lines = list(group)
        made += _table(lines, width) if is_table else _text(lines, width)
    return made


def _is_row(line: str) -> bool:
    return line.startswith("| ")


def _text(lines: Sequence[str], width: int) -> Iterator[Laid]:
    for line in lines:
        if line.startswith("#"):
            yield _plain(line.lstrip("# ")), Role.ACCENT, True
            continue
        indent = "  " if line.startswith("- ") else ""
        role = Role.NEAR if "**" in line else Role.TEXT
        for part in wrap(_plain(line), width, subsequent_indent=indent) or [""]:
            yield part, role, False


def _table(lines: Sequence[str], width: int) -> Iterator[Laid]:
    rows = [_split(line) for line in lines if not _RULE.fullmatch(line)]
    marked = ["**" in line for line in lines if not _RULE.fullmatch(line)]
    right = [each.strip().endswith(":") for each in lines[1].strip("| ").split("|")]
    widths = _widths(rows, width)
    for row, mark in zip(rows, marked, strict=True):
        role = Role.MUTED if row is rows[0] else Role.NEAR if mark else Role.TEXT
        for cut in _cut(row, widths):
            parts = [
                fit(cell, room, Align.RIGHT if to_right else Align.LEFT)
                for cell, room, to_right in zip(cut, widths, right, strict=True)
            ]
            yield _GAP.join(parts).rstrip(), role, False


def _cut(row: Sequence[str], widths: Sequence[int]) -> Iterator[Sequence[str]]:
    """Yield a row's lines: what does not fit its column goes on in the next."""
    columns = [
        wrap(cell, room, max_lines=_MOST_LINES, placeholder="…") or [""]
        for cell, room in zip(row, widths, strict=True)
    ]
    yield from zip_longest(*columns, fillvalue="")


def _split(line: str) -> list[str]:
    return [_plain(cell.strip()) for cell in _CELLS.split(line)[1:-1]]


def _plain(text: str) -> str:
    """Return what Markdown would show of a text of ours."""
    return _ESCAPE.sub("", _MARKS.sub("", text))


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return how wide each column is: what it needs, the widest cut where it must."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    room = width - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return widths
