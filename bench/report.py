"""What a measurement yields, and the table made of it."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


@dataclass(frozen=True, slots=True)
class Spread:
    """Median of the rounds, with the smallest and the largest."""

    median: float
    low: float
    high: float

    def shown(self, unit: str = "") -> str:
        """Write the three in one cell: `0.93 (0.81–1.02) unit`."""
        low, middle, high = map(number, (self.low, self.median, self.high))
        range_ = f" ({low}–{high})" if low != high else ""
        return f"{middle}{range_}" + (f" {unit}" if unit else "")


@dataclass(frozen=True, slots=True)
class Target:
    """A bound to reach; `at_most` tells from which side."""

    bound: float
    at_most: bool = False
    unit: str = ""

    def shown(self, value: float) -> str:
        """Write the bound and whether `value` keeps it."""
        kept = value <= self.bound if self.at_most else value >= self.bound
        sign = "≤ " if self.at_most else "≥ "
        bound = f"{sign if self.bound else ''}{number(self.bound)} {self.unit}".rstrip()
        return f"{bound}: {'met' if kept else 'missed'}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        what: What was measured.
        result: The figure that counts: a ratio, or an amount that no load changes.
        unit: The result's unit; `×` for a ratio.
        against: What a ratio is measured against, in the same round.
        measured: The two sides as they were, for scale only.
    """

    what: str
    result: Spread
    unit: str = "×"
    against: str = ""
    measured: str = ""
    target: Target | None = None

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the line's cells, in the order of `HEADINGS`."""
        target = self.target.shown(self.result.median) if self.target else ""
        result = self.result.shown(self.unit)
        return self.what, result, self.against, self.measured, target


HEADINGS = ("what", "median (min–max)", "against", "measured", "target")


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the run.

    Attributes:
        name: As given to `--only`, and in the page's markers.
        note: How it was measured, with the versions: one paragraph.
    """

    name: str
    note: str
    rows: Sequence[Row]

    def markdown(self) -> str:
        """Return the note and the table."""
        lines = [self.note, "", _line(HEADINGS), _line(["---"] * len(HEADINGS))]
        return "\n".join([*lines, *(_line(row.cells()) for row in self.rows)])

    def plain(self) -> str:
        """Return the note and a line a row, for a terminal."""
        lines = [self.name, self.note]
        for row in self.rows:
            what, result, against, _, target = row.cells()
            about = f"{what} / {against}" if against else what
            lines.append(
                f"  {result:<30} {about}" + (f"  [{target}]" if target else "")
            )
        return "\n".join(lines).replace("`", "")


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of one figure's rounds."""
    return Spread(statistics.median(values), min(values), max(values))


def ratios(ours: Sequence[float], reference: Sequence[float]) -> Spread:
    """Return the spread of ours/reference, each pair taken in the same round."""
    return spread([a / b for a, b in zip(ours, reference, strict=True)])


def number(value: float) -> str:
    """Write a figure with as many digits as a noisy machine deserves."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def write_page(section: Section, page: Path = PAGE) -> None:
    """Replace what stands between the section's markers in `page`.

    Raises:
        ValueError: The page has no such markers.
    """
    begin, end = f"<!-- bench:{section.name} -->", f"<!-- /bench:{section.name} -->"
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    new = f"{begin}\n{section.markdown()}\n{end}"
    text, found = pattern.subn(lambda _: new, text)
    if found != 1:
        raise ValueError(f"{page.name} must hold {begin} … {end} exactly once")
    page.write_text(text, encoding="utf-8")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
