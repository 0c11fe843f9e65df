"""A field with a few fixed answers, chosen with ← and →."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from meterdeck.tui.render import Line, cells
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import LineView


class Choice(LineView, can_focus=True):
    """One of several answers; brackets mark the chosen one, with colour or without."""

    GROUND = Ground.PANEL
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "Previous answer", show=False),
        Binding("right,l,space", "step(1)", "Next answer", show=False),
        Binding("enter", "leave", "Next field", show=False),
    ]

    class Changed(Message):
        """Another answer was chosen."""

    class Left(Message):
        """Enter was pressed: on to the next field."""

    def __init__(self, answers: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._answers = list(answers)
        self.chosen = 0

    def choose(self, number: int) -> None:
        """Choose an answer by its place."""
        self.chosen = number % len(self._answers)
        self.repaint()
        self.post_message(self.Changed())

    def action_step(self, by: int) -> None:
        self.choose(self.chosen + by)

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def on_focus(self) -> None:
        self.repaint()

    def on_blur(self) -> None:
        self.repaint()

    def _places(self) -> list[tuple[int, int, int]]:
        """Return start, end and number of the answers that fit, the chosen one first
        of all where they do not."""
        room, first = self.size.width, 0
        while first < self.chosen:
            used = sum(cells(a) + 3 for a in self._answers[first : self.chosen + 1])
            if used <= room:
                break
            first += 1
        places, x = [], 0
        for number in range(first, len(self._answers)):
            end = x + cells(self._answers[number]) + 2
            if end > room and number > self.chosen:
                break
            places.append((x, end, number))
            x = end + 1
        return places

    def draw(self, y: int) -> Strip:
        style = self.palette.style
        ground = Ground.FOCUS if self.has_focus else Ground.PANEL
        blank = style(Role.MUTED, ground)
        line = Line()
        for start, _, number in self._places():
            line.pad(start, blank)
            text = self._answers[number]
            if number == self.chosen:
                role = Role.ACCENT if self.has_focus else Role.BRIGHT
                line.add(f"[{text}]", style(role, ground, bold=True))
            else:
                line.add(f" {text} ", blank)
        return self._hinted(line, style(Role.ACCENT, ground), blank)

    def _hinted(self, line: Line, hint: Style, blank: Style) -> Strip:
        """Finish a line, with a sign where there are more answers than fit."""
        width, places = self.size.width, self._places()
        strip = line.strip(width, blank)
        if not places or places[-1][2] == len(self._answers) - 1 or width < 3:
            return strip
        end = Line().add("›", hint).strip(1, blank)
        return Strip.join([strip.crop(0, width - 1), end])

    def on_click(self, event: events.Click) -> None:
        for start, end, number in self._places():
            if start <= event.x < end:
                self.choose(number)
