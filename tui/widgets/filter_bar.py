"""The line a filter is typed into, over the totals; hidden until it is asked for.

It lies on a layer of its own and waits above the screen: a line that pushed the table
down, or came and went, would send the whole screen anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from meterdeck.core.errors import BadInput
from meterdeck.core.model.filter.completion import VIEW, Hints
from meterdeck.tui.themes import Role
from meterdeck.tui.widgets.key_bar import KeyBar

REST_S = 0.7
"""A complaint waits until the typing rests: what is half typed is not yet wrong."""


_MOST_OFFERED = 16
_PASTED = 4
"""Characters that come at once from no keyboard."""
_KEYS = ("↵", "keep"), ("esc", "drop"), ("↓", "to the list")


def _no_hints() -> Hints:
    return Hints()


class _Ghost(Suggester):
    """Shows what Tab would complete to, behind the cursor."""

    def __init__(self, bar: FilterBar) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._bar = bar

    async def get_suggestion(self, value: str) -> str | None:
        if not value or value[-1] in " (|!":
            return None
        found = self._bar.completions(value)
        return found[0] if found and found[0] != value else None


_MARGINS = 2
_PLACE = re.compile(r"filter, character \d+: ")


class FilterBar(Widget):
    """An input that reports each change; Enter keeps the filter, Esc drops it.

    Attributes:
        hints: What can be typed here; asked once each time the line is shown.
    """

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
        Binding("tab", "complete(1)", "Complete", show=False, priority=True),
        Binding("shift+tab", "complete(-1)", "Complete", show=False, priority=True),
    ]

    class Changed(Message):
        """The filter is another text now."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Named(Message):
        """A saved view was asked for by its name."""

        def __init__(self, name: str) -> None:
            self.name = name
            super().__init__()

    class Left(Message):
        """The operator is done with the filter.

        Attributes:
            pasted: What was pasted and entered, so that it may be an id; else "".
        """

        def __init__(self, pasted: str = "") -> None:
            self.pasted = pasted
            super().__init__()

    def __init__(self, hint: str = "name, id, customer, plan or status") -> None:
        super().__init__()
        self.hints: Callable[[], Hints] = _no_hints
        self._hint = hint
        self._known: Hints | None = None
        self._offered: list[str] = []
        self._chosen = -1
        self._length = 0
        self._pasted = False
        self._complaint = ""
        self._rest: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(" / ", markup=False)
        yield Input(placeholder=self._hint, compact=True, suggester=_Ghost(self))
        yield Static(id="count", markup=False)

    def count(self, text: str) -> None:
        """Say how much is left, at the right."""
        if self.is_open:
            self.query_one("#count", Static).update(text)

    def put(self, text: str) -> None:
        """Have a filter stand in the line, shown or not."""
        self.query_one(Input).value = text

    def accept(self, take: Callable[[], object]) -> bool:
        """Do what a filter asks for; tell whether it could be understood.

        A complaint is shown in the last line when the typing rests; until it is
        mended the screen keeps what it shows.
        """
        try:
            take()
        except BadInput as error:
            self._complaint = str(error)
        else:
            self._complaint = ""
        return not self._complaint

    def complain(self) -> None:
        """Say now what is wrong, without a rest."""
        self._say_complaint()

    def _say_complaint(self) -> None:
        self._rest = None
        if self._complaint and self.is_open:
            room = self.screen.size.width - _MARGINS
            self._last_line((_fitting(self._complaint, room), Role.NEAR))

    def _last_line(self, *parts: tuple[str, Role]) -> None:
        for bar in self.screen.query(KeyBar):
            bar.say(*parts)

    # -- completion --------------------------------------------------------------------

    def completions(self, text: str) -> list[str]:
        """Return what a text may become, the likeliest first."""
        if self._known is None:
            self._known = self.hints()
        return self._known.complete(text)

    def _offer(self, text: str) -> None:
        """Show in the last line what the text may become, or what ends the typing."""
        found = self.completions(text)
        if found and found != [text] and self._known is not None:
            offers = self._known.offers(text)[:_MOST_OFFERED]
            self._last_line(("Tab ", Role.ACCENT), ("  ".join(offers), Role.MUTED))
            return
        keys = [
            part
            for key, does in _KEYS
            for part in ((f"{key} ", Role.ACCENT), (f"{does}  ", Role.MUTED))
        ]
        self._last_line(*keys)

    def action_complete(self, by: int) -> None:
        """Put the next of what the text may become in its place."""
        field = self.query_one(Input)
        if not self._offered:
            self._offered, self._chosen = self.completions(field.value), -1
        if not self._offered:
            return
        self._chosen = (self._chosen + by) % len(self._offered)
        if field.value == self._offered[self._chosen]:
            self._chosen = (self._chosen + by) % len(self._offered)
        self._put(self._offered[self._chosen])

    def _put(self, text: str) -> None:
        field = self.query_one(Input)
        field.value = text
        field.cursor_position = len(text)

    def begin(self) -> None:
        """Show the line and put the cursor into it."""
        self._known = None
        self._show(True)
        field = self.query_one(Input)
        field.focus()
        self._offer(field.value)

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
        if event.value not in self._offered:
            self._offered = []
            self._pasted = len(event.value) - self._length >= _PASTED
        self._length = len(event.value)
        if self.is_open:
            self._offer(event.value)
        if self._named(event.value):
            self._complaint = ""
            return
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
        elif self._named(event.value):
            self.post_message(self.Named(event.value.removeprefix(VIEW).strip()))
        else:
            self._show(False)
            self.post_message(self.Left(self.text if self._pasted else ""))

    def _named(self, text: str) -> bool:
        """Tell whether a text names a view, where there are any."""
        views = self._known.views if self._known else ()
        return bool(views) and text.startswith(VIEW)


def _fitting(complaint: str, room: int) -> str:
    """Leave out where it is wrong if else there is no room for what would be right."""
    return complaint if len(complaint) <= room else _PLACE.sub("", complaint, 1)
