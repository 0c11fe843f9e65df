"""Arming in the console: the key, the dialog, the countdown and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.timer import Timer

from meterdeck.core.model.text import visible
from meterdeck.tui.screens.area import AreaScreen

if TYPE_CHECKING:
    from meterdeck.tui.console import ConsoleApp

_TITLE = "arm"


class ArmDesk:
    """Arms and disarms, and shows each second what has changed about it."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._timer: Timer | None = None
        self._shown = ""

    def toggle(self) -> None:
        """End changes at once, or ask whether to allow them."""
        from meterdeck.tui.dialogs.arm import ArmDialog  # noqa: PLC0415  # rare

        picture = self._app.picture
        if picture is None:
            return
        if picture.arming.armed:
            picture.arming.disarm()
            self._watch()
            self._say("changes nothing any more; ! arms it again")
            return
        self._app.push_screen(ArmDialog(picture), self._answered)

    def _answered(self, yes: bool | None) -> None:
        picture = self._app.picture
        if not yes or picture is None:
            return
        picture.arming.arm()
        self._say(f"may change things{picture.arming.length()}; ! ends it")
        self._show()
        if self._timer is None:
            self._timer = self._app.set_interval(1.0, self._watch)

    def _say(self, what: str) -> None:
        picture = self._app.picture
        name = visible(picture.context.name) if picture else ""
        self._app.say(f"the console {what}", title=name)

    def _watch(self) -> None:
        """Show what the countdown says, and say when it has come to its end."""
        picture = self._app.picture
        arming = picture.arming if picture else None
        if arming is None or arming.words() != self._shown:
            self._show()
        if arming is not None and arming.armed:
            return
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if arming is not None and arming.ran_out:
            self._say("is not armed any more, the time is over; ! arms it again")

    def _show(self) -> None:
        picture = self._app.picture
        if picture is None:
            return
        self._shown = picture.arming.words()
        for screen in self._app.screen_stack:
            if not isinstance(screen, AreaScreen) or not screen.is_mounted:
                continue
            # Under a dialog each line that changes sends the whole terminal anew.
            if screen.on_top:
                screen.frame(picture)
            else:
                screen.behind = True
