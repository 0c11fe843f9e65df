"""The newest meter events, one line each, painted at most four times a second."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from textual import events
from textual.strip import Strip
from textual.timer import Timer

from meterdeck.core.errors import BadInput
from meterdeck.core.model.events import EventOutcome, EventSource, LoggedEvent
from meterdeck.core.model.quantity import group_quantity, parse_quantity
from meterdeck.core.model.usage import TenantId
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import Panel

PAINT_S = 0.25

_OUTCOMES = {
    EventOutcome.ACCEPTED: ("✓", Role.GOOD),
    EventOutcome.DUPLICATE: ("=", Role.MUTED),
    EventOutcome.REFUSED: ("✗", Role.HIGH),
    EventOutcome.UNKNOWN: ("?", Role.NEAR),
    EventOutcome.BUSY: ("…", Role.NEAR),
    EventOutcome.STOPPED: ("✗", Role.HIGH),
}
_SOURCES = {
    EventSource.TEST: "test",
    EventSource.WORKER: "sync",
    EventSource.QUEUE: "track",
    EventSource.APPLICATION: "app",
}


class EventLog(Panel):
    """A window on the event tail: newest on top.

    Attributes:
        tenant: Show only this tenant's events.
        text: Show only events with this text.
        held: Number of the newest event shown while paused, None while following.
        skipped: Lines scrolled away from the newest.
    """

    GROUND = Ground.PANEL

    def __init__(self, *, title: str = "Meter events", id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = title
        self.picture: Picture | None = None
        self.tenant: TenantId | None = None
        self.text = ""
        self.held: int | None = None
        self.skipped = 0
        self._painted_at = 0.0
        self._timer: Timer | None = None

    def show(self, picture: Picture) -> None:
        """Show the picture's events, soon."""
        self.picture = picture
        self.stale = picture.stale
        wait = PAINT_S - (monotonic() - self._painted_at)
        if wait <= 0:
            self._paint()
        elif self._timer is None and self.is_mounted:
            self._timer = self.set_timer(wait, self._paint)

    def _paint(self) -> None:
        self._timer = None
        self._painted_at = monotonic()
        self.repaint()

    def hold(self, held: bool) -> None:
        """Stop at what is shown, or follow the newest again."""
        self.held = self.picture.events.seen if held and self.picture else None
        if not held:
            self.skipped = 0
        self.repaint()

    def scroll_by(self, lines: int) -> None:
        """Move towards older events, holding the list."""
        if self.picture is None:
            return
        if self.held is None and lines > 0:
            self.held = self.picture.events.seen
        limit = len(self.picture.events) - self.size.height + 1
        self.skipped = max(min(self.skipped + lines, limit), 0)
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_by(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_by(-3)

    def lines(self) -> list[Strip]:
        picture = self.picture
        if picture is None:
            return []
        room = self.size.height - 1
        found = picture.events.newest(
            self.skipped + room, tenant=self.tenant, text=self.text, until=self.held
        )[self.skipped :]
        made = [self._heading(picture)]
        if not found:
            made.append(self._nothing(picture))
        return made + [self._line(event, picture) for event in found]

    def _heading(self, picture: Picture) -> Strip:
        width, style = self.size.width, self.palette.style
        line = Line().add(f" {self._title}", style(Role.BRIGHT, Ground.BAR, bold=True))
        state, role = "following", Role.MUTED
        if self.held is not None:
            newer = picture.events.seen - self.held
            state, role = f"paused, {newer:,} newer", Role.NEAR
        if picture.events.dropped:
            state = f"{picture.events.dropped:,} dropped · {state}"
        align_right(line, state, width, style(role, Ground.BAR))
        return line.strip(width, style(Role.TEXT, Ground.BAR))

    def _nothing(self, picture: Picture) -> Strip:
        muted = self.palette.style(Role.MUTED, self.GROUND)
        if self.text:
            text = "no event contains this text; Esc drops the filter"
        elif picture.context.stripe is None:
            text = "no Stripe in this context, so no events"
        else:
            text = "none yet; they show up as they are sent"
        return (
            Line()
            .add(" ", muted)
            .field(text, self.size.width - 1, muted)
            .strip(self.size.width, muted)
        )

    def _line(self, event: LoggedEvent, picture: Picture) -> Strip:
        width, ground = self.size.width, self.GROUND
        style = self.palette.style
        text, muted = style(Role.TEXT, ground), style(Role.MUTED, ground)
        sign, role = _OUTCOMES[event.outcome]
        line = Line().add(f" {phrases.clock(event.at)} ", muted)
        line.add(f"{sign} ", style(role, ground))
        places = _Places.of(width - line.width, named=self.tenant is None)
        if places.name:
            name = _tenant_name(event, picture)
            line.field(name, places.name, text).add(" ", text)
        if places.resource:
            label = _resource_label(event, picture)
            line.field(label, places.resource, muted).add(" ", muted)
        line.field(_value(event), places.value, text, Align.RIGHT).add("  ", text)
        if places.said:
            said = event.message or f"{event.outcome.value} {_ms(event)}"
            line.field(said, places.said, style(role, ground)).add(" ", text)
        if places.source:
            line.field(_SOURCES[event.source], places.source, muted)
        return line.strip(width, muted)


@dataclass(frozen=True, slots=True)
class _Places:
    """Widths of an event's parts; 0 leaves one out."""

    name: int
    resource: int
    value: int
    said: int
    source: int

    @classmethod
    def of(cls, room: int, *, named: bool) -> _Places:
        """Share the room right of time and sign."""
        value = 8
        left = room - value - 2
        name = min(max(left - 11, 8), 18) if named else 0
        left -= name + 1 if named else 0
        resource = min(10, left - 1) if left >= 9 else 0
        left -= resource + 1 if resource else 0
        source = 5 if left >= 24 else 0
        left -= source
        said = left - 1 if left >= 12 else 0
        if named and said > 30:
            grown = min(said - 30, 22)
            name, said = name + grown, said - grown
        if not said:
            name += left if named else 0
            resource += 0 if named else left
        return cls(name, resource, value, said, source)


def _ms(event: LoggedEvent) -> str:
    return phrases.latency(event.latency_ms) if event.latency_ms else ""


def _tenant_name(event: LoggedEvent, picture: Picture) -> str:
    row = picture.fleet.row_of(event.tenant)
    return event.tenant if row is None else picture.fleet.tenant(row).name


def _resource_label(event: LoggedEvent, picture: Picture) -> str:
    column = picture.fleet.column_of(event.resource)
    if column < 0:
        return event.resource or event.event.event_name
    return picture.fleet.resources[column].label


def _value(event: LoggedEvent) -> str:
    """Write the event's decimal string with its thousands separated."""
    try:
        value = parse_quantity(event.event.value, 9, signed=True)
    except BadInput:
        return event.event.value
    return f"{'+' if value > 0 else ''}{group_quantity(value, 9)}"
