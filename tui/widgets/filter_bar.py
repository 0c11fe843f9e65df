"""The line a filter is typed into, over the totals; hidden until it is asked for.

It lies on a layer of its own and waits above the screen: a line that pushed the table
down, or came and went, would send the whole screen anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from meterdeck.core.errors import BadInput
from meterdeck.tui.themes import Role
from meterdeck.tui.widgets.key_bar import KeyBar

T = TypeVar("T")
REST_S = 0.7
"""A complaint waits until the typing rests: what is half typed is not yet wrong."""


class FilterBar(Widget):
    """An input that reports each change; Enter keeps the filter, Esc drops it."""

    DEFAULT_CSS = """
    FilterBar {
        layer: above;
        dock: top;
        offset-y: -2;
        height: 1;
        layout: horizontal;
    }
    FilterBar.-open { offset-y: 1; }
    FilterBar > Static { width: 3; }
    FilterBar > Input { width: 1fr; }
    FilterBar > #count { width: auto; min-width: 3; padding: 0 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "drop", "Drop the filter", show=False),
        Binding("down", "keep", "Keep the filter, go to the list", show=False),
    ]

    class Changed(Message):
        """The filter is another text now."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Left(Message):
        """The operator is done with the filter."""

    def __init__(self, hint: str = "name, id, customer, plan or status") -> None:
        super().__init__()
        self._hint = hint
        self._complaint = ""
        self._rest: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(" / ", markup=False)
        yield Input(placeholder=self._hint, compact=True)
        yield Static(id="count", markup=False)

    def count(self, text: str) -> None:
        """Say how much is left, at the right."""
        if self.is_open:
            self.query_one("#count", Static).update(text)

    def read(self, make: Callable[[], T]) -> T | None:
        """Return what `make` reads of the filter, None where it complains of it.

        The complaint is shown in the last line when the typing rests; until it is
        mended the screen keeps what it shows.
        """
        try:
            made = make()
        except BadInput as error:
            self._complaint = str(error)
            return None
        self._complaint = ""
        return made

    def _say_complaint(self) -> None:
        self._rest = None
        if self._complaint and self.is_open:
            self._last_line((self._complaint, Role.NEAR))

    def _last_line(self, *parts: tuple[str, Role]) -> None:
        for bar in self.screen.query(KeyBar):
            bar.say(*parts)

    def begin(self) -> None:
        """Show the line and put the cursor into it."""
        self._show(True)
        self.query_one(Input).focus()

    @property
    def is_open(self) -> bool:
        """Whether the line is on the screen."""
        return self.has_class("-open")

    @property
    def text(self) -> str:
        """What is typed into it."""
        return self.query_one(Input).value.strip()

    def _show(self, shown: bool) -> None:
        if not shown:
            self._complaint = ""
            self._last_line()
        self.set_class(shown, "-open")
        self.query_one(Input).can_focus = shown

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False
        self._show(False)

    def clear(self) -> bool:
        """Drop the filter; tell whether there was one."""
        field = self.query_one(Input)
        had = bool(field.value) or self.is_open
        field.value = ""
        self._show(False)
        return had

    def action_drop(self) -> None:
        self.clear()
        self.post_message(self.Left())

    def action_keep(self) -> None:
        self._show(False)
        self.post_message(self.Left())

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value.strip()))
        if self._rest is None:
            self._rest = self.set_timer(REST_S, self._say_complaint)
        else:
            self._rest.reset()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._complaint:
            self._say_complaint()
        else:
            self.action_keep()
