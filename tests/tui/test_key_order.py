"""Keys that arrive in one packet: each acts on what the one before it has opened."""

import asyncio
import threading
import time
from typing import Any, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widget import AwaitMount, Widget
from textual.widgets import Input, Static

from meterdeck.tui.key_order import LOOK_S, MOST_LOOKS, OneKeyAtATime


class _Dialog(ModalScreen[None]):
    def compose(self) -> ComposeResult:
        yield Static("how many")
        yield Input()


class _Vanishing(Static, can_focus=True):
    """Goes with the first key that it gets, and with what follows it."""

    def on_key(self) -> None:
        self.remove()


class _Chosen(Message):
    """As of a list that has a menu's entry chosen."""


class _Imported(Message):
    """As of a menu that is closed and answers."""


class _Line(Widget):
    """Takes the focus once it is there."""

    def compose(self) -> ComposeResult:
        yield Input()

    def on_mount(self) -> None:
        self.query_one(Input).focus()


class _Area(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [("a", "open"), ("c", "line")]

    def compose(self) -> ComposeResult:
        yield _Vanishing(id="first")

    def action_line(self) -> AwaitMount:
        put = self.mount(_Line())
        _typed(self.app, "a42")  # comes while the line is put on the screen
        return put

    def action_open(self) -> None:
        threading.Event().wait(LOOK_S * 1.5)  # an import on a busy machine
        self.post_message(_Chosen())

    async def on__chosen(self) -> None:
        for _ in range(50):  # as the removal of the menu takes
            await asyncio.sleep(0)
        self.post_message(_Imported())

    def on__imported(self) -> None:
        self.app.push_screen(_Dialog())


class _App(OneKeyAtATime):
    def on_mount(self) -> None:
        self.push_screen(_Area())


def _typed(app: App[Any], keys: str) -> None:
    for key in keys:
        app.post_message(events.Key(key, key))


async def _until_typed(app: _App, text: str) -> bool:
    async with asyncio.timeout(10):
        while True:
            found = app.screen.query(Input)
            if found and found.first().value == text:
                return True
            await asyncio.sleep(0.01)


async def test_keys_wait_for_a_dialog_that_takes_long_to_open() -> None:
    """It is imported for longer than a look at a key takes: what was typed behind the
    key that opens it is all in its field, in order."""
    app = _App()
    async with app.run_test() as pilot:
        app.set_focus(None)
        await pilot.pause()
        _typed(app, "a42")

        assert await _until_typed(app, "42")


async def test_keys_that_come_while_a_line_opens_are_typed_into_it() -> None:
    """None of them acts as it would without the line, and none is lost."""
    app = _App()
    async with app.run_test() as pilot:
        app.set_focus(None)
        await pilot.pause()
        _typed(app, "c")

        assert await _until_typed(app, "a42")


async def test_a_key_whose_widget_goes_with_it_holds_up_no_other() -> None:
    """The end of such a key never comes: the next look finds that out, not the last."""
    app = _App()
    async with app.run_test() as pilot:
        app.set_focus(app.screen.query_one("#first"))
        await pilot.pause()
        began = time.monotonic()
        _typed(app, "xa4")

        assert await _until_typed(app, "4")
    assert time.monotonic() - began < LOOK_S * MOST_LOOKS / 2
