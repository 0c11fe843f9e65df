"""The last line: what can be done here, by key or by click."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.strip import Strip

from meterdeck.core.model.context import Context
from meterdeck.tui.actions import Action, Area, offered
from meterdeck.tui.actions.keys import Keys
from meterdeck.tui.render import Line, cells
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import LineView


class KeyBar(LineView):
    """The screen's actions that its context allows, as many as fit."""

    DEFAULT_CSS = "KeyBar { dock: bottom; }"
    GROUND = Ground.BAR

    class Pressed(Message):
        """An action was clicked."""

        def __init__(self, action: str) -> None:
            self.action = action
            super().__init__()

    def __init__(self, area: Area) -> None:
        super().__init__()
        self._area = area
        self._known: Context | None = None
        self._keys = Keys()
        self._red = False
        self._places: list[tuple[int, int, str]] = []
        self._said: tuple[tuple[str, Role], ...] = ()

    def say(self, *parts: tuple[str, Role]) -> None:
        """Say something in place of the keys, while they are typed; nothing: keys."""
        if parts != self._said:
            self._said = parts
            self.repaint()

    def show(self, context: Context, keys: Keys | None = None) -> None:
        """Offer what a context allows, by the keys that the user has chosen."""
        self._known = context
        self._keys = keys or Keys()
        self.repaint()

    def redden(self, *, red: bool) -> None:
        """Be red, or not any more: the lower edge of the frame while a live context
        is armed.
        """
        if red != self._red:
            self._red = red
            self.repaint()

    def _chosen(self) -> list[Action]:
        actions = [action for action in offered(self._area, self._known) if action.rank]
        room = self.size.width - 2
        kept: set[str] = set()
        for action in sorted(actions, key=lambda action: action.rank):
            needed = cells(self._keys.label(action)) + len(action.label) + 3
            if needed > room:
                break
            room -= needed
            kept.add(action.id)
        return [action for action in actions if action.id in kept]

    def draw(self, y: int) -> Strip:
        style, ground = self.palette.style, Ground.ARMED if self._red else Ground.BAR
        key, label = style(Role.ACCENT, ground), style(Role.MUTED, ground)
        line = Line().add(" ", label)
        self._places = []
        for text, role in self._said:
            room = self.size.width - line.width - 1
            line.field(text, min(cells(text), room), style(role, Ground.BAR))
        if self._said:
            return line.strip(self.size.width, label)
        for action in self._chosen():
            start = line.width
            line.add(f"{self._keys.label(action)} ", key).add(action.label, label)
            self._places.append((start, line.width, action.id))
            line.add("  ", label)
        return line.strip(self.size.width, label)

    def on_click(self, event: events.Click) -> None:
        for start, end, action in self._places:
            if start <= event.x < end:
                self.post_message(self.Pressed(action))
