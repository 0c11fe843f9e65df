"""Says, before anything is typed, that this Redis user may not do something."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from meterdeck.core.model.acl.own_rights import RedisUser, barred
from meterdeck.core.model.acl.rights import Right
from meterdeck.core.model.text import visible
from meterdeck.tui.actions.action import Action
from meterdeck.tui.dialogs.dialog import Dialog


class BarredDialog(Dialog[None]):
    """Who this is, which roles may, and whom to ask; it changes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close"),
    ]

    def __init__(self, action: Action, right: Right, user: RedisUser | None) -> None:
        super().__init__()
        self._title = f"{action.label}: not as this Redis user"
        self._lines = barred(user or RedisUser("NAME"), right)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(
                Content.styled(self._title, "bold $md-accent"),
                id="heading", markup=False,
            )  # fmt: skip
            yield Static(self._text(), markup=False)
            with Horizontal(id="buttons"):
                yield Button("Close", id="close", compact=True)
            yield Static(
                "nothing was changed; the server is asked again now",
                id="hint", markup=False,
            )  # fmt: skip

    def _text(self) -> Content:
        *sentences, command = (visible(each, 400) for each in self._lines)
        said = "".join(f"{each}\n\n" for each in sentences)
        return Content.assemble(
            (said, "$md-text"),
            (f"  {command}\n\n", "bold $md-bright"),
            ("prints what such a user needs; docs/roles.md has them all.", "$md-text"),
        )

    def on_mount(self) -> None:
        self.query_one("#close", Button).focus()

    def action_close(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed)
    def _pressed(self) -> None:
        self.dismiss(None)
