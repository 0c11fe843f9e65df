"""The fault panel: what a sandbox's Stripe does wrong on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui import fault_words
from meterdeck.tui.actions import Area, bindings
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.fault_effects import FaultEffects
from meterdeck.tui.widgets.fault_knobs import FaultKnobs
from meterdeck.tui.widgets.fault_note import FaultNote
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar

_LOOK_S = 0.5
_PAGE = 8


class FaultsScreen(AreaScreen):
    """Switches and rates on the left, what they do on the right."""

    AREA = Area.FAULTS
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Area.FAULTS),
        Binding("down,j", "choose(1)", "Next fault", show=False, id="list_down"),
        Binding("up,k", "choose(-1)", "Previous fault", show=False, id="list_up"),
        Binding(
            "pagedown",
            f"choose({_PAGE})",
            "Some faults on",
            show=False,
            id="list_page_down",
        ),
        Binding(
            "pageup",
            f"choose(-{_PAGE})",
            "Some faults back",
            show=False,
            id="list_page_up",
        ),
        Binding(
            "g,home", "choose(-99)", "The first fault", show=False, id="list_first"
        ),
        Binding("G,end", "choose(99)", "The last fault", show=False, id="list_last"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[str, object] = {}

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        with Horizontal(id="panel"):
            yield FaultKnobs()
            yield FaultEffects()
        yield FaultNote()
        yield KeyBar(self.AREA)

    @property
    def _knobs(self) -> FaultKnobs:
        return self.query_one(FaultKnobs)

    def on_mount(self) -> None:
        self.query_one(FaultNote).show(self._knobs.chosen)
        self.set_interval(_LOOK_S, self._look)
        self._look()

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self.faulted(picture)

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        self.query_one(FaultEffects).show(picture)

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self.faulted(picture)

    def faulted(self, picture: Picture) -> None:
        self._knobs.show(picture.faults, self.console.faults.problem)
        effects = self.query_one(FaultEffects)
        effects.show(picture)
        if picture.faults is not None:
            effects.see(picture.faults)

    def _look(self) -> None:
        if self.on_top:
            self.console.faults.look()

    # -- actions ---------------------------------------------------------------

    @property
    def _sight(self) -> FaultSight | None:
        return self._knobs.sight

    def action_choose(self, by: int) -> None:
        self._knobs.move(by)

    def on_fault_knobs_chosen(self) -> None:
        self.query_one(FaultNote).show(self._knobs.chosen)

    def on_fault_knobs_switched(self) -> None:
        self.action_act("fault_switch")

    def _set(self, changes: Mapping[str, object]) -> None:
        self.console.faults.change(changes)

    def _step(self, by: int) -> None:
        knob, sight = self._knobs.chosen, self._sight
        if sight is not None:
            self._set({knob.name: fault_words.stepped(knob, sight.faults, by)})

    def do_fault_more(self) -> None:
        self._step(1)

    def do_fault_less(self) -> None:
        self._step(-1)

    def do_fault_switch(self) -> None:
        knob, sight = self._knobs.chosen, self._sight
        if sight is None:
            return
        before = self._before.get(knob.name)
        self._before[knob.name] = sight.faults.value(knob)
        self._set({knob.name: fault_words.switched(knob, sight.faults, before)})

    def do_fault_value(self) -> None:
        from meterdeck.tui.dialogs.fault_value import (  # noqa: PLC0415  # rare
            FaultValueDialog,
        )

        knob, sight = self._knobs.chosen, self._sight
        if sight is None:
            return

        def entered(found: tuple[object] | None) -> None:
            if found is not None:
                self._set({knob.name: found[0]})

        self.app.push_screen(FaultValueDialog(knob, sight.faults), entered)

    def do_presets(self) -> None:
        from meterdeck.tui.dialogs.presets import PresetsDialog  # noqa: PLC0415  # rare

        sight = self._sight
        if sight is None:
            return

        def chosen(name: str | None) -> None:
            if name is not None:
                self._set({"preset": name})

        self.app.push_screen(PresetsDialog(sight.faults), chosen)

    def do_faults_off(self) -> None:
        self.console.faults.clear()

    def do_settle(self) -> None:
        self.console.faults.settle()
