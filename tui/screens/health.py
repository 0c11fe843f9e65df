"""How Redis, Stripe and delivery are, each thing with a verdict; every two seconds."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from meterdeck.core.model.health import FleetHealth
from meterdeck.core.model.health_items import expected_of
from meterdeck.core.model.health_verdicts import items
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.fleet import FleetChange
from meterdeck.core.services.health import Seen
from meterdeck.tui.actions import Area, bindings
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.reading import ReadingScreen
from meterdeck.tui.seen_health import seen_in
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.health_list import HealthDetail, HealthList
from meterdeck.tui.widgets.key_bar import KeyBar


class HealthScreen(ReadingScreen[FleetHealth]):
    """Every item in a line, the chosen one in full below."""

    AREA = Area.HEALTH
    AUTO_FOCUS = "HealthList"
    EVERY_S = 2.0
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Area.HEALTH)]

    _seen: Seen | None = None

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield HealthList()
        yield HealthDetail()
        yield KeyBar(self.AREA)

    @property
    def _list(self) -> HealthList:
        return self.query_one(HealthList)

    def ask_engine(self) -> None:
        if self.console.picture is not None:
            self._seen = seen_in(self.console.picture)
        super().ask_engine()

    async def read(self, engine: Engine) -> FleetHealth:
        return await engine.health.look(self._seen)

    def show_read(self, answer: FleetHealth) -> None:
        picture = self.console.picture
        if picture is None:
            return
        self._list.picture = picture
        self._list.show_items(items(answer, expected_of(picture.context)))
        self.query_one(HealthDetail).show(self._list.selected)

    def show_problem(self, problem: str) -> None:
        self._list.empty = problem or "looking …"
        self._list.repaint()

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        self._list.repaint()

    def on_record_list_selected(self) -> None:
        self.query_one(HealthDetail).show(self._list.selected)

    def do_look_again(self) -> None:
        self.ask_engine()
