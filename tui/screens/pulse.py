"""The pulse: the fleet on one screen, for a display on a wall. No keys are needed."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal

from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui.actions import Area, bindings
from meterdeck.tui.picture import Picture
from meterdeck.tui.pulse import Pulse
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar
from meterdeck.tui.widgets.pulse_figures import PulseFigures
from meterdeck.tui.widgets.pulse_lists import PulseList, PulseRates
from meterdeck.tui.widgets.pulse_map import PulseMap


class PulseScreen(AreaScreen):
    """Figures, a picture of the fleet, who is near, what flows; once a second."""

    AREA = Area.PULSE
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Area.PULSE)]

    def __init__(self) -> None:
        super().__init__()
        self._pulse = Pulse()

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield PulseFigures()
        yield PulseMap()
        with Horizontal(id="movers"):
            yield PulseList(rising=False)
            yield PulseList(rising=True)
        yield PulseRates()
        yield KeyBar(self.AREA)

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self._show(picture)

    def take(self, picture: Picture, change: FleetChange) -> None:
        """Show the header's part; the rest is painted once a second, by `tick`."""
        self.frame(picture)
        if not self._pulse.bands and len(picture.fleet):
            self._show(picture)

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self._show(picture)

    def tick(self) -> None:
        super().tick()
        if self.on_top and self.console.picture is not None:
            self._show(self.console.picture)

    def _show(self, picture: Picture) -> None:
        self._pulse.look(picture)
        self.query_one(PulseFigures).show(picture, self._pulse)
        self.query_one(PulseMap).show(picture, self._pulse)
        for each in self.query(PulseList):
            each.show(picture, self._pulse)
        self.query_one(PulseRates).show(picture, self._pulse)
