"""The fleet in a few large figures, each with how it moved."""

from __future__ import annotations

from dataclasses import dataclass

from textual.strip import Strip

from meterdeck.core.model.health_items import age_words
from meterdeck.core.model.quantity import short_quantity
from meterdeck.core.services.fleet import FleetTotals
from meterdeck.tui.figures import large
from meterdeck.tui.picture import Picture
from meterdeck.tui.pulse import Pulse
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Role
from meterdeck.tui.widgets.line_view import Panel

_GAP = 4


@dataclass(frozen=True, slots=True)
class _Figure:
    """One of them: its number, what it is, and a word below."""

    label: str
    text: str
    role: Role
    below: str = ""

    @property
    def width(self) -> int:
        return max(len(self.label), len(large(self.text)[0]), len(self.below))


class PulseFigures(Panel):
    """As many as there is room for, the most important first."""

    DEFAULT_CSS = "PulseFigures { height: 6; }"

    def __init__(self) -> None:
        super().__init__()
        self._picture: Picture | None = None
        self._pulse: Pulse | None = None

    def show(self, picture: Picture, pulse: Pulse) -> None:
        """Show how things stand."""
        self._picture, self._pulse = picture, pulse
        self.stale = picture.stale
        self.repaint()

    def lines(self) -> list[Strip]:
        if self._picture is None or self._pulse is None:
            return []
        figures = self._fitting(_figures(self._picture, self._pulse))
        width, style = self.size.width, self.palette.style
        blank, muted = style(Role.TEXT), style(Role.MUTED)
        rows = [Line().add("  ", blank) for _ in range(self.size.height)]
        for figure in figures:
            room = figure.width + _GAP
            paint = style(figure.role, bold=True)
            parts = ["", *large(figure.text)]
            for line, part in zip(rows, parts, strict=False):
                line.field(part, room, paint)
            for line, part in zip(rows[4:], (figure.label, figure.below), strict=False):
                line.field(part, room, muted)
        return [line.strip(width, blank) for line in rows]

    def _fitting(self, figures: list[_Figure]) -> list[_Figure]:
        room, chosen = self.size.width - 2, list[_Figure]()
        for figure in figures:
            room -= figure.width + _GAP
            if room < -_GAP:
                break
            chosen.append(figure)
        return chosen


def _figures(picture: Picture, pulse: Pulse) -> list[_Figure]:
    now, before = picture.fleet.totals(), pulse.moved(picture.fleet)
    over = f"in {max(round(pulse.span_s / 60), 1)} min"

    def counted(label: str, name: str, role: Role) -> _Figure:
        value = int(getattr(now, name))
        text = short_quantity(value)
        below = _moved(value, before, name, over)
        return _Figure(label, text, role if value else Role.FAINT, below)

    figures = [
        counted("AT LIMIT", "at_limit", Role.HIGH),
        counted("OVER 90 %", "over90", Role.HIGH),
        counted("NEAR", "near", Role.NEAR),
        _tenants(now, before, over),
    ]
    sending = _sending(picture)
    figures += [sending] if sending is not None else []
    letters = picture.letters
    role = Role.HIGH if letters else Role.FAINT
    figures.append(_Figure("LETTERS", short_quantity(letters), role))
    if picture.alerts is not None and picture.alerts.rules:
        alerts = len(picture.alerts.open)
        role = Role.HIGH if alerts else Role.FAINT
        figures.append(_Figure("ALERTS", short_quantity(alerts), role))
    return figures


def _tenants(now: FleetTotals, before: FleetTotals | None, over: str) -> _Figure:
    below = _moved(now.tenants, before, "tenants", over)
    return _Figure("TENANTS", short_quantity(now.tenants), Role.BRIGHT, below)


def _sending(picture: Picture) -> _Figure | None:
    sending = picture.sending
    if picture.context.stripe is None:
        return None
    label = "NOT AT STRIPE"
    if sending is None:
        return _Figure(label, "–", Role.FAINT)
    if not sending.workers:
        return _Figure(label, "?", Role.HIGH, "no worker")
    role = Role.TEXT if sending.unsent else Role.FAINT
    oldest = f"oldest {age_words(sending.oldest_s)}" if sending.oldest_s else ""
    return _Figure(label, short_quantity(sending.unsent), role, oldest)


def _moved(value: int, before: FleetTotals | None, name: str, over: str) -> str:
    change = value - int(getattr(before, name)) if before is not None else 0
    if not change:
        return ""
    return f"{'▲' if change > 0 else '▼'} {abs(change):,} {over}"
