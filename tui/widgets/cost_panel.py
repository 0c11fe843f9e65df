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
from meterdeck.tui.widgets.sheet import Sheet


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
        self._shown, self._full, self._short = True, False, False

    def stand(self, *, shown: bool, full: bool, short: bool) -> None:
        """Take part of the screen, or all of it, or none.

        Args:
            shown: Beside others, where there is something to show.
            full: Alone, with all that there is to say.
            short: In one line, beside others.
        """
        self._shown, self._full, self._short = shown, full, short and not full
        self._fit()

    def show(self, cost: TenantCost, picture: Picture) -> None:
        """Show a cost that was reckoned just now."""
        self.cost, self._problem, self._picture = cost, "", picture
        self._fit()

    def fail(self, problem: str) -> None:
        """Say why it could not be reckoned; what was known stays."""
        self._problem = problem
        self._fit()

    def _fit(self) -> None:
        cost = self.cost
        items = min(len(cost.items), MOST_ITEMS) if cost else 0
        below = 0
        if cost is not None and items and not self._short:
            below = 1 + items + len(cost.totals)
        notes = len(self._notes()) + 1 if self._full else 0
        self.styles.height = 1 + below + notes
        known = bool(self._problem or (cost and (cost.items or cost.problem)))
        self.display = self._full or (self._shown and known)
        self.repaint()

    def _notes(self) -> list[str]:
        cost = self.cost
        return [*cost.notes, *_item_notes(cost)] if cost is not None else []

    def lines(self) -> list[Strip]:
        cost, picture = self.cost, self._picture
        made = [self._title()]
        if cost is None or picture is None or self._short or not cost.items:
            return made
        grid = CostGrid(cost, picture.now(), self.palette, self.size.width)
        made += grid.lines()
        if self._full and (notes := self._notes()):
            sheet = Sheet(self.palette, self.size.width, self.GROUND)
            made += [sheet.blank(), *map(sheet.warning, notes)]
        return made[: self.size.height]

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
            return Role.MUTED, "reading …" if self._full else ""
        if cost.problem:
            return Role.MUTED, cost.problem
        notes = self._notes()
        if self._short:
            sums = _sums(cost, picture)
            return (Role.NEAR, f"{sums}  ! {notes[0]}") if notes else (Role.TEXT, sums)
        if notes and not self._full:
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
