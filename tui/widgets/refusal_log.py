"""The latest refusals of a tenant: what was used, wanted and allowed, by which rule."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from meterdeck.core.model.decisions import Refusal, RefusalRecord
from meterdeck.core.model.quantity import group_quantity
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Line, cells
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import Panel

MOST, MOST_SHORT = 6, 2
"""Refusals that are shown, on a tall and on a short terminal."""
_LABEL = 10
_WORDS = {
    Refusal.OVER_LIMIT: "too little left",
    Refusal.LARGER_THAN_LIMIT: "more than the limit",
    Refusal.BLOCKED: "blocked",
}


class RefusalLog(Panel):
    """One line a refusal, newest on top; takes no room where there is none."""

    DEFAULT_CSS = "RefusalLog { display: none; margin-bottom: 1; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._refusals: Sequence[RefusalRecord] = ()
        self._picture: Picture | None = None

    def show(
        self, refusals: Sequence[RefusalRecord], picture: Picture, *, short: bool
    ) -> None:
        """Show refusals, newest first, as far as a terminal has room."""
        self._refusals, self._picture = refusals, picture
        shown = min(len(refusals), MOST_SHORT if short else MOST)
        self.styles.height = shown + 1
        self.display = bool(refusals)
        self.repaint()

    def lines(self) -> list[Strip]:
        width, style, picture = self.size.width, self.palette.style, self._picture
        if picture is None:
            return []
        head = Line().add(" Refusals", style(Role.BRIGHT, Ground.BAR, bold=True))
        align_right(head, self._latest(picture), width, style(Role.MUTED, Ground.BAR))
        made = [head.strip(width, style(Role.TEXT, Ground.BAR))]
        return made + [self._line(each, picture) for each in self._refusals]

    def _latest(self, picture: Picture) -> str:
        if not self._refusals:
            return ""
        return f"the last {phrases.ago(picture.now() - self._refusals[0].at)} ago"

    def _line(self, refusal: RefusalRecord, picture: Picture) -> Strip:
        width, style = self.size.width, self.palette.style
        text, muted = style(Role.TEXT, self.GROUND), style(Role.MUTED, self.GROUND)
        column = picture.fleet.column_of(refusal.resource)
        known = picture.fleet.resources[column] if column >= 0 else None
        scale = known.scale if known else 0
        before, cost, limit = (
            group_quantity(units, scale)
            for units in (refusal.before, refusal.cost, refusal.limit)
        )
        line = Line().add(f" {phrases.recent(refusal.at, picture.now())} ", muted)
        line.add("✗ ", style(Role.HIGH, self.GROUND))
        label = known.label if known else refusal.resource
        line.field(label, _LABEL, text).add(" ", text)
        sum_ = f"{before} + {cost} > {limit}"
        line.add(f"{sum_}  ", text)
        for words in (_WORDS[refusal.reason], refusal.source.value):
            if cells(words) + 2 <= width - line.width:
                line.add(f"{words}  ", muted)
        return line.strip(width, muted)
