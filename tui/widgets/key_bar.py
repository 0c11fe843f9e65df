"""The last line: what can be done here, by key or by click."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.strip import Strip

from meterdeck.core.model.context import Context
from meterdeck.tui.actions import BY_ID, Action, Area, offered
from meterdeck.tui.actions.keys import Keys
from meterdeck.tui.render import Line, cells
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import LineView

_ELSEWHERE = (
    "overrides", "audit", "drift", "health", "alerts", "pulse", "handoff", "command",
)  # fmt: skip
"""What the first screen offers together: each by itself would find no room."""
_RANK_ELSEWHERE = 5
_GAP = 2


@dataclass(frozen=True, slots=True)
class _Entry:
    """Some actions under one label.

    Attributes:
        keys: How a key is written, and the action that it does.
    """

    label: str
    rank: int
    keys: tuple[tuple[str, str], ...]

    @property
    def width(self) -> int:
        """Cells that it takes, with the gap after it."""
        return sum(cells(key) for key, _ in self.keys) + 1 + len(self.label) + _GAP


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

    def _entries(self) -> list[_Entry]:
        actions = [each for each in offered(self._area, self._known) if each.rank]
        if self._area is not Area.FLEET:
            return [self._entry(each) for each in actions]
        together = [BY_ID[name] for name in _ELSEWHERE]
        keys = tuple((self._keys.label(each), each.id) for each in together)
        entries = [self._entry(each) for each in actions if each not in together]
        place = next(n for n, each in enumerate(entries) if each.label == "help")
        entries.insert(place, _Entry("more", _RANK_ELSEWHERE, keys))
        return entries

    def _entry(self, action: Action) -> _Entry:
        keys = ((self._keys.label(action), action.id),)
        return _Entry(action.label, action.rank, keys)

    def _chosen(self) -> list[_Entry]:
        room = self.size.width - 2 + _GAP  # which the last one does not need
        kept: list[_Entry] = []
        entries = self._entries()
        for entry in sorted(entries, key=lambda entry: entry.rank):
            if entry.width > room:
                break
            room -= entry.width
            kept.append(entry)
        return [entry for entry in entries if entry in kept]

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
        for entry in self._chosen():
            for name, action in entry.keys:
                start = line.width
                line.add(name, key)
                self._places.append((start, line.width, action))
            line.add(f" {entry.label}", label)
            if len(entry.keys) == 1:
                self._places[-1] = (start, line.width, action)
            line.add(" " * _GAP, label)
        return line.strip(self.size.width, label)

    def on_click(self, event: events.Click) -> None:
        for start, end, action in self._places:
            if start <= event.x < end:
                self.post_message(self.Pressed(action))
