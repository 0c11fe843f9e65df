"""Meters with their prices below each, and what bills no usage: one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from textual import events
from textual.message import Message
from textual.strip import Strip

from meterdeck.core.model.catalogue import PriceUsers
from meterdeck.core.model.catalogue_sight import (
    CatalogueSight,
    Mark,
    MeterSight,
    PriceSight,
    price_name,
)
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.text import visible
from meterdeck.tui import phrases, price_glance
from meterdeck.tui.catalogue_filter import catalogue_filter
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Line, cells
from meterdeck.tui.tenant_list import TenantList
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel

Seen = MeterSight | PriceSight
MARKS = {
    Mark.NONE: (" ", Role.MUTED),
    Mark.DECLARED: ("=", Role.GOOD),
    Mark.DIFFERS: ("≠", Role.NEAR),
    Mark.UNDECLARED: ("+", Role.MUTED),
}
FEES = "Fees, whatever is used"
_AGE, _USERS = 10, 9
_FORM, _WHOLE_FORM, _ROOMY = 13, 19, 40
"""Cells that are left for a price's form at least: `0.01 USD a …`; all of it where
there is more room.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the list.

    Attributes:
        seen: What it shows; None for the heading of the fees.
        branch: What leads to it from the line above.
    """

    seen: Seen | None
    branch: str = ""


class CatalogueList(Panel):
    """The list and its cursor.

    Attributes:
        text: Show only what this filter takes; it has been read before.
        inactive: Show what is deactivated or archived, too.
        quiet: The cursor is elsewhere.
        newest: The newest event of each event name.
    """

    class Clicked(Message):
        """Another line was chosen by the mouse."""

        def __init__(self, *, twice: bool) -> None:
            self.twice = twice
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.inactive = False
        self.quiet = False
        self.newest: dict[str, LoggedEvent] = {}
        self._sight: CatalogueSight | None = None
        self._picture: Picture | None = None
        self._entries: list[Entry] = []
        self._list = TenantList()
        self._longest = 0

    def show(self, sight: CatalogueSight | None, picture: Picture) -> None:
        """Show what was read, or the same with the time as it is now."""
        self._picture, self.stale = picture, picture.stale
        if sight is not None:
            self._sight = sight
        self.lay_out()

    def lay_out(self) -> None:
        """Lay the lines out anew: other data, another filter."""
        kept = name_of(self.chosen)
        self._entries = list(_entries(self._sight, self.text, inactive=self.inactive))
        prices = [e.seen.price for e in self._entries if isinstance(e.seen, PriceSight)]
        names = (visible(price_name(price), 60) for price in prices)
        self._longest = max(map(cells, names), default=0)
        self._list.pinned = True
        places = [n for n, entry in enumerate(self._entries) if entry.seen is not None]
        self._list.place(range(len(self._entries)), None)
        self._list.resize(self._room)
        same = [n for n in places if name_of(self._entries[n].seen) == kept]
        if places:
            near = min(places, key=lambda n: abs(n - self._list.cursor))
            self._list.go(same[0] if same else near)
        self.repaint()

    @property
    def _room(self) -> int:
        return max(self.size.height - 1, 1)

    @property
    def chosen(self) -> Seen | None:
        """What the cursor is on."""
        place = self._list.cursor
        return self._entries[place].seen if place < len(self._entries) else None

    @property
    def hidden(self) -> int:
        """How many lines are not shown because they are of what is inactive."""
        everything = sum(1 for _ in _entries(self._sight, self.text, inactive=True))
        return everything - len(self._entries)

    @property
    def missing(self) -> int:
        """How many objects are declared and not in the account."""
        return len(self._sight.missing) if self._sight else 0

    @property
    def empty(self) -> bool:
        """Whether there is no line to show."""
        return not self._entries

    def choose(self, lines: int) -> None:
        """Move the cursor, over a heading too."""
        places = [n for n, entry in enumerate(self._entries) if entry.seen is not None]
        if not places:
            return
        at = places.index(self._list.cursor) if self._list.cursor in places else 0
        self._list.go(places[min(max(at + lines, 0), len(places) - 1)])
        self.repaint()

    def page(self, pages: int) -> None:
        """Move the cursor by whole windows."""
        self.choose(pages * self._room)

    def on_resize(self, event: events.Resize) -> None:
        self._list.resize(self._room)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        place = self._list.top + event.y - 1
        if event.y and place < len(self._entries) and self._entries[place].seen:
            self._list.go(place)
            self.repaint()
            self.post_message(self.Clicked(twice=event.chain > 1))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.choose(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.choose(-3)

    # -- lines -----------------------------------------------------------------

    def lines(self) -> list[Strip]:
        if self._sight is None or self._picture is None:
            return []
        made = [self._heading(self._sight)]
        for n in self._list.shown:
            entry = self._entries[n]
            here = n == self._list.cursor
            made.append(self._entry(entry, here, self._picture))
        return made

    def _heading(self, sight: CatalogueSight) -> Strip:
        width, style = self.size.width, self.palette.style
        muted = style(Role.MUTED, Ground.BAR)
        line = Line().add(" Catalogue", style(Role.BRIGHT, Ground.BAR, bold=True))
        meters = phrases.counted(len(sight.meters), "meter")
        counts = f"  {meters}, {phrases.counted(len(sight.prices), 'price')}"
        tail = f"{'last event':>{_AGE}}{'tenants':>{_USERS}} "
        if line.width + len(counts) + len(tail) < width:
            line.add(counts, muted)
        line.pad(width - len(tail), muted).add(tail, muted)
        return line.strip(width, muted)

    def _entry(self, entry: Entry, here: bool, picture: Picture) -> Strip:
        ground = self.GROUND
        if here:
            ground = Ground.BAR if self.quiet else Ground.CURSOR
        style, width = self.palette.style, self.size.width
        role = Role.MUTED if self.quiet else Role.ACCENT
        line = Line().add("▌" if here else " ", style(role, ground))
        match entry.seen:
            case None:
                line.add(f"   {FEES}", style(Role.MUTED, ground))
            case MeterSight() as seen:
                self._meter(line, seen, ground, picture)
            case PriceSight() as seen:
                self._price(line, seen, entry.branch, ground)
        return line.strip(width, style(Role.TEXT, ground))

    def _meter(
        self, line: Line, seen: MeterSight, ground: Ground, picture: Picture
    ) -> None:
        style, meter = self.palette.style, seen.meter
        muted = style(Role.MUTED, ground)
        self._signs(line, seen, ground)
        sign, role = ("●", Role.GOOD) if meter.active else ("○", Role.MUTED)
        line.add(f"{sign} ", style(role, ground))
        room = max(self.size.width - line.width - _AGE - _USERS - 1, 0)
        shown = meter.display_name or meter.event_name
        name = min(cells(visible(shown, 100)), max(room - 2, 0))
        bright = style(Role.BRIGHT if meter.active else Role.MUTED, ground, bold=True)
        line.field(shown, name, bright)
        line.field(f"  {meter.formula} of {meter.event_name}", room - name, muted)
        newest = self.newest.get(meter.event_name)
        line.field(age_words(newest, picture.now()), _AGE, muted, Align.RIGHT)
        self._users(line, seen.users, ground)

    def _price(self, line: Line, seen: PriceSight, branch: str, ground: Ground) -> None:
        style, price = self.palette.style, seen.price
        muted = style(Role.MUTED, ground)
        text = style(Role.TEXT, ground) if price.active else muted
        self._signs(line, seen, ground)
        line.add(f"{branch} ", style(Role.FAINT, ground))
        room = max(self.size.width - line.width - _AGE - _USERS - 1, 0) + _AGE
        form = _FORM if room < _ROOMY else _WHOLE_FORM
        name = min(room, max(self._longest + 1, 16), max(room - form, 16))
        line.field(price_name(price), name, text)
        words = price_glance.form_words(price)
        line.field(f" {words if price.active else 'archived'}", room - name, muted)
        self._users(line, seen.users, ground)

    def _signs(self, line: Line, seen: Seen, ground: Ground) -> None:
        style = self.palette.style
        warned = "!" if seen.warnings else " "
        sign, role = MARKS[seen.mark]
        line.add(warned, style(Role.NEAR, ground, bold=True))
        line.add(f"{sign} ", style(role, ground))

    def _users(self, line: Line, users: PriceUsers | None, ground: Ground) -> None:
        style = self.palette.style
        words = "…" if users is None else users_words(users)
        role = Role.TEXT if users and users.subscriptions else Role.MUTED
        line.field(words, _USERS, style(role, ground), Align.RIGHT)


def users_words(users: PriceUsers) -> str:
    """Return how many use a price: `17`, `1,000+`, `–` for nobody."""
    if not users.subscriptions:
        return "–"
    return f"{users.subscriptions:,}{'+' if users.more else ''}"


def age_words(newest: LoggedEvent | None, now: datetime) -> str:
    """Return how long ago an event was, in minutes or more: it stays still."""
    if newest is None:
        return "none"
    age = now - newest.at
    return "< 1 min" if age < timedelta(minutes=1) else coarse_age(age)


def coarse_age(age: timedelta) -> str:
    """Return an age in one unit, a minute or more: `3 min`, `2 h`, `4 d`."""
    minutes = int(age.total_seconds()) // 60
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"


def name_of(seen: Seen | None) -> str:
    """Return Stripe's id of it."""
    match seen:
        case MeterSight():
            return seen.meter.id
        case PriceSight():
            return seen.price.id
        case None:
            return ""


def _entries(
    sight: CatalogueSight | None, text: str, *, inactive: bool
) -> Iterator[Entry]:
    """Yield the lines: a meter stays above its prices, and prices with their meter."""
    if sight is None:
        return
    takes = catalogue_filter(text)
    for meter in sight.meters:
        named = takes(meter)
        prices = _shown(meter.prices, None if named else takes, inactive)
        if prices or (named and (meter.meter.active or inactive)):
            yield Entry(meter)
            yield from _branches(prices)
    if fees := _shown(sight.fees, takes, inactive):
        yield Entry(None)
        yield from _branches(fees)


def _shown(
    prices: Sequence[PriceSight], takes: Callable[[Seen], bool] | None, inactive: bool
) -> list[PriceSight]:
    return [
        seen
        for seen in prices
        if (seen.price.active or inactive) and (takes is None or takes(seen))
    ]


def _branches(prices: list[PriceSight]) -> Iterator[Entry]:
    for number, seen in enumerate(prices, 1):
        yield Entry(seen, "└─" if number == len(prices) else "├─")
