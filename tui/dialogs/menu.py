"""A menu: one thing of several is chosen, by its key or by moving to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from meterdeck.tui.dialogs.dialog import Dialog

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A line of a menu; `key` chooses it at once, where it is not empty."""

    key: str
    value: T
    prompt: Content


class Menu(Dialog["T | None"], Generic[T]):
    """Returns the value of the entry that was chosen; None for none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("j", "move(1)", "Next", show=False),
        Binding("k", "move(-1)", "Previous", show=False),
    ]

    def __init__(
        self, title: str, entries: Sequence[Entry[T]], *, highlighted: int = 0
    ) -> None:
        super().__init__()
        self._title = title
        self._entries = tuple(entries)
        self._highlighted = highlighted

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="menu"):
            yield Static(self._title, classes="title", markup=False)
            options = [Option(entry.prompt) for entry in self._entries]
            yield OptionList(*options, markup=False, compact=True)

    def on_mount(self) -> None:
        menu = self.query_one(OptionList)
        menu.highlighted = self._highlighted
        menu.focus()

    def action_move(self, by: int) -> None:
        """Go to the next entry or the one before."""
        menu = self.query_one(OptionList)
        if by > 0:
            menu.action_cursor_down()
        else:
            menu.action_cursor_up()

    def action_close(self) -> None:
        """Choose nothing."""
        self.dismiss(None)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._entries[event.option_index].value)

    def on_key(self, event: events.Key) -> None:
        for entry in self._entries:
            if entry.key and event.key == entry.key:
                event.stop()
                self.dismiss(entry.value)
                return
