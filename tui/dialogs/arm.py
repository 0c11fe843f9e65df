"""The dialog that arms the console: it allows changes for some minutes."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from meterdeck.core.model.context import Mode
from meterdeck.core.model.text import visible
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.dialogs.enter_guard import EnterGuard
from meterdeck.tui.picture import Picture


class ArmDialog(Dialog[bool]):
    """Returns whether to arm; Enter never confirms, Cancel is the last stop."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel: the console only reads"),
        Binding("ctrl+s", "confirm", "Allow changes", priority=True),
        Binding("right,down", "app.focus_next", "Next", show=False),
        Binding("left,up", "app.focus_previous", "Previous", show=False),
    ]

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self._picture = picture
        self._where = picture.context
        self._live = picture.context.mode is Mode.LIVE
        self._enter = EnterGuard()

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._heading(), id="heading", markup=False)
            yield Static(self._follows(), id="follows", markup=False)
            if self._live:
                with Horizontal(classes="field"):
                    yield Static("Live", classes="label", markup=False)
                    place = f"type {visible(self._where.name, 40)} to arm"
                    yield Input(placeholder=place, id="typed", compact=True)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Arm", id="confirm", variant="warning", compact=True)
            yield Static("ctrl+s arm   esc cancel", id="hint", markup=False)
        self.set_class(self._live, "-live")

    def _heading(self) -> Content:
        context, mode = self._where, self._where.mode.value
        where = visible(context.name, 30)
        named = where.upper() if where == mode else f"{where} {mode.upper()}"
        return Content.assemble(
            (f"Allow changes{self._picture.arming.length()}\n", "bold $md-accent"),
            ("in ", "$md-muted"),
            (named, "bold $md-high" if self._live else "$md-text"),
        )

    def _follows(self) -> Content:
        parts = [
            "Each change still shows what it does, and asks.",
            "! ends it at any time.",
        ]
        if self._live:
            parts.append("What undo cannot take back asks for the name once more.")
        user = self._picture.role.user
        if user is not None and not user.changes:
            parts.append(f"Redis user {user.words}: it changes nothing here.")
        return Content.styled("\n".join(f"· {each}" for each in parts), "$md-text")

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        self.query_one("#typed" if self._live else "#cancel").focus()
        self._look()

    @property
    def _ready(self) -> bool:
        if not self._live:
            return True
        return self.query_one("#typed", Input).value.strip() == self._where.name

    @on(Input.Changed)
    def _look(self) -> None:
        self.query_one("#confirm", Button).disabled = not self._ready

    @on(Input.Submitted)
    def _entered(self) -> None:
        self._enter.held()
        self.query_one("#cancel", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if self._enter.held():
            return
        if event.button.id == "confirm":
            self.action_confirm()
        else:
            self.dismiss(False)

    def action_cancel(self) -> None:
        self.dismiss(False)

    def action_confirm(self) -> None:
        """Arm, once the name is typed where it has to be."""
        if self._ready:
            self.dismiss(True)
        else:
            self.app.bell()
