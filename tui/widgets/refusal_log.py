"""The latest refusals of a tenant: what was used, wanted and allowed, by which rule."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from meterdeck.core.model.decisions import Refusal, RefusalRecord
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.text import visible
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
        self._shown, self._full, self._short = True, False, False
        self._skipped = 0

    def stand(self, *, shown: bool, full: bool, short: bool) -> None:
        """Take part of the screen, or all of it, or none.

        Args:
            shown: Beside others, where there is something to show.
            full: Alone, to be scrolled through.
            short: A few lines only, beside others.
        """
        self._shown, self._full, self._short = shown, full, short
        self._skipped = 0
        self._fit()

    def show(self, refusals: Sequence[RefusalRecord], picture: Picture) -> None:
        """Show refusals, newest first, as far as there is room."""
        self._refusals, self._picture = refusals, picture
        self._fit()

    def scroll_by(self, lines: int) -> None:
        """Move towards older refusals, or newer ones."""
        most = max(len(self._refusals) - self.size.height + 1, 0)
        self._skipped = max(min(self._skipped + lines, most), 0)
        self.repaint()

    def _fit(self) -> None:
        shown = min(len(self._refusals), MOST_SHORT if self._short else MOST)
        self.styles.height = "1fr" if self._full else shown + 1
        self.display = self._full or (self._shown and bool(self._refusals))
        self.repaint()

    def lines(self) -> list[Strip]:
        width, style, picture = self.size.width, self.palette.style, self._picture
        if picture is None:
            return []
        head = Line().add(" Refusals", style(Role.BRIGHT, Ground.BAR, bold=True))
        align_right(head, self._latest(picture), width, style(Role.MUTED, Ground.BAR))
        made = [head.strip(width, style(Role.TEXT, Ground.BAR))]
        if self._full and not self._refusals:
            blank = style(Role.MUTED, self.GROUND)
            text = "no call was refused in the last 35 days"
            line = Line().add(" ", blank).field(text, width - 2, blank)
            return [*made, line.strip(width, blank)]
        room = self.size.height - 1
        shown = self._refusals[self._skipped : self._skipped + room]
        return made + [self._line(each, picture) for each in shown]

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
        called = f"call {visible(refusal.call_id, 64)}" if refusal.call_id else ""
        if self._full and called and cells(called) + 2 <= width - line.width:
            line.add(called, muted)
        return line.strip(width, muted)
