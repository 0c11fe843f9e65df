"""What the faults do: to requests as they come, and to what the sender has to send."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

from textual.strip import Strip

from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.tui import fault_words, phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Line, bar, sparkline
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel

_LABEL, _COUNT = 17, 9
_SAMPLES = 60
_AHEAD = timedelta(minutes=1)


class FaultEffects(Panel):
    """Counters that live: requests, meter events, and the sender's log."""

    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._sight: FaultSight | None = None
        self._picture: Picture | None = None
        self._came: deque[int] = deque(maxlen=_SAMPLES)
        self._troubled: deque[int] = deque(maxlen=_SAMPLES)

    def see(self, sight: FaultSight) -> None:
        """Take in what the panel counts now."""
        before = self._sight
        if before is not None:
            self._came.append(max(sight.requests - before.requests, 0))
            self._troubled.append(max(sight.troubled - before.troubled, 0))
        self._sight = sight
        self.repaint()

    def show(self, picture: Picture) -> None:
        """Show what the delivery log has by now."""
        self._picture = picture
        self.repaint()

    def lines(self) -> list[Strip]:
        sight, picture = self._sight, self._picture
        if sight is None or picture is None:
            return []
        tall = self.size.height > 20
        gap = [self.blank()] if tall else []
        return [
            *self._state(sight, picture),
            *gap,
            *self._requests(sight),
            *gap,
            *self._events(sight),
            *gap,
            *self._sender(sight, picture),
        ]

    def _state(self, sight: FaultSight, picture: Picture) -> list[Strip]:
        on = phrases.counted(len(sight.faults.active), "fault")
        made = [self._says("nothing goes wrong", Role.GOOD, "✓")]
        if sight.faults.active:
            text = f"{on} on since {phrases.clock(sight.since)}"
            made = [self._says(text, Role.NEAR, "!")]
        ahead = sight.now - picture.now()
        if ahead > _AHEAD:
            text = f"its clock is {phrases.span(ahead)} ahead"
            made.append(self._says(text, Role.NEAR, "→"))
        return made

    def _requests(self, sight: FaultSight) -> list[Strip]:
        return [
            self._heading("Requests", "since the start"),
            self._count("all", sight.requests, Role.TEXT),
            self._curve(self._came, Role.SPARK),
            self._count("troubled", sight.troubled, Role.NEAR),
            self._curve(self._troubled, Role.NEAR),
        ]

    def _events(self, sight: FaultSight) -> list[Strip]:
        events = sight.events
        return [
            self._heading("Meter events", "at Stripe"),
            self._count("accepted", events.get("accepted", 0), Role.GOOD),
            self._count("refused", events.get("refused", 0), Role.TEXT),
            self._count("dropped later", events.get("dropped", 0), Role.NEAR),
        ]

    def _sender(self, sight: FaultSight, picture: Picture) -> list[Strip]:
        found, requests = fault_words.outcomes(picture.events.lines(), sight.since)
        total = sum(found.values())
        made = [self._heading("The sender", f"since {phrases.clock(sight.since)}")]
        for outcome, sign, word, role in fault_words.OUTCOMES:
            count = found[outcome]
            made.append(self._count(f"{sign} {word}", count, role, of=total))
        again = max(requests - total, 0)
        made.append(self._count("↻ sent again", again, Role.LOW))
        return made

    def _heading(self, title: str, note: str) -> Strip:
        style = self.palette.style
        line = Line().add(f" {title}", style(Role.ACCENT, self.GROUND, bold=True))
        line.add(f"  {note}", style(Role.MUTED, self.GROUND))
        return line.strip(self.size.width, style(Role.TEXT, self.GROUND))

    def _says(self, text: str, role: Role, sign: str) -> Strip:
        style = self.palette.style(role, self.GROUND, bold=True)
        return Line().add(f" {sign} {text}", style).strip(self.size.width, style)

    def _count(self, label: str, count: int, role: Role, *, of: int = 0) -> Strip:
        style, ground, width = self.palette.style, self.GROUND, self.size.width
        muted = style(Role.MUTED, ground)
        line = Line().add("   ", muted)
        line.field(label, _LABEL, style(role if count else Role.MUTED, ground))
        shown = style(Role.BRIGHT if count else Role.MUTED, ground, bold=bool(count))
        line.field(f"{count:,}", _COUNT, shown, Align.RIGHT)
        room = width - line.width - 4
        if of and room >= 8:
            full, _ = bar(100 * count // of, min(room, 20))
            line.add("  ", muted).add(full, style(role, ground))
        return line.strip(width, muted)

    def _curve(self, samples: deque[int], role: Role) -> Strip:
        style, width = self.palette.style, self.size.width
        room = max(min(width - 5, _SAMPLES), 0)
        drawn = sparkline(list(samples)[-room:]) if room else ""
        line = Line().add("   ", style(Role.MUTED, self.GROUND))
        line.add(drawn, style(role, self.GROUND))
        return line.strip(width, style(Role.MUTED, self.GROUND))
