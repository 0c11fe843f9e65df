"""The dialog of ready-made troubles: what each would change, before it does."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from meterdeck.core.model.fault_knobs import KNOBS
from meterdeck.core.model.fault_presets import PRESETS, Preset
from meterdeck.core.model.faults import Faults
from meterdeck.tui.dialogs.confirm import ConfirmDialog
from meterdeck.tui.fault_words import shown

_SAME = "everything is set so already"


class PresetsDialog(ConfirmDialog[str]):
    """Returns the name of a preset.

    Args:
        faults: What is set now.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "cancel", show=False),
        Binding("j", "move(1)", "Next", show=False),
        Binding("k", "move(-1)", "Previous", show=False),
    ]

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    def compose(self) -> ComposeResult:
        options = [
            Option(_prompt(number, each)) for number, each in enumerate(PRESETS, 1)
        ]
        heading = Content.assemble(
            ("A ready-made trouble\n", "bold $md-accent"),
            ("What it does not name goes off, from Stripe's next request.", "$md-text"),
        )
        with Vertical(id="dialog"):
            yield Static(heading, id="heading", markup=False)
            yield OptionList(*options, markup=False, compact=True)
            yield Static(id="changes", markup=False)
            yield from self.ending("Set")

    def on_mount(self) -> None:
        menu = self.query_one(OptionList)
        menu.highlighted = 0
        menu.focus()

    def answer(self) -> str | None:
        place = self.query_one(OptionList).highlighted
        return None if place is None else PRESETS[place].name

    def action_move(self, by: int) -> None:
        """Go to the next preset or the one before."""
        menu = self.query_one(OptionList)
        if by > 0:
            menu.action_cursor_down()
        else:
            menu.action_cursor_up()

    def on_key(self, event: events.Key) -> None:
        if event.key.isdecimal() and 0 < int(event.key) <= len(PRESETS):
            event.stop()
            self.query_one(OptionList).highlighted = int(event.key) - 1

    def on_option_list_option_selected(self) -> None:
        self.to_cancel()

    def on_option_list_option_highlighted(
        self, event: OptionList.OptionHighlighted
    ) -> None:
        says = _changes(self._faults, PRESETS[event.option_index].faults)
        self.query_one("#changes", Static).update(says, layout=False)


def _changes(now: Faults, then: Faults) -> Content:
    """Write what turns into what, as many as there are."""
    parts: list[tuple[str, str]] = []
    for knob in KNOBS:
        before, after = now.value(knob), then.value(knob)
        if before != after:
            parts += [
                (f"{', ' if parts else ''}{knob.label.strip()} ", "$md-muted"),
                (f"{shown(knob, before)} → ", "$md-text"),
                (shown(knob, after), "bold $md-bright"),
            ]
    return Content.assemble(*parts) if parts else Content.styled(_SAME, "$md-muted")


def _prompt(number: int, preset: Preset) -> Content:
    return Content.assemble(
        (f" {number:<2}", "$md-accent"),
        f"{preset.name:<13}",
        (preset.does, "$md-muted"),
    )
