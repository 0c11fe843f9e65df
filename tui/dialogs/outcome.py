"""Asks what to do after an answer that was lost or a value that had moved."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from meterdeck.core.model.text import visible
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.dialogs.enter_guard import EnterGuard


class OutcomeDialog(Dialog[bool]):
    """Shows one sentence and returns whether to go on; Close has the focus.

    It comes by itself, at any moment: an Enter that was meant for something else, or is
    held down, closes nothing and confirms nothing.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("right,down", "app.focus_next", "Next button", show=False),
        Binding("left,up", "app.focus_previous", "Previous button", show=False),
    ]

    def __init__(self, title: str, sentence: str, again: str) -> None:
        super().__init__()
        self._text = Content.assemble(
            (f"{visible(title)}\n\n", "bold $md-bright"),
            (visible(sentence, 600), "$md-text"),
        )
        self._again = again
        self._enter = EnterGuard()

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._text, id="heading", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Close", id="close", compact=True)
                yield Button(self._again, id="again", variant="warning", compact=True)

    def on_mount(self) -> None:
        self.query_one("#close", Button).focus()

    def action_close(self) -> None:
        self.dismiss(False)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if not self._enter.held():
            self.dismiss(event.button.id == "again")
