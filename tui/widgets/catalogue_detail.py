"""What was chosen in the catalogue, in full, and the tenants who have it."""

from __future__ import annotations

from textual import events
from textual.strip import Strip

from meterdeck.core.model.catalogue import PriceUsers
from meterdeck.core.model.catalogue_sight import MeterSight, PriceSight
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.usage import Broken, TenantId
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Line
from meterdeck.tui.tenant_list import TenantList
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets import meter_sheet, price_sheet
from meterdeck.tui.widgets.catalogue_list import Seen, name_of
from meterdeck.tui.widgets.line_view import Panel
from meterdeck.tui.widgets.sheet import Sheet

_LEAST_USERS = 3
"""Lines that the tenants get at least, with their heading, where there are any."""


class CatalogueDetail(Panel):
    """A meter or a price.

    Attributes:
        inside: Whether the cursor goes through the tenants.
    """

    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self._seen: Seen | None = None
        self._picture: Picture | None = None
        self._newest: LoggedEvent | None = None
        self._tenants: list[TenantId] = []
        self._list = TenantList()

    def show(
        self, seen: Seen | None, picture: Picture, newest: LoggedEvent | None
    ) -> None:
        """Show a meter or a price; `newest` is the newest event of its meter."""
        self._picture, self.stale = picture, picture.stale
        self._newest = newest
        if seen is not self._seen:
            before = self.tenant if name_of(seen) == name_of(self._seen) else None
            self._seen = seen
            self._tenants = _by_usage(seen, picture)
            self._list = TenantList()
            self._list.place(range(len(self._tenants)), None)
            if before in self._tenants:
                self._list.go(self._tenants.index(before))
            self.inside = before in self._tenants
        self.repaint()

    @property
    def tenant(self) -> TenantId | None:
        """The tenant that the cursor is on; None outside."""
        place = self._list.selected
        if not self.inside or place is None:
            return None
        return self._tenants[place]

    def enter(self) -> bool:
        """Put the cursor on the first tenant; tell whether there is one."""
        self.inside = bool(self._tenants)
        self._list.go(0)
        self.repaint()
        return self.inside

    def leave(self) -> bool:
        """Take the cursor away; tell whether it was here."""
        was, self.inside = self.inside, False
        self.repaint()
        return was

    def choose(self, lines: int) -> None:
        """Move the cursor."""
        self._list.move(lines)
        self.repaint()

    def page(self, pages: int) -> None:
        """Move by whole windows."""
        self._list.page(pages)
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._list.scroll(3)
        self.repaint()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._list.scroll(-3)
        self.repaint()

    # -- lines -----------------------------------------------------------------

    def lines(self) -> list[Strip]:
        seen, picture = self._seen, self._picture
        if seen is None or picture is None:
            return []
        sheet = Sheet(self.palette, self.size.width, self.GROUND)
        height = self.size.height
        if isinstance(seen, MeterSight):
            made = [*meter_sheet.head(sheet, seen), sheet.blank()]
            made += meter_sheet.body(sheet, seen, self._newest, picture)
        else:
            made = price_sheet.head(sheet, seen)
            if height > 14:
                made.append(sheet.blank())
            wanted = min(max(len(self._tenants) + 1, 2), _LEAST_USERS)
            room = height - len(made) - wanted - (1 if height > 14 else 0)
            made += price_sheet.body(sheet, seen, room)
        if height > 14:
            made.append(sheet.blank())
        room = height - len(made) - 1
        self._list.resize(room)
        made.append(self._users(sheet, seen.users, seen))
        made += [self._user(n, picture) for n in self._list.shown]
        return made[:height]

    def _users(self, sheet: Sheet, users: PriceUsers | None, seen: Seen) -> Strip:
        if users is None:
            return sheet.heading("Tenants", "asking Stripe …")
        if not users.subscriptions:
            return sheet.heading("Tenants", "nobody has it")
        more = "+" if users.more else ""
        usage = ", most usage first" if seen.meter is not None else ""
        return sheet.heading("Tenants", f"{users.subscriptions:,}{more}{usage}")

    def _user(self, place: int, picture: Picture) -> Strip:
        here = self.inside and place == self._list.cursor
        ground = Ground.CURSOR if here else self.GROUND
        style, width = self.palette.style, self.size.width
        muted, tenant = style(Role.MUTED, ground), self._tenants[place]
        edge = ("▌", Role.ACCENT) if here else (" ", Role.TEXT)
        line = Line().add(edge[0], style(edge[1], ground)).add("  ", muted)
        row = picture.fleet.row_of(tenant)
        known = picture.fleet.tenant(row) if row is not None else None
        used = _used(self._seen, tenant, picture)
        name = max(min(width - 32, 36), 10)
        line.field(known.name if known else tenant, name, style(Role.TEXT, ground))
        line.field(f" {known.plan}" if known else "", 12, muted)
        words = ""
        if used is not None and self._seen is not None:
            words = phrases.used_words(used[0], picture.fleet.resources[used[1]])
        line.field(words, max(width - line.width - 2, 0), muted, Align.RIGHT)
        return line.strip(width, muted)


def _by_usage(seen: Seen | None, picture: Picture) -> list[TenantId]:
    """Return who has it, the largest counter of its meter first."""
    users = seen.users if seen is not None else None
    if users is None:
        return []
    used = {name: _used(seen, name, picture) for name in users.tenants}

    def key(name: TenantId) -> tuple[int, str]:
        found = used[name]
        return (-found[0] if found else 0), name

    return sorted(users.tenants, key=key)


def _used(
    seen: Seen | None, tenant: TenantId, picture: Picture
) -> tuple[int, int] | None:
    """Return what a tenant has used of the meter, and in which column that is."""
    meter = seen.meter if isinstance(seen, MeterSight | PriceSight) else None
    row = picture.fleet.row_of(tenant)
    if meter is None or row is None:
        return None
    for column, resource in enumerate(picture.fleet.resources):
        if resource.meter == meter.event_name:
            used = picture.fleet.used(row, column)
            return None if isinstance(used, Broken) else ((used or 0), column)
    return None
