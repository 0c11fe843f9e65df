"""The `:` line over the footer: a command is typed, completed, and run by Enter."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Static

from meterdeck.core.errors import BadInput
from meterdeck.tui.command_line.commands import Commands


class _Ghost(Suggester):
    """Shows what Tab would complete to, behind the cursor."""

    def __init__(self, commands: Commands) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._commands = commands

    async def get_suggestion(self, value: str) -> str | None:
        found = self._commands.complete(value) if value else []
        return found[0] if found and found[0] != value else None


class CommandLine(Widget):
    """An input over the last line; it lies on a layer of its own and moves nothing.

    Args:
        commands: What it knows.
        earlier: Lines that were run before, the newest last.
        begun: What stands there already.
    """

    DEFAULT_CSS = """
    CommandLine {
        layer: above;
        dock: bottom;
        height: 1;
        layout: horizontal;
    }
    CommandLine > #colon { width: 2; padding-left: 1; }
    CommandLine > Input { width: 2fr; min-width: 24; }
    CommandLine > #says {
        width: 3fr;
        padding: 0 1;
        color: $md-muted;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    CommandLine > Static { background: $md-ground-cursor; }
    CommandLine > #says.-wrong { color: $md-near; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave the line", show=False),
        Binding("tab", "complete(1)", "Complete", show=False, priority=True),
        Binding("shift+tab", "complete(-1)", "Complete", show=False, priority=True),
        Binding("up", "earlier(-1)", "The line before", show=False),
        Binding("down", "earlier(1)", "The line after", show=False),
    ]

    class Entered(Message):
        """A line is to be run."""

        def __init__(self, line: str) -> None:
            self.line = line
            super().__init__()

    class Left(Message):
        """The line is no longer needed."""

    def __init__(self, commands: Commands, earlier: list[str], begun: str = "") -> None:
        super().__init__()
        self._commands = commands
        self._earlier = earlier
        self._begun = begun
        self._place = len(earlier)
        self._offered: list[str] = []
        self._chosen = -1
        self._completing = False

    def compose(self) -> ComposeResult:
        yield Static(":", id="colon", markup=False)
        ghost = _Ghost(self._commands)
        yield Input(self._begun, compact=True, suggester=ghost, select_on_focus=False)
        yield Static(self._commands.hint(self._begun), id="says", markup=False)

    def on_mount(self) -> None:
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()

    def fail(self, problem: str) -> None:
        """Say what is wrong with the line; it stays to be mended."""
        self._say(problem, wrong=True)

    def _say(self, text: str, *, wrong: bool = False) -> None:
        hint = self.query_one("#says", Static)
        hint.set_class(wrong, "-wrong")
        hint.update(text, layout=False)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if not self._completing:
            self._offered, self._chosen = [], -1
        self._completing = False
        self._say(self._commands.hint(event.value))

    def action_complete(self, by: int) -> None:
        """Put the next of the lines that this one may become in its place."""
        field = self.query_one(Input)
        if not self._offered:
            self._offered = self._commands.complete(field.value)
        if not self._offered:
            return
        self._chosen = (self._chosen + by) % len(self._offered)
        if field.value == self._offered[self._chosen] and len(self._offered) > 1:
            self._chosen = (self._chosen + by) % len(self._offered)
        self._put(self._offered[self._chosen])

    def _put(self, text: str) -> None:
        field = self.query_one(Input)
        self._completing = field.value != text
        field.value = text
        field.cursor_position = len(text)

    def action_earlier(self, by: int) -> None:
        """Go through the lines that were run before."""
        self._place = min(max(self._place + by, 0), len(self._earlier))
        at_end = self._place == len(self._earlier)
        self._put("" if at_end else self._earlier[self._place])

    def action_leave(self) -> None:
        """Run nothing."""
        self.post_message(self.Left())

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Entered(event.value))

    def run(self, line: str) -> bool:
        """Run a line; tell whether it could be, and say why not."""
        try:
            self._commands.execute(line)
        except BadInput as error:
            self.fail(str(error))
            return False
        return True
