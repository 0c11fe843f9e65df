"""A cost as a grid: a line an item, a column for each thing there is to say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.style import Style
from textual.strip import Strip

from meterdeck.core.model.costs import CurrencyTotal, ItemCost, TenantCost
from meterdeck.core.model.text import visible
from meterdeck.tui import phrases
from meterdeck.tui.money_words import (
    BASIS_WORDS,
    bill_words,
    money_words,
    quantity_words,
    sum_words,
)
from meterdeck.tui.render import Align, Line, cells
from meterdeck.tui.themes import Ground, Palette, Role
from meterdeck.tui.widgets.counters import LABEL

MOST_ITEMS = 6
"""Items that are shown one by one."""
_GAP = 2
_LONGEST_LABEL = 24
_ROOMY = 100


@dataclass(frozen=True, slots=True)
class _Column:
    """A column right of the names; where room is short the highest rank goes first."""

    title: str
    rank: int
    of: Callable[[ItemCost], str]
    total: Callable[[CurrencyTotal], str] = lambda _: ""
    role: Role = Role.TEXT
    align: Align = Align.RIGHT


class CostGrid:
    """Paints a cost for a width; columns for which there is no room are left out."""

    def __init__(
        self, cost: TenantCost, now: datetime, palette: Palette, width: int
    ) -> None:
        self._cost = cost
        self._palette = palette
        self._width = width
        self._label = self._label_cells()
        self._columns = self._fitting(_columns(end_words(cost, now)))
        self._widths = [self._cells(each) for each in self._columns]

    def lines(self) -> list[Strip]:
        """Return the titles, every item, and what they come to."""
        muted = self._style(Role.MUTED)
        titles = [(each.title, muted) for each in self._columns]
        made = [self._row("", titles, Role.MUTED)]
        made += [self._item(each) for each in self._cost.items[:MOST_ITEMS]]
        return made + [self._total(each) for each in self._cost.totals]

    def _style(self, role: Role, *, bold: bool = False) -> Style:
        return self._palette.style(role, Ground.PANEL, bold=bold)

    def _label_cells(self) -> int:
        """Return the cells of the names: those of the counters', or more."""
        names = [visible(each.label, 64) for each in self._cost.items]
        most = _LONGEST_LABEL if self._width >= _ROOMY else LABEL
        return min(max([LABEL, *map(cells, names)]), most)

    def _fitting(self, columns: list[_Column]) -> list[_Column]:
        while len(columns) > 1:
            needed = self._label + 2 + sum(self._cells(c) + _GAP for c in columns)
            if needed <= self._width:
                break
            columns.remove(max(columns, key=lambda each: each.rank))
        return columns

    def _cells(self, column: _Column) -> int:
        texts = [column.title, *(column.of(each) for each in self._cost.items)]
        texts += [column.total(each) for each in self._cost.totals]
        return max(cells(each) for each in texts)

    def _item(self, item: ItemCost) -> Strip:
        text = self._style(Role.TEXT)
        if not item.problem:
            texts = [(each.of(item), self._style(each.role)) for each in self._columns]
            return self._row(item.label, texts, Role.TEXT)
        line = Line().add(" ", text).field(item.label, self._label, text)
        line.add(" " * _GAP, text)
        room = self._width - line.width - 1
        line.field(f"✗ {item.problem}", room, self._style(Role.NEAR))
        return line.strip(self._width, text)

    def _total(self, total: CurrencyTotal) -> Strip:
        bold = self._style(Role.BRIGHT, bold=True)
        texts = [(each.total(total), bold) for each in self._columns]
        return self._row("together", texts, Role.MUTED)

    def _row(self, label: str, texts: Sequence[tuple[str, Style]], role: Role) -> Strip:
        style = self._style(role)
        line = Line().add(" ", style).field(label, self._label, style)
        rows = zip(self._columns, self._widths, texts, strict=True)
        for column, width, (text, painted) in rows:
            line.add(" " * _GAP, style).field(text, width, painted, column.align)
        return line.strip(self._width, style)


def end_words(cost: TenantCost, now: datetime) -> str:
    """Return by when the forecast is: `by 18 Dec`."""
    ends = {each.item.end for each in cost.items if each.item.end}
    return f"by {phrases.day(ends.pop(), now)}" if len(ends) == 1 else "by the end"


def _columns(by_the_end: str) -> list[_Column]:
    return [
        _Column("used", 3, _used, role=Role.MUTED),
        _Column(
            "so far",
            0,
            lambda each: bill_words(each.so_far, each.currency),
            lambda sums: sum_words(sums.so_far, sums.unknown),
            Role.BRIGHT,
        ),
        _Column(
            by_the_end,
            1,
            lambda each: bill_words(each.at_end, each.currency),
            lambda sums: sum_words(sums.at_end, sums.unknown),
        ),
        _Column("next one", 4, _next_one),
        _Column("next 1,000", 2, _next_thousand),
        _Column("basis", 5, _basis, role=Role.MUTED, align=Align.LEFT),
    ]


def _used(item: ItemCost) -> str:
    words = quantity_words(item.measured.quantity)
    return f"{words} {visible(item.unit, 12)}".strip() if item.metered else f"× {words}"


def _next_one(item: ItemCost) -> str:
    return money_words(item.next_unit) if item.metered else ""


def _next_thousand(item: ItemCost) -> str:
    return money_words(item.next_thousand) if item.metered else ""


def _basis(item: ItemCost) -> str:
    return BASIS_WORDS[item.measured.basis]
