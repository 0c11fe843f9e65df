"""The top of every screen: context, mode, servers, clock, totals."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.strip import Strip
from textual.widget import Widget

from meterdeck.core.model.context import Mode
from meterdeck.core.model.fleet_update import Health, Reach
from meterdeck.core.model.health_items import expected_of
from meterdeck.core.model.text import visible
from meterdeck.core.services.fleet import FleetTotals
from meterdeck.tui import fault_words, phrases, sending_words
from meterdeck.tui.picture import LETTERS_COUNTED, Picture
from meterdeck.tui.render import Align, Line, cells, fit
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import LineView

SHARES_WIDTH = 24
_MODES = {
    Mode.SANDBOX: Role.SANDBOX,
    Mode.TEST: Role.TEST,
    Mode.LIVE: Role.LIVE,
}


_NEWEST = 0.2  # how much the newest round trip counts among those before
_LEAST_MS, _QUICK_MS = 20.0, 8.0


class SteadyLatency:
    """A latency that is shown anew only when it really is another one.

    A round trip differs a little each second, and once in a while by much, on a busy
    machine; sending that to the terminal would cost more than everything else on an
    idle screen. One that stays away is shown within seconds.
    """

    def __init__(self) -> None:
        self._shown: float | None = None
        self._usual = 0.0

    def show(self, measured: float | None) -> float | None:
        """Return what to show for what was measured, in milliseconds."""
        if measured is None or self._shown is None:
            self._shown, self._usual = measured, measured or 0.0
            return self._shown
        self._usual += (measured - self._usual) * _NEWEST
        slower = self._usual - self._shown > max(_LEAST_MS, self._shown / 2)
        # The first answer is often a slow one.
        quicker = self._shown > _QUICK_MS and self._usual < self._shown / 2
        if slower or quicker:
            self._shown = self._usual
        return self._shown


class HeaderLine(LineView):
    """A part of the header; reddish in a live context, red while that is armed."""

    GROUND = Ground.BAR

    def __init__(self) -> None:
        super().__init__()
        self.picture: Picture | None = None

    @property
    def ground(self) -> Ground:
        """What the header lies on."""
        if self.picture is None or self.picture.context.mode is not Mode.LIVE:
            return Ground.BAR
        return Ground.ARMED if self.picture.arming.red else Ground.PROD


class ContextLine(HeaderLine):
    """Context, mode and the health of both servers."""

    DEFAULT_CSS = "ContextLine { width: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._redis, self._stripe = SteadyLatency(), SteadyLatency()

    def draw(self, y: int) -> Strip:
        style, width = self.palette.style, self.size.width
        line = Line().add(" ◆ ", style(Role.ACCENT, self.ground))
        if width > 70:
            line.add("meterdeck  ", style(Role.BRIGHT, self.ground, bold=True))
        right = Line()
        if self.picture is None:
            line.add("connecting …", style(Role.MUTED, self.ground))
        else:
            self._place(line, self.picture)
            self._health(right, "redis", self.picture.redis, self._redis)
            self._health(right, "stripe", self.picture.stripe, self._stripe)
            self._who(line, self.picture, width - right.width)
            self._faults(line, self.picture, width - right.width)
        blank = style(Role.TEXT, self.ground)
        line.pad(width - right.width, blank).append(right)
        return line.strip(width, blank)

    def _place(self, line: Line, picture: Picture) -> None:
        style, context = self.palette.style, picture.context
        name = visible(context.name, 24)
        if name != context.mode.value:
            line.add(f"{name} ", style(Role.BRIGHT, self.ground))
        word, live = context.mode.value.upper(), context.mode is Mode.LIVE
        ground = Ground.LIVE if live else self.ground
        badge = f" {word} " if live else word
        line.add(badge, style(_MODES[context.mode], ground, bold=True))
        if context.read_only:
            line.add("  READ-ONLY", style(Role.MUTED, self.ground, bold=True))
        words = picture.arming.words()
        if words:
            role = Role.NEAR if picture.arming.armed else Role.MUTED
            line.add(f"  {words}", style(role, self.ground, bold=True))

    def _who(self, line: Line, picture: Picture, width: int) -> None:
        """Say who this is to Redis, as far as there is room; not in one's sandbox."""
        user, sandbox = picture.role.user, picture.context.mode is Mode.SANDBOX
        if user is None or (sandbox and user.unlimited):
            return
        words = f"   as {user.short}"
        if line.width + cells(words) <= width:
            line.add(words, self.palette.style(Role.MUTED, self.ground))

    def _faults(self, line: Line, picture: Picture, width: int) -> None:
        """Say that Stripe goes wrong on purpose, and how as far as there is room."""
        parts = list(fault_words.in_short(picture.faults))
        if not parts:
            return
        style = self.palette.style
        text = ", ".join(parts)
        room = width - line.width - 12
        line.add("   faults ", style(Role.NEAR, self.ground, bold=True))
        if cells(text) > room:
            text = "on" if room < 24 else fit(text, room).rstrip()
        line.add(text, style(Role.TEXT, self.ground))

    def _health(
        self, line: Line, name: str, health: Health, steady: SteadyLatency
    ) -> None:
        style = self.palette.style
        muted = style(Role.MUTED, self.ground)
        latency = steady.show(health.latency_ms)
        match health.reach:
            case Reach.OK:
                line.add("● ", style(Role.GOOD, self.ground)).add(f"{name} ", muted)
                shown = phrases.latency(latency) if latency is not None else "ok"
                line.add(f"{shown}   ", style(Role.TEXT, self.ground))
            case Reach.CONNECTING:
                line.add("○ ", style(Role.NEAR, self.ground))
                line.add(f"{name} …   ", muted)
            case Reach.DOWN:
                loud = style(Role.HIGH if name == "redis" else Role.NEAR, self.ground)
                line.add(f"✗ {name} away   ", loud)
            case Reach.OFF:
                line.add(f"– no {name}   ", muted)


