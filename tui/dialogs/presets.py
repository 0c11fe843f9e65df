"""The menu of ready-made troubles."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from meterdeck.core.model.fault_presets import PRESETS
from meterdeck.tui.dialogs.menu import Entry, Menu


class PresetsDialog(Menu[str]):
    """Returns the name of a preset."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("p", "close", show=False)]

    def __init__(self) -> None:
        entries = [
            Entry(str(number), each.name, _prompt(number, each.name, each.does))
            for number, each in enumerate(PRESETS, 1)
        ]
        super().__init__("A ready-made trouble; everything else goes off", entries)


def _prompt(number: int, name: str, does: str) -> Content:
    return Content.assemble(
        (f" {number:<2}", "$md-accent"), f"{name:<14}", (does, "$md-muted")
    )
