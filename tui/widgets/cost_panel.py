"""What a tenant's running period costs: a line an item, and what they come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
)
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Line, cells
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import LABEL, align_right
from meterdeck.tui.widgets.line_view import Panel

MOST_ITEMS = 6
"""Items that are shown one by one."""
_GAP = 2


@dataclass(frozen=True, slots=True)
class _Column:
    """A column right of the labels; `rank` says which goes first where room is short.

    The first one that does not fit any more is the one with the highest.
    """

    title: str
    rank: int
    of: Callable[[ItemCost], str]
    total: Callable[[CurrencyTotal], str]
    role: Role = Role.TEXT


class CostPanel(Panel):
    """Takes no room before there is something to show."""

    DEFAULT_CSS = "CostPanel { display: none; margin-top: 1; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self.cost: TenantCost | None = None
        """As it was reckoned last."""
        self._problem = ""
        self._picture: Picture | None = None
        self._short = False

    def show(self, cost: TenantCost, picture: Picture, *, short: bool) -> None:
        """Show a cost that was reckoned just now; on a short terminal in one line."""
        self.cost, self._problem = cost, ""
        self._picture, self._short = picture, short
        items = min(len(cost.items), MOST_ITEMS)
        self.styles.height = 1 if short or not items else 1 + items + 2
        self.display = bool(cost.items or cost.problem)
        self.repaint()

    def fail(self, problem: str) -> None:
        """Say why it could not be reckoned; what was known stays."""
        self._problem = problem
        if self.cost is None:
            self.styles.height = 1
            self.display = True
        self.repaint()

    # -- painting ----------------------------------------------------------------

    def _style(self, role: Role, *, bold: bool = False) -> Style:
        return self.palette.style(role, self.GROUND, bold=bold)

    def lines(self) -> list[Strip]:
        cost, width = self.cost, self.size.width
        made = [self._title()]
        if cost is None or self._short or not cost.items:
            return made
        columns = self._fitting(cost)
        widths = [self._wide(each, cost) for each in columns]
        made.append(self._heading(columns, widths))
        made += [self._item(each, columns, widths) for each in cost.items[:MOST_ITEMS]]
        made += [self._total(each, columns, widths) for each in cost.totals[:1]]
        return [each.crop(0, width) for each in made]

    def _title(self) -> Strip:
        width, style = self.size.width, self.palette.style
        line = Line().add(" Cost", style(Role.BRIGHT, Ground.BAR, bold=True))
        line.add("  ", style(Role.TEXT, Ground.BAR))
        role, words = self._said()
        room = width - line.width - 1
        if role is Role.MUTED:
            align_right(line, visible(words, room), width, style(role, Ground.BAR))
        else:
            line.field(words, room, style(role, Ground.BAR))
        return line.strip(width, style(Role.TEXT, Ground.BAR))

    def _said(self) -> tuple[Role, str]:
        """Return what stands beside the title."""
        cost = self.cost
        if self._problem:
            return Role.NEAR, f"! {self._problem}"
        if cost is None:
            return Role.MUTED, "reckoning …"
        if cost.problem:
            return Role.MUTED, cost.problem
        if self._short:
            return Role.TEXT, " · ".join(self._sums(cost))
        notes = [*cost.notes, *(note for each in cost.items for note in _notes(each))]
        if notes:
            return Role.NEAR, f"! {notes[0]}"
        return Role.MUTED, self._period(cost)

    def _sums(self, cost: TenantCost) -> list[str]:
        end = self._end(cost)
        return [
            f"{_at_least(each)}{money_words(each.so_far)} so far"
            + (f" · {money_words(each.at_end)} {end}" if each.at_end else "")
            for each in cost.totals
        ]

    def _period(self, cost: TenantCost) -> str:
        ends = {each.item.end for each in cost.items if each.item.end}
        if len(ends) != 1 or self._picture is None:
            return "before discounts, taxes and credits"
        end, now = ends.pop(), self._picture.now()
        left = phrases.span(end - now)
        return f"period ends {phrases.day(end, now)} in {left} · before taxes, credits"

    def _end(self, cost: TenantCost) -> str:
        ends = {each.item.end for each in cost.items if each.item.end}
        if len(ends) != 1 or self._picture is None:
            return "by the end"
        return f"by {phrases.day(ends.pop(), self._picture.now())}"

    def _columns(self, cost: TenantCost) -> list[_Column]:
        return [
            _Column("used", 3, _used, lambda _: "", Role.MUTED),
            _Column(
                "so far",
                0,
                lambda each: bill_words(each.so_far, each.currency),
                lambda sums: _at_least(sums) + money_words(sums.so_far),
                Role.BRIGHT,
            ),
            _Column(
                self._end(cost),
                1,
                lambda each: bill_words(each.at_end, each.currency),
                lambda sums: money_words(sums.at_end),
            ),
            _Column("next one", 4, lambda each: _money(each, 1), lambda _: ""),
            _Column("next 1,000", 2, lambda each: _money(each, 1000), lambda _: ""),
            _Column(
                "basis",
                5,
                lambda each: BASIS_WORDS[each.measured.basis],
                lambda _: "",
                Role.MUTED,
            ),
        ]

    def _fitting(self, cost: TenantCost) -> list[_Column]:
        columns = self._columns(cost)
        while True:
            needed = LABEL + 2 + sum(self._wide(each, cost) + _GAP for each in columns)
            if needed <= self.size.width or len(columns) == 1:
                return columns
            columns.remove(max(columns, key=lambda each: each.rank))

    def _wide(self, column: _Column, cost: TenantCost) -> int:
        texts = [column.title, *(column.of(each) for each in cost.items)]
        texts += [column.total(each) for each in cost.totals]
        return max(cells(each) for each in texts)

    def _heading(self, columns: list[_Column], widths: list[int]) -> Strip:
        muted = self._style(Role.MUTED)
        line = Line().add(" " * (LABEL + 1), muted)
        for column, width in zip(columns, widths, strict=True):
            line.add(" " * _GAP, muted).field(column.title, width, muted, Align.RIGHT)
        return line.strip(self.size.width, muted)

    def _item(self, item: ItemCost, columns: list[_Column], widths: list[int]) -> Strip:
        line = Line().add(" ", self._style(Role.TEXT))
        line.field(item.label, LABEL, self._style(Role.TEXT))
        if item.problem:
            room = self.size.width - line.width - 3
            line.add(" " * _GAP, self._style(Role.TEXT))
            line.field(f"✗ {item.problem}", room, self._style(Role.NEAR))
            return line.strip(self.size.width, self._style(Role.TEXT))
        for column, width in zip(columns, widths, strict=True):
            style = self._style(column.role)
            line.add(" " * _GAP, style)
            line.field(column.of(item), width, style, Align.RIGHT)
        return line.strip(self.size.width, self._style(Role.TEXT))

    def _total(
        self, total: CurrencyTotal, columns: list[_Column], widths: list[int]
    ) -> Strip:
        bold = self._style(Role.BRIGHT, bold=True)
        line = Line().add(" ", bold).field("together", LABEL, self._style(Role.MUTED))
        for column, width in zip(columns, widths, strict=True):
            line.add(" " * _GAP, bold)
            line.field(column.total(total), width, bold, Align.RIGHT)
        return line.strip(self.size.width, bold)


def _used(item: ItemCost) -> str:
    words = quantity_words(item.measured.quantity)
    return f"{words} {item.unit}".strip() if item.metered else f"× {words}"


def _money(item: ItemCost, units: int) -> str:
    if not item.metered:
        return ""
    return money_words(item.next_unit if units == 1 else item.next_thousand)


def _at_least(total: CurrencyTotal) -> str:
    return "≥ " if total.unknown else ""


def _notes(item: ItemCost) -> list[str]:
    return [f"{item.label}: {note}" for note in (*item.measured.notes, *item.notes)]