class Clock(HeaderLine):
    """The time in UTC up to the minute; `Seconds` is beside it.

    Two widgets: only the two digits of the seconds are sent each second.
    """

    DEFAULT_CSS = "Clock { width: 10; }"
    text = "UTC --:--:"

    def draw(self, y: int) -> Strip:
        muted = self.palette.style(Role.MUTED, self.ground)
        return Line().add(self.text, muted).strip(self.size.width, muted)


class Seconds(Clock):
    """The seconds of the clock, at the screen's edge: a widget to the right of it
    would cost nine bytes a second.
    """

    DEFAULT_CSS = "Seconds { width: 3; }"
    text = "--"


class TotalsLine(HeaderLine):
    """How many tenants there are and how many are near their limits."""

    def __init__(self) -> None:
        super().__init__()
        self.note = ""

    def draw(self, y: int) -> Strip:
        style, width = self.palette.style, self.size.width
        blank = style(Role.TEXT, self.ground)
        line = Line().add("   ", blank)
        if self.picture is not None and self.picture.loaded:
            self._totals(line, self.picture, wide=width >= 100)
            self._unsent(line, self.picture, wide=width >= 100)
        elif self.picture is not None:
            line.add("waiting for the first counters", style(Role.MUTED, self.ground))
        room = max(width - line.width - 2, 0)
        note = fit(self.note, room, Align.RIGHT)
        line.add(note, style(Role.MUTED, self.ground))
        return line.strip(width, blank)

    def _totals(self, line: Line, picture: Picture, *, wide: bool) -> None:
        style, totals = self.palette.style, picture.fleet.totals()
        muted = style(Role.MUTED, self.ground)
        line.add(f"{totals.tenants:,}", style(Role.BRIGHT, self.ground, bold=True))
        line.add(" tenant" if totals.tenants == 1 else " tenants", muted)
        if wide and totals.tenants:
            self._shares(line.add("   ", muted), totals)
        parts = [
            (totals.at_limit, "at limit", Role.HIGH),
            (totals.over90, "over 90 %", Role.HIGH),
            (totals.near, "near", Role.NEAR),
            (totals.broken, "unreadable", Role.HIGH),
            (picture.letters, _letters_word(picture.letters), Role.HIGH),
        ]
        for count, word, role in parts:
            if not count and word in ("unreadable", ""):
                continue
            line.add("   ", muted)
            line.add(
                f"{count:,}",
                style(role if count else Role.MUTED, self.ground, bold=bool(count)),
            )
            line.add(f" {word}", muted)

    def _unsent(self, line: Line, picture: Picture, *, wide: bool) -> None:
        """Append what is not yet at Stripe, where that is late or nobody brings it."""
        flush_s = expected_of(picture.context).flush_s
        text, role = sending_words.unsent(picture.sending, flush_s, wide=wide)
        if text:
            line.add("   ", self.palette.style(Role.MUTED, self.ground))
            line.add(text, self.palette.style(role, self.ground, bold=True))

    def _shares(self, line: Line, totals: FleetTotals) -> None:
        """Append one bar of the whole fleet: at limit and over 90 %, near, calm."""
        high = totals.at_limit + totals.over90
        parts = [(high, Role.HIGH), (totals.near, Role.NEAR)]
        left = SHARES_WIDTH
        for count, role in parts:
            length = -(-count * SHARES_WIDTH // totals.tenants)
            length = min(length, left)
            line.add("━" * length, self.palette.style(role, self.ground))
            left -= length
        line.add("━" * left, self.palette.style(Role.LOW, self.ground))


def _letters_word(count: int) -> str:
    if not count:
        return ""
    if count >= LETTERS_COUNTED:
        return "letters or more"
    return "letter" if count == 1 else "letters"


class StatusHeader(Widget):
    """Two lines on top of every screen."""

    DEFAULT_CSS = """
    StatusHeader { height: 2; layout: grid; grid-size: 1; grid-rows: 1; }
    StatusHeader > #first { layout: horizontal; height: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._line = ContextLine()
        self._totals = TotalsLine()
        self._clock, self._seconds = Clock(), Seconds()

    def compose(self) -> ComposeResult:
        yield FirstLine(self._line, self._clock, self._seconds)
        yield self._totals

    def show(self, picture: Picture) -> None:
        """Show the servers and totals of a picture."""
        for part in (self._line, self._totals, self._clock, self._seconds):
            part.picture = picture
        self._line.repaint()
        self._totals.repaint()

    def tick(self, picture: Picture | None) -> None:
        """Show the time."""
        if picture is None:
            return
        time = phrases.clock(picture.now())
        self._clock.text, self._seconds.text = f"UTC {time[:6]}", time[6:]
        self._clock.repaint()
        self._seconds.repaint()

    def note(self, text: str) -> None:
        """Write something at the right of the totals."""
        self._totals.note = text
        self._totals.repaint()


class FirstLine(Widget):
    """The widgets of the header's first line, side by side."""

    DEFAULT_CSS = "FirstLine { layout: horizontal; height: 1; }"

    def __init__(self, *parts: Widget) -> None:
        super().__init__()
        self._parts = parts

    def compose(self) -> ComposeResult:
        yield from self._parts
