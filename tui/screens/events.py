"""Every meter event the console has seen: filter, scroll, hold, follow."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui.actions import Area, bindings
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.event_log import EventLog
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar


class EventsScreen(AreaScreen):
    """The event tail on a screen of its own."""

    AREA = Area.EVENTS
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Area.EVENTS),
        Binding("down,j", "scroll(1)", "Older events", show=False),
        Binding("up,k", "scroll(-1)", "Newer events", show=False),
        Binding("pagedown,ctrl+f", "scroll_page(1)", "A page older", show=False),
        Binding("pageup,ctrl+b", "scroll_page(-1)", "A page newer", show=False),
        Binding("g,home", "newest", "The newest, and follow", show=False),
        Binding("G,end", "oldest", "The oldest kept", show=False),
    ]

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield EventLog(id="tail")
        yield KeyBar(self.AREA)
        yield FilterBar("tenant, resource, outcome, identifier or message")

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self.query_one(EventLog).show(picture)

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self.query_one(EventLog).show(picture)

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        self.query_one(EventLog).show(picture)

    def action_scroll(self, lines: int) -> None:
        self.query_one(EventLog).scroll_by(lines)

    def action_scroll_page(self, pages: int) -> None:
        log = self.query_one(EventLog)
        log.scroll_by(pages * (log.size.height - 1))

    def action_newest(self) -> None:
        self.query_one(EventLog).hold(held=False)

    def action_oldest(self) -> None:
        log = self.query_one(EventLog)
        if log.picture is not None:
            log.scroll_by(len(log.picture.events))

    def do_pause(self) -> None:
        log = self.query_one(EventLog)
        log.hold(held=log.held is None)

    def do_filter(self) -> None:
        self.query_one(FilterBar).begin()

    def do_back(self) -> None:
        if not self.query_one(FilterBar).clear():
            self.app.pop_screen()

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        log = self.query_one(EventLog)
        log.text, log.skipped = message.text, 0
        log.repaint()

    def on_filter_bar_left(self) -> None:
        self.set_focus(None)
