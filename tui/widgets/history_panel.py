"""The history of a tenant: a line for each resource, and one of them in full."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.strip import Strip

from meterdeck.core.model.tenant_history import ResourceHistory, TenantHistory
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.history_lines import HistoryLines
from meterdeck.tui.widgets.line_view import Panel

_TALLEST_CURVE = 16
_LOWEST_CURVE = 5


class HistoryPanel(Panel):
    """Lines of all resources alone, or with the chosen one in full below.

    Args:
        full: Show the chosen one in full.
    """

    DEFAULT_CSS = "HistoryPanel { display: none; }"
    GROUND = Ground.PANEL

    def __init__(self, *, full: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._full = full
        self._history: TenantHistory | None = None
        self._problem = ""
        self._place = 0

    def show(self, history: TenantHistory) -> None:
        """Show a history that was just read."""
        self._history, self._problem = history, ""
        self.repaint()

    def fail(self, problem: str) -> None:
        """Say why it could not be read; what was known stays."""
        self._problem = problem
        self.repaint()

    def choose(self, resources: int) -> None:
        """Choose the next resource, or the one before."""
        known = self._resources
        self._place = max(min(self._place + resources, len(known) - 1), 0)
        self.repaint()

    @property
    def _resources(self) -> Sequence[ResourceHistory]:
        return self._history.resources if self._history else ()

    def lines(self) -> list[Strip]:
        known = self._resources
        painted = HistoryLines(self.palette, self.size.width, self.GROUND)
        made = [painted.heading("Burn rate", "use by day")]
        if said := self._said():
            made.append(self._text(said))
        self._place = min(self._place, max(len(known) - 1, 0))
        for place, each in enumerate(known):
            on = self._full and place == self._place
            made.append(painted.summary(each, chosen=on))
        if self._full and known:
            room = self.size.height - len(made)
            made += self._chosen(painted, known[self._place], room)
        return made[: self.size.height]

    def _said(self) -> str:
        if self._problem:
            return f"! {self._problem}"
        if self._history is None:
            return "reading …"
        return " · ".join(f"! {note}" for note in self._history.notes)

    def _chosen(
        self, painted: HistoryLines, history: ResourceHistory, room: int
    ) -> list[Strip]:
        scale = history.resource.scale
        below = [painted.row("last 24 hours", history.hours(), scale)]
        if not history.usage.period.endless:
            below.append(painted.row("by day", history.days(), scale))
        past = [painted.past(each, history) for each in history.earlier]
        fixed = 2 + len(below) + 1
        most_past = max(room - fixed - _LOWEST_CURVE, 1)
        past = past[:most_past]
        curve = painted.curve(history, min(room - fixed - len(past), _TALLEST_CURVE))
        made = [self._title(history), painted.expected(history), *curve, *below]
        if room - fixed - len(past) > _TALLEST_CURVE:
            made.insert(0, self.blank())
        if past:
            made += [self._text("earlier periods"), *past]
        return made

    def _title(self, history: ResourceHistory) -> Strip:
        style, width = self.palette.style, self.size.width
        label = history.resource.label
        line = Line().add(" ", style(Role.TEXT, Ground.BAR))
        bright = style(Role.BRIGHT, Ground.BAR, bold=True)
        muted = style(Role.MUTED, Ground.BAR)
        line.field(label, min(len(label), 40), bright)
        line.add("  this period" if not history.is_level else "  its level", muted)
        if len(self._resources) > 1:
            align_right(line, "↑↓ another resource", width, muted)
        return line.strip(width, muted)

    def _text(self, text: str) -> Strip:
        muted = self.palette.style(Role.MUTED, self.GROUND)
        line = Line().add(" ", muted).field(text, self.size.width - 2, muted)
        return line.strip(self.size.width, muted)

    def on_click(self, event: events.Click) -> None:
        if self._full and 1 <= event.y <= len(self._resources):
            event.stop()
            self.choose(event.y - 1 - self._place)
