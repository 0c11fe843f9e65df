"""The newest meter events, one line each, painted at most four times a second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from time import monotonic

from textual import events
from textual.strip import Strip
from textual.timer import Timer

from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.ledger import EventFilter, LedgerEvent, event_of_line
from meterdeck.core.model.ledger_sight import LedgerSight, newest_events
from meterdeck.core.model.usage import TenantId
from meterdeck.tui import event_words, phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import Panel

PAINT_S = 0.25
_SOON_S = 0.001
# Of less than Textual's timer takes to look at the clock, it would never end looking.


class EventLog(Panel):
    """A window on the event tail: newest on top.

    Attributes:
        tenant: Show only this tenant's events.
        text: Show only events that this filter takes; it has been read before.
        wanted: Show only events of its states, each once; those that wait, too.
        showing: `wanted` in words.
        sight: What Redis says of events beside their lines.
        chosen: The event that actions are about; None while following.
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
        self.wanted = EventFilter()
        self.sight = LedgerSight()
        self.showing = ""
        self.chosen: LedgerEvent | None = None
        self.held: int | None = None
        self.skipped = 0
        self._painted_at = 0.0
        self._timer: Timer | None = None

    def show(self, picture: Picture) -> None:
        """Show the picture's events, soon."""
        self.picture = picture
        self.stale = picture.stale
        wait = PAINT_S - (monotonic() - self._painted_at)
        if wait < _SOON_S:
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
            self.skipped, self.chosen = 0, None
        self.repaint()

    def choose(self, lines: int) -> None:
        """Choose an older event, or a newer one; the first time the newest shown."""
        if self.picture is None:
            return
        if self.held is None and not self.wanted.states:
            self.held = self.picture.events.seen
        shown = self._found(self.skipped + 4 * self.size.height + abs(lines))
        if not shown:
            return
        place = min(self._place(shown) + lines, len(shown) - 1)
        place = max(place, 0)
        self.chosen = shown[place]
        room = max(self.size.height - 1, 1)
        self.skipped = min(self.skipped, place)
        self.skipped = max(self.skipped, place - room + 1)
        self.repaint()

    def _place(self, shown: list[LedgerEvent]) -> int:
        """Return where the chosen event is; just before the first shown for none."""
        if self.chosen is not None:
            line = self.chosen.line.id
            for place, event in enumerate(shown):
                same_line = event.line.id == line or bool(self.wanted.states)
                if event.key == self.chosen.key and same_line:
                    return place
            return min(self.skipped, len(shown) - 1)
        return self.skipped - 1

    def shown_lines(self) -> list[LoggedEvent]:
        """Return the lines of the events that are shown."""
        found = self._found(self.skipped + self.size.height)[self.skipped :]
        return [event.line for event in found]

    def every_line(self) -> list[LoggedEvent]:
        """Return the lines of all events in the list, seen or scrolled away."""
        count = len(self.picture.events) if self.picture else 0
        return [event.line for event in self._found(count + len(self.sight.letters))]

    def shown_letters(self) -> list[tuple[TenantId, str]]:
        """Return the keys of all letters in the list, seen or scrolled away."""
        count = len(self.picture.events) if self.picture else 0
        found = self._found(count + len(self.sight.letters))
        return [event.key for event in found if event.letter is not None]

    def newest(self) -> LedgerEvent | None:
        """Return the first event that is shown."""
        shown = self._found(self.skipped + 1)[self.skipped :]
        return shown[0] if shown else None

    def _found(self, count: int) -> list[LedgerEvent]:
        """Return the newest `count` events that are to be shown."""
        if self.picture is None:
            return []
        tail = self.picture.events
        if not self.wanted.states:
            lines = tail.lines(tenant=self.tenant, text=self.text, until=self.held)
            return self._history(islice(lines, count))
        # Not held: what is chosen is found again by its identifier.
        lines = tail.lines(tenant=self.tenant, text=self.text)
        tenants = frozenset({self.tenant} if self.tenant is not None else ())
        wanted = replace(self.wanted, expression=self.text, tenants=tenants)
        return newest_events(self.sight, lines, wanted, count)

    def scroll_by(self, lines: int) -> None:
        """Move towards older events, as far as there are some, holding the list."""
        if self.picture is None:
            return
        room = self.size.height - 1
        found = len(self._found(self.skipped + max(lines, 0) + room))
        skipped = max(min(self.skipped + lines, found - room), 0)
        if self.held is None and skipped and not self.wanted.states:
            self.held = self.picture.events.seen
        self.skipped = skipped
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_by(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_by(-3)

    def _history(self, lines: Iterable[LoggedEvent]) -> list[LedgerEvent]:
        """Return what each line tells, and the newest of an event as it stands."""
        seen: set[tuple[str, str]] = set()
        found: list[LedgerEvent] = []
        for line in lines:
            told = event_of_line(line)
            if told.key not in seen:
                seen.add(told.key)
                told = replace(self.sight.event_of(line), at=line.at)
            found.append(told)
        return found

    def lines(self) -> list[Strip]:
        picture = self.picture
        if picture is None:
            return []
        room = self.size.height - 1
        found = self._found(self.skipped + room)[self.skipped :]
        made = [self._heading(picture)]
        if not found:
            made.append(self._nothing(picture))
        return made + [self._line(event, picture) for event in found]

    def _heading(self, picture: Picture) -> Strip:
        width, style = self.size.width, self.palette.style
        line = Line().add(f" {self._title}", style(Role.BRIGHT, Ground.BAR, bold=True))
        if self.showing:
            line.add(f"  {self.showing}", style(Role.ACCENT, Ground.BAR))
        state, role = "following", Role.MUTED
        if self.wanted.states:
            state = phrases.counted(len(self._found(len(picture.events))), "event")
        elif self.held is not None:
            newer = picture.events.seen - self.held
            state, role = f"paused, {newer:,} newer", Role.NEAR
        if picture.events.dropped:
            state = f"{picture.events.dropped:,} dropped · {state}"
        align_right(line, state, width, style(role, Ground.BAR))
        return line.strip(width, style(Role.TEXT, Ground.BAR))

    def _nothing(self, picture: Picture) -> Strip:
        muted = self.palette.style(Role.MUTED, self.GROUND)
        if self.wanted.states and not self.text:
            text = "nothing is so now; Esc shows everything"
        elif self.text:
            text = "no event fits the filter; Esc drops it"
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

    def _line(self, event: LedgerEvent, picture: Picture) -> Strip:
        width, logged = self.size.width, event.line
        ground = Ground.CURSOR if self._is_chosen(event) else self.GROUND
        style = self.palette.style
        text, muted = style(Role.TEXT, ground), style(Role.MUTED, ground)
        sign, role = event_words.sign_of(event)
        mark, tint = ("▌", Role.ACCENT) if ground is Ground.CURSOR else (" ", role)
        line = Line().add(mark, style(tint, ground))
        line.add(f"{phrases.recent(event.at, picture.now())} ", muted)
        line.add(f"{sign} ", style(role, ground))
        places = _Places.of(width - line.width, named=self.tenant is None)
        if places.name:
            name = event_words.tenant_of(logged, picture).name
            line.field(name, places.name, text).add(" ", text)
        if places.resource:
            label = event_words.resource_of(logged, picture).label
            line.field(label, places.resource, muted).add(" ", muted)
        value = event_words.value_words(logged)
        line.field(value, places.value, text, Align.RIGHT).add("  ", text)
        if places.said:
            line.field(_said(event), places.said, style(role, ground)).add(" ", text)
        if places.source:
            source = event_words.SOURCES[logged.source]
            line.field(source, places.source, muted)
        return line.strip(width, muted)

    def _is_chosen(self, event: LedgerEvent) -> bool:
        if self.chosen is None or event.key != self.chosen.key:
            return False
        return event.line.id == self.chosen.line.id or bool(self.wanted.states)


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


def _said(event: LedgerEvent) -> str:
    state = event_words.state_words(event)
    said = event_words.said(event)
    if said:
        # An operator's own line begins with what was done.
        return said if said.startswith(state) else f"{state}: {said}"
    latency = event.line.latency_ms
    return f"{state} {phrases.latency(latency)}" if latency else state
