"""The menu of orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource
from meterdeck.core.services.fleet import SortKey
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.widgets.table_cells import Order

_KEYS = (
    (SortKey.WORST, "W", "worst", "nearest to a limit first"),
    (SortKey.NAME, "N", "name", "by the alphabet"),
    (SortKey.PLAN, "P", "plan", ""),
    (SortKey.STATUS, "S", "status", "in trouble first"),
    (SortKey.RESET, "R", "reset date", "soonest first"),
    (SortKey.TREND, "T", "trend", "busiest first"),
)


class SortDialog(Dialog["str | None"]):
    """Returns what to sort by; the present key again turns the order round."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,s", "close", "Close"),
        Binding("j", "move(1)", "Next order", show=False),
        Binding("k", "move(-1)", "Previous order", show=False),
    ]

    def __init__(self, resources: Sequence[Resource], order: Order) -> None:
        super().__init__()
        self._order = order
        self._rows = [(str(key), hint, name, note) for key, hint, name, note in _KEYS]
        self._rows += [
            (str(resource.name), str(number) if number < 10 else "",
             visible(resource.label, 24), "share of the limit")
            for number, resource in enumerate(resources, 1)
        ]  # fmt: skip

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="menu"):
            yield Static("Sort by", classes="title", markup=False)
            options = [Option(self._prompt(*row)) for row in self._rows]
            yield OptionList(*options, markup=False, compact=True)

    def _prompt(self, key: str, hint: str, name: str, note: str) -> Content:
        mark = self._order.mark if key == self._order.key else " "
        return Content.assemble(
            (f" {hint:<2}", "$md-accent"),
            f" {name:<14}",
            (f"{note:<26}{mark} ", "$md-muted"),
        )

    def on_mount(self) -> None:
        keys = [row[0] for row in self._rows]
        menu = self.query_one(OptionList)
        menu.highlighted = keys.index(self._order.key) if self._order.key in keys else 0
        menu.focus()

    def action_move(self, by: int) -> None:
        menu = self.query_one(OptionList)
        if by > 0:
            menu.action_cursor_down()
        else:
            menu.action_cursor_up()

    def action_close(self) -> None:
        self.dismiss(None)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._rows[event.option_index][0])

    def on_key(self, event: events.Key) -> None:
        for key, hint, *_ in self._rows:
            if hint and event.key == hint:
                event.stop()
                self.dismiss(key)
