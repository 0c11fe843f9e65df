"""The sections of a screen in one line: which there are, and which one is shown."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.strip import Strip

from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import LineView

_HINT = "[ ] or Tab"


class SectionBar(LineView):
    """Names of sections; the shown one stands out, and a click shows another.

    Attributes:
        chosen: Which one is shown, by its place.
    """

    class Chosen(Message):
        """A section was clicked."""

        def __init__(self, place: int) -> None:
            self.place = place
            super().__init__()

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names
        self._places: list[tuple[int, int]] = []
        self.chosen = 0

    def choose(self, place: int) -> None:
        """Show another section's name as the one that is shown."""
        self.chosen = place
        self.repaint()

    def draw(self, y: int) -> Strip:
        style, width = self.palette.style, self.size.width
        blank = style(Role.MUTED, Ground.BASE)
        roomy = sum(len(name) + 2 for name in self._names) + len(_HINT) + 3 <= width
        line = Line().add("" if not roomy else " ", blank)
        self._places = []
        for place, name in enumerate(self._names):
            on = place == self.chosen
            ground, role = (
                (Ground.CURSOR, Role.ACCENT) if on else (Ground.BASE, Role.MUTED)
            )
            start = line.width
            line.add(f" {name} ", style(role, ground, bold=on))
            self._places.append((start, line.width))
        if roomy:
            align_right(line, _HINT, width, style(Role.FAINT, Ground.BASE))
        return line.strip(width, blank)

    def on_click(self, event: events.Click) -> None:
        for place, (start, end) in enumerate(self._places):
            if start <= event.x < end:
                self.post_message(self.Chosen(place))
