"""Two costs side by side: as it is, and as it would be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from textual.strip import Strip

from meterdeck.core.model.costs import Comparison, CurrencyTotal
from meterdeck.core.model.money import Money
from meterdeck.tui.money_words import NOTHING, bill_words, money_words, sum_words
from meterdeck.tui.render import Align, Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel

MOST_ITEMS = 5
_NAME = 22
_MONEY = 15


@dataclass(frozen=True, slots=True)
class _Row:
    """A name, and what it comes to so far and at the end."""

    name: str
    so_far: str
    at_end: str
    role: Role
    bold: bool = False


class ComparisonView(Panel):
    """The items as they would be, their sum, and how it differs."""

    DEFAULT_CSS = "ComparisonView { height: 1; margin-top: 1; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[_Row] = []

    def show(self, found: Comparison) -> None:
        """Show what would be different."""
        self._rows = list(_rows(found))
        self.styles.height = len(self._rows)
        self.repaint()

    def lines(self) -> list[Strip]:
        return [self._line(each) for each in self._rows]

    def _line(self, row: _Row) -> Strip:
        style = self.palette.style(row.role, self.GROUND, bold=row.bold)
        line = Line().field(row.name, _NAME, style)
        for text in (row.so_far, row.at_end):
            line.field(text, _MONEY, style, Align.RIGHT)
        return line.strip(self.size.width, style)


def _rows(found: Comparison) -> Iterator[_Row]:
    yield _Row("", "so far", "by the end", Role.MUTED)
    for item in found.after.items[:MOST_ITEMS]:
        so_far = bill_words(item.so_far, item.currency)
        at_end = bill_words(item.at_end, item.currency)
        if item.problem:
            yield _Row(f"✗ {item.label}", NOTHING, NOTHING, Role.NEAR)
        else:
            yield _Row(item.label, so_far, at_end, Role.TEXT)
    before = {each.so_far.currency: each for each in found.before.totals}
    for total in found.after.totals[:1]:
        yield _sum("together", total, Role.BRIGHT)
        was = before.get(total.so_far.currency)
        if was is not None:
            yield _sum("as it is", was, Role.MUTED)
            yield _Row(
                "difference",
                change_words(was.so_far, total.so_far),
                change_words(was.at_end, total.at_end),
                Role.ACCENT,
            )


def _sum(name: str, total: CurrencyTotal, role: Role) -> _Row:
    so_far = sum_words(total.so_far, total.unknown)
    at_end = sum_words(total.at_end, total.unknown)
    return _Row(name, so_far, at_end, role, bold=role is Role.BRIGHT)


def change_words(before: Money | None, after: Money | None) -> str:
    """Return a difference with its sign; a dash where it cannot be told."""
    if before is None or after is None:
        return NOTHING
    changed = Money(after.amount - before.amount, before.currency)
    return ("+" if changed.amount > 0 else "") + money_words(changed)
