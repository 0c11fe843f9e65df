"""One line across the screen while something is wrong; gone when it is not."""

from __future__ import annotations

from textual.strip import Strip

from meterdeck.core.model.context import unverified
from meterdeck.core.model.degraded import SpoolSight
from meterdeck.core.model.fleet_update import Reach
from meterdeck.core.model.text import visible
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import LineView

NEARLY_FULL = 90
"""Percent of its room from which on a spool is about to refuse calls."""


class Banner(LineView):
    """Says that Redis does not answer, what waits on disk, which alerts are open."""

    DEFAULT_CSS = "Banner { display: none; }"
    GROUND = Ground.ALARM

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._loud = True
        self._critical = False

    def show(self, picture: Picture) -> None:
        """Show what is wrong in a picture, or hide."""
        away, waiting = trouble(picture), spooled(picture.spool)
        open_to_others = unverified(picture.context)
        self.text = " · ".join(filter(None, (away, waiting, open_to_others)))
        self._loud = bool(away) or _is_full(picture.spool)
        self._alerting(picture)
        if self.display != bool(self.text):
            self.display = bool(self.text)
        self.repaint()

    def _alerting(self, picture: Picture) -> None:
        """Say which alerts are open, after what is wrong."""
        self._critical = False
        if picture.alerts is None or not picture.alerts.open:
            return
        # Most consoles never need it, and their start should not pay for it.
        from meterdeck.tui.alert_words import is_loud, on_every_screen  # noqa: PLC0415

        self._critical = is_loud(picture)
        self.text = " · ".join(filter(None, (self.text, on_every_screen(picture))))

    def draw(self, y: int) -> Strip:
        ground = Ground.ALARM if self._loud else Ground.BAR
        sign, role = (" ✗ ", Role.HIGH) if self._loud else (" ! ", Role.NEAR)
        if self._critical and not self._loud:
            role = Role.HIGH
        style = self.palette.style(Role.BRIGHT if self._loud else Role.TEXT, ground)
        mark = self.palette.style(role, ground, bold=True)
        line = Line().add(sign, mark).field(self.text, self.size.width - 3, style)
        return line.strip(self.size.width, style)


def trouble(picture: Picture) -> str:
    """Return what is wrong with Redis in one sentence; "" while it answers."""
    health = picture.redis
    if health.reach is not Reach.DOWN:
        return ""
    if health.last_ok is None:
        why = visible(health.message, 160) or "Redis does not answer"
        return f"{why} – trying again"
    age = ""
    if picture.counters_at is not None:
        old = phrases.ago(picture.now() - picture.counters_at)
        age = f" – showing the picture of {old} ago"
    return f"Redis does not answer since {phrases.clock(health.last_ok)}{age}"


def spooled(spool: SpoolSight | None) -> str:
    """Return what waits on this machine's disk in one sentence; "" for nothing."""
    if spool is None:
        return ""
    if not spool.calls:
        return "calls were put aside: meterdeck spool" if spool.put_aside else ""
    about = "" if spool.exact else "about "
    verb = "waits" if spool.calls == 1 else "wait"
    said = f"{about}{phrases.counted(spool.calls, 'call')} {verb} on this disk"
    if spool.oldest_at is not None:
        said += f" since {phrases.clock(spool.oldest_at)}"
    if _is_full(spool):
        return f"the spool is full, calls are refused: {said}"
    if spool.ended:
        ended = phrases.counted(spool.ended, "ended process", "ended processes")
        return f"{said}, left by {ended}"
    return f"{said}, {spool.percent} % of its room" if spool.percent else said


def _is_full(spool: SpoolSight | None) -> bool:
    return spool is not None and spool.percent >= NEARLY_FULL
