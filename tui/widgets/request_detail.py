"""The chosen request in full: what it changes, why it waits, what came of it."""

from __future__ import annotations

from textual.strip import Strip

from meterdeck.core.model.request_sight import SeenRequest
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.request_cells import state_role
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel
from meterdeck.tui.widgets.sheet import Sheet

_LABEL = 8


class RequestDetail(Panel):
    """A few lines about one request, the most important first."""

    DEFAULT_CSS = "RequestDetail { height: 7; margin-top: 1; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._seen: SeenRequest | None = None
        self._own = ""

    def show(self, seen: SeenRequest | None, picture: Picture) -> None:
        """Show a request; None: none is chosen."""
        self._seen, self._own = seen, picture.context.redis.username
        self.repaint()

    def lines(self) -> list[Strip]:
        seen = self._seen
        if seen is None:
            return []
        sheet = Sheet(self.palette, self.size.width, self.GROUND, label=_LABEL)
        return [
            sheet.title("◆", state_role(seen), seen.what, seen.name),
            sheet.pair("change", seen.change or "–", Role.BRIGHT),
            sheet.pair("state", f"{seen.state}: {seen.says}", state_role(seen)),
            sheet.pair("reason", seen.reason or "–"),
            sheet.pair("asked", _asked(seen)),
            sheet.pair("next", self._next(seen), Role.MUTED),
        ][: self.size.height]

    def _next(self, seen: SeenRequest) -> str:
        if seen.record is None:
            return "enter opens the tenant" if seen.tenant else "–"
        if seen.person == self._own:
            return "it is yours: somebody else approves it; w withdraws it"
        return "a approves it, x rejects it"


def _asked(seen: SeenRequest) -> str:
    said = f"by {seen.person}"
    if seen.at is not None:
        said += f", {phrases.moment(seen.at)} UTC"
    if seen.until is not None:
        said += f"; over at {phrases.moment(seen.until)} UTC"
    return f"{said}; decided by {seen.by}" if seen.by else said
