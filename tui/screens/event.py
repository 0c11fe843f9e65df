"""One meter event on a screen of its own."""

from __future__ import annotations

from concurrent.futures import Future
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.ledger import EventStory, LedgerEvent
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui.actions import Area, bindings
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.event_area import SIGHT_S, EventArea
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.event_detail import EventDetail
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar


class EventScreen(EventArea):
    """Everything about one event; looked at again every few seconds."""

    AREA = Area.EVENT
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Area.EVENT),
        Binding("down,j", "scroll(1)", "Further down", show=False, id="list_down"),
        Binding("up,k", "scroll(-1)", "Further up", show=False, id="list_up"),
        Binding(
            "pagedown,ctrl+f",
            "scroll(10)",
            "Much further down",
            show=False,
            id="list_page_down",
        ),
        Binding(
            "pageup,ctrl+b",
            "scroll(-10)",
            "Much further up",
            show=False,
            id="list_page_up",
        ),
    ]

    class Told(Message):
        """The story was read, or could not be."""

        def __init__(self, future: Future[EventStory]) -> None:
            self.future = future
            super().__init__()

    def __init__(self, event: LedgerEvent) -> None:
        super().__init__()
        self._event = event
        self._asking = False

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield EventDetail(self._event)
        yield KeyBar(self.AREA)

    @property
    def chosen(self) -> LedgerEvent:
        return self._event

    def on_mount(self) -> None:
        self.set_interval(SIGHT_S, self._read)
        self._read()

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self.query_one(EventDetail).show(picture)

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        self.query_one(EventDetail).show(picture)

    def changed(self, tenant: TenantId) -> None:
        self._read()

    def _read(self) -> None:
        if self._asking or not self.on_top:
            return
        self._asking = True
        identifier = self._event.line.event.identifier
        future = self.console.runtime.submit(
            lambda engine: engine.ledger.open(identifier)
        )
        tell(self, future, self.Told)

    def on_event_screen_told(self, message: Told) -> None:
        self._asking = False
        picture, error = self.console.picture, message.future.exception()
        if error is None and picture is not None:
            story = message.future.result()
            self._event = story.event
            self.query_one(EventDetail).show(picture, story)
        elif isinstance(error, MeterdeckError):
            self.query_one(EventDetail).fail(str(error))
        elif error is not None:
            raise error

    def action_scroll(self, lines: int) -> None:
        self.query_one(EventDetail).scroll_by(lines)
