"""The menu of ready-made troubles."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from meterdeck.core.model.fault_presets import PRESETS
from meterdeck.tui.dialogs.dialog import Dialog


class PresetsDialog(Dialog["str | None"]):
    """Returns the name of a preset."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,p", "close", "Close"),
        Binding("j", "move(1)", "Next preset", show=False),
        Binding("k", "move(-1)", "Previous preset", show=False),
    ]

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="menu"):
            title = "A ready-made trouble; everything else goes off"
            yield Static(title, classes="title", markup=False)
            options = [
                Option(
                    Content.assemble(
                        (f" {number:<2}", "$md-accent"),
                        f"{each.name:<14}",
                        (each.does, "$md-muted"),
                    )
                )
                for number, each in enumerate(PRESETS, 1)
            ]
            yield OptionList(*options, markup=False, compact=True)

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    def action_move(self, by: int) -> None:
        menu = self.query_one(OptionList)
        if by > 0:
            menu.action_cursor_down()
        else:
            menu.action_cursor_up()

    def action_close(self) -> None:
        self.dismiss(None)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(PRESETS[event.option_index].name)

    def on_key(self, event: events.Key) -> None:
        if event.key.isdecimal() and 1 <= int(event.key) <= len(PRESETS):
            event.stop()
            self.dismiss(PRESETS[int(event.key) - 1].name)
