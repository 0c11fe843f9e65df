"""What a tenant's running period costs: its items, or on a short terminal their sum."""

from __future__ import annotations

from textual.strip import Strip

from meterdeck.core.model.costs import TenantCost
from meterdeck.core.model.text import visible
from meterdeck.tui import phrases
from meterdeck.tui.money_words import sum_words
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.cost_grid import MOST_ITEMS, CostGrid, end_words
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import Panel


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
        below = 0 if short or not items else 1 + items + len(cost.totals)
        self.styles.height = 1 + below
        self.display = bool(cost.items or cost.problem)
        self.repaint()

    def fail(self, problem: str) -> None:
        """Say why it could not be reckoned; what was known stays."""
        self._problem = problem
        if self.cost is None:
            self.styles.height = 1
            self.display = True
        self.repaint()

    def lines(self) -> list[Strip]:
        cost, picture = self.cost, self._picture
        made = [self._title()]
        if cost is None or picture is None or self._short or not cost.items:
            return made
        grid = CostGrid(cost, picture.now(), self.palette, self.size.width)
        return [*made, *grid.lines()][: self.size.height]

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
        """Return what stands beside the title; what is wrong before all else."""
        cost, picture = self.cost, self._picture
        if self._problem:
            return Role.NEAR, f"! {self._problem}"
        if cost is None or picture is None:
            return Role.MUTED, ""
        if cost.problem:
            return Role.MUTED, cost.problem
        notes = [*cost.notes, *_item_notes(cost)]
        if self._short:
            sums = _sums(cost, picture)
            return (Role.NEAR, f"{sums}  ! {notes[0]}") if notes else (Role.TEXT, sums)
        if notes:
            return Role.NEAR, f"! {notes[0]}"
        return Role.MUTED, _period(cost, picture)


def _sums(cost: TenantCost, picture: Picture) -> str:
    end = end_words(cost, picture.now())
    parts = []
    for each in cost.totals:
        parts.append(f"{sum_words(each.so_far, each.unknown)} so far")
        if each.at_end:
            parts.append(f"{sum_words(each.at_end, each.unknown)} {end}")
    return " · ".join(parts)


def _period(cost: TenantCost, picture: Picture) -> str:
    ends = {each.item.end for each in cost.items if each.item.end}
    if len(ends) != 1:
        return "before discounts and taxes"
    end, now = ends.pop(), picture.now()
    left = phrases.span(end - now)
    return f"until {phrases.day(end, now)}, {left} left · before discounts and taxes"


def _item_notes(cost: TenantCost) -> list[str]:
    return [
        f"{each.label}: {note}"
        for each in cost.items
        for note in (*each.measured.notes, *each.notes)
    ]
