"""Who is nearest to the limit, who rises fastest; what is counted and delivered."""

from __future__ import annotations

from datetime import timedelta

from textual.strip import Strip

from meterdeck.core.model.health_items import rough
from meterdeck.core.model.quantity import short_quantity
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.pulse import SAMPLES, Pulse
from meterdeck.tui.render import Align, Line, level_of, sparkline
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel

_SPARK_TO = 120


class PulseList(Panel):
    """Some tenants, with their share and how long that lasts.

    Args:
        rising: Those that rise fastest, in place of those nearest to their limit.
    """

    DEFAULT_CSS = "PulseList { width: 1fr; height: 1fr; }"

    def __init__(self, *, rising: bool) -> None:
        super().__init__()
        self._rising = rising
        self._picture: Picture | None = None
        self._rows: list[int] = []

    def show(self, picture: Picture, pulse: Pulse) -> None:
        """Show the first of them."""
        self._picture = picture
        self._rows = pulse.rising if self._rising else pulse.nearest
        self.stale = picture.stale
        self.repaint()

    def lines(self) -> list[Strip]:
        style, width = self.palette.style, self.size.width
        title = " rising fastest" if self._rising else " nearest to the limit"
        bright = style(Role.BRIGHT, Ground.BAR, bold=True)
        made = [Line().add(title, bright).strip(width, style(Role.TEXT, Ground.BAR))]
        picture = self._picture
        if picture is None:
            return made
        size = len(picture.fleet)
        rows = [row for row in self._rows if row < size][: self.size.height - 1]
        made += [self._line(picture, row) for row in rows]
        if not rows:
            muted = style(Role.MUTED)
            said = " nobody" if picture.loaded else ""
            made.append(Line().add(said, muted).strip(width, muted))
        return made

    def _line(self, picture: Picture, row: int) -> Strip:
        fleet, style, width = picture.fleet, self.palette.style, self.size.width
        percent, column = fleet.worst(row), fleet.worst_column(row)
        level, blank = level_of(percent), style(Role.TEXT)
        line = Line().add(" ", blank)
        tail = 22
        name = visible(fleet.tenant(row).name, 60)
        line.field(name, max(width - tail - 1, 4), style(Role.TEXT))
        paint = style(level.role)
        line.field(level.sign, 5, paint, Align.RIGHT)
        line.field(f"{percent} %" if percent >= 0 else "", 7, paint, Align.RIGHT)
        line.field(self._tail(picture, row, column), 9, style(Role.MUTED), Align.RIGHT)
        return line.strip(width, blank)

    def _tail(self, picture: Picture, row: int, column: int) -> str:
        fleet = picture.fleet
        if column < 0:
            return ""
        if self._rising:
            scale = fleet.resources[column].scale
            return phrases.rate(fleet.rate(row, column), scale)
        left = fleet.time_to_limit(row, column)
        return phrases.coarse(left) if left and left > timedelta(0) else ""


class PulseRates(Panel):
    """What is counted of each resource, and what reaches Stripe."""

    DEFAULT_CSS = "PulseRates { height: 4; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._picture: Picture | None = None
        self._pulse: Pulse | None = None

    def show(self, picture: Picture, pulse: Pulse) -> None:
        """Show rates of now, and how they were in the last minutes."""
        self._picture, self._pulse = picture, pulse
        self.stale = picture.stale
        self.repaint()

    def lines(self) -> list[Strip]:
        picture, pulse = self._picture, self._pulse
        if picture is None or pulse is None:
            return []
        room = self.size.height - 1
        made = [self._rate(each, pulse) for each in picture.fleet.resources[:room]]
        made.append(self._delivery(picture))
        return made

    def _rate(self, resource: Resource, pulse: Pulse) -> Strip:
        style, width = self.palette.style, self.size.width
        blank, muted = style(Role.TEXT, self.GROUND), style(Role.MUTED, self.GROUND)
        line = Line().add(" ", blank)
        line.field(resource.label, 16, style(Role.TEXT, self.GROUND))
        rate = pulse.per_second(resource.name)
        text = "…" if rate is None else _rate_words(rate, resource)
        line.field(text, 14, style(Role.BRIGHT, self.GROUND, bold=True), Align.RIGHT)
        line.add("  ", blank)
        length = min(max(width - line.width - 14, 0), SAMPLES)
        kept = list(pulse.rates.get(resource.name, ()))[-length:] if length else []
        line.field(sparkline(kept), length, style(Role.SPARK, self.GROUND), Align.RIGHT)
        minutes = len(kept) * 5 // 60
        line.add(f"  {minutes} min" if minutes else "", muted)
        return line.strip(width, blank)

    def _delivery(self, picture: Picture) -> Strip:
        style, width = self.palette.style, self.size.width
        blank, muted = style(Role.TEXT, self.GROUND), style(Role.MUTED, self.GROUND)
        bright = style(Role.BRIGHT, self.GROUND, bold=True)
        line, sending = Line().add(" ", blank), picture.sending
        line.field("To Stripe", 16, style(Role.TEXT, self.GROUND))
        if picture.context.stripe is None:
            line.add("  this context has no Stripe", muted)
        elif sending is None:
            line.add("  not known", muted)
        elif not sending.workers:
            line.add("  no worker is alive", style(Role.HIGH, self.GROUND, bold=True))
        else:
            rate = f"{sending.per_minute / 60:.1f} events/s"
            line.field(rate, 14, bright, Align.RIGHT)
            line.add(f"  lag {sending.lag_s:.0f} s", style(Role.TEXT, self.GROUND))
            workers = phrases.counted(len(sending.workers), "worker")
            line.add(f"  {workers}", muted)
        return line.strip(width, blank)


def _rate_words(rate: float, resource: Resource) -> str:
    units = rough(rate) if rate >= 100 else round(rate)
    if rate < 10**resource.scale:  # less than one of its units in a second
        return phrases.rate(rate, resource.scale)
    return f"{short_quantity(units, resource.scale)}/s"
