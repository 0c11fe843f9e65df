"""Rows that moved: a terminal moves them by itself, for a few bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from meterdeck.tui.output.rows import Row

_LEAST = 4
"""Rows that have to move together."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Rows from `top` to before `end` move up by `lines`, down where that is negative.

    The rows that come in are of unknown content.
    """

    top: int
    end: int
    lines: int

    @property
    def sequence(self) -> str:
        """What tells a terminal: margins, lines deleted or inserted, no margins."""
        margins = f"\x1b[{self.top + 1};{self.end}r\x1b[{self.top + 1}H"
        kind = "M" if self.lines > 0 else "L"
        return f"{margins}\x1b[{abs(self.lines)}{kind}\x1b[r"

    def apply(self, rows: list[Row]) -> None:
        """Move the rows of a screen."""
        moved = rows[self.top : self.end]
        cut = self.lines if self.lines > 0 else len(moved) + self.lines
        moved = moved[cut:] + moved[:cut]
        gone = moved[-self.lines :] if self.lines > 0 else moved[: -self.lines]
        for row in gone:
            row.forget()
        rows[self.top : self.end] = moved


def shifted(
    wanted: Sequence[Row], shown: Sequence[Row], rows: Sequence[int]
) -> Shift | None:
    """Return by how much most of `rows` have moved; None where they have not.

    Only whole rows whose every cell is known are moved.
    """
    texts = {y: "".join(shown[y].cells) for y in rows}
    places = {text: y for y, text in texts.items()}
    votes: Counter[int] = Counter()
    voters: dict[int, list[int]] = {}
    for y in rows:
        text = "".join(wanted[y].cells)
        before = places.get(text, y)
        if before != y and text != texts[y] and not text.isspace():
            votes[before - y] += 1
            voters.setdefault(before - y, []).extend((y, before))
    if not votes:
        return None
    (lines, count) = votes.most_common(1)[0]
    top, end = min(voters[lines]), max(voters[lines]) + 1
    if count < max(_LEAST, (end - top) // 3):
        return None
    if not all(wanted[y].known and shown[y].known for y in range(top, end)):
        return None
    return Shift(top, end, lines)
