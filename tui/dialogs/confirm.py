"""What small dialogs have in common that change something without a reason."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Input, Static

from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.dialogs.enter_guard import EnterGuard

T = TypeVar("T")


class ConfirmDialog(Dialog["T | None"], Generic[T]):
    """Returns an answer, or None; Enter leads to Cancel and never confirms."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel: nothing changes"),
        Binding("ctrl+s", "confirm", "Confirm the change", priority=True),
        Binding("right", "app.focus_next", "Next", show=False),
        Binding("left", "app.focus_previous", "Previous", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._enter = EnterGuard()

    @abstractmethod
    def answer(self) -> T | None:
        """Return what confirming means now; None while something is missing."""

    def ending(self, verb: str) -> ComposeResult:
        """Yield the buttons and the line that names the keys."""
        with Horizontal(id="buttons"):
            yield Button("Cancel", id="cancel", compact=True)
            yield Button(verb, id="confirm", variant="warning", compact=True)
        hint = f"↵ to the buttons   ctrl+s {verb.lower()}   esc cancel"
        yield Static(hint, id="hint", markup=False)

    @on(Input.Submitted)
    def to_cancel(self) -> None:
        """Go on from the last field, as Enter does."""
        self._enter.held()
        self.query_one("#cancel", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if self._enter.held():
            return
        if event.button.id == "confirm":
            self.action_confirm()
        else:
            self.dismiss(None)

    def action_cancel(self) -> None:
        self.dismiss(None)

    def action_confirm(self) -> None:
        """Return the answer, if there is one."""
        found = self.answer()
        if found is None:
            self.app.bell()
        else:
            self.dismiss(found)


def turning(what: str, before: str, after: str) -> Content:
    """Write what turns into what, as every dialog does."""
    return Content.assemble(
        (f"{what}  ", "$md-muted"),
        (before, "$md-text"),
        ("  →  ", "$md-accent"),
        (after or "…", "bold $md-bright"),
    )
