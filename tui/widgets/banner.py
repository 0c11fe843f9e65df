"""One line across the screen while something is wrong; gone when it is not."""

from __future__ import annotations

from textual.strip import Strip

from meterdeck.core.model.fleet_update import Reach
from meterdeck.core.model.text import visible
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import LineView


class Banner(LineView):
    """Says that Redis does not answer, since when, and how old the picture is."""

    DEFAULT_CSS = "Banner { display: none; }"
    GROUND = Ground.ALARM

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def show(self, picture: Picture) -> None:
        """Show what is wrong in a picture, or hide."""
        self.text = trouble(picture)
        if self.display != bool(self.text):
            self.display = bool(self.text)
        self.repaint()

    def draw(self, y: int) -> Strip:
        style = self.palette.style(Role.BRIGHT, Ground.ALARM)
        mark = self.palette.style(Role.HIGH, Ground.ALARM, bold=True)
        line = Line().add(" ✗ ", mark).field(self.text, self.size.width - 3, style)
        return line.strip(self.size.width, style)


def trouble(picture: Picture) -> str:
    """Return what is wrong with Redis in one sentence; "" while it answers."""
    health = picture.redis
    if health.reach is not Reach.DOWN:
        return ""
    if health.last_ok is None:
        why = f": {visible(health.message, 160)}" if health.message else ""
        return f"Redis does not answer{why} – trying again"
    age = ""
    if picture.counters_at is not None:
        old = phrases.ago(picture.now() - picture.counters_at)
        age = f" – showing the picture of {old} ago"
    return f"Redis does not answer since {phrases.clock(health.last_ok)}{age}"
