"""What stands in the table's place when there are no tenants to show."""

from __future__ import annotations

from textual.strip import Strip

from meterdeck.tui.render import Align, Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel

_NAMES = (22, 17, 25, 14, 20)
_BARS = (15, 9, 12, 6, 13, 4, 11)
_NAME_WIDTH, _BAR_WIDTH = 34, 22


class Placeholder(Panel):
    """A sentence and what to do next; over a sketch of rows while data is coming."""

    DEFAULT_CSS = "Placeholder { height: 1fr; }"
    GROUND = Ground.BASE

    def __init__(self) -> None:
        super().__init__()
        self._title = "connecting …"
        self._advice = ""
        self._sketch = True

    def say(self, title: str, advice: str = "", *, sketch: bool = False) -> None:
        """Show a sentence; `sketch` draws rows around it that are not there yet."""
        self._title, self._advice, self._sketch = title, advice, sketch
        self.repaint()

    def lines(self) -> list[Strip]:
        width, height = self.size
        style = self.palette.style
        base = style(Role.TEXT)
        made = [self._row(y) if self._sketch else Line() for y in range(height)]
        middle = max(height // 2 - 1, 0)
        texts = [
            (middle, self._title, Role.BRIGHT),
            (middle + 1, self._advice, Role.MUTED),
        ]
        for y, text, role in texts:
            if text and y < height:
                made[y] = Line().field(text, width, style(role), Align.CENTER)
        return [line.strip(width, base) for line in made]

    def _row(self, y: int) -> Line:
        line, track = Line(), self.palette.style(Role.TRACK)
        line.add("  " + "─" * _NAMES[y % len(_NAMES)], track)
        line.pad(_NAME_WIDTH, track)
        for column in range((self.size.width - _NAME_WIDTH) // _BAR_WIDTH):
            length = _BARS[(3 * y + 2 * column) % len(_BARS)]
            line.add("─" * length, track)
            line.pad(_NAME_WIDTH + _BAR_WIDTH * (column + 1), track)
        return line
