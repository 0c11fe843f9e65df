"""Lines of a panel that tells everything about one thing."""

from __future__ import annotations

from rich.style import Style
from textual.strip import Strip

from meterdeck.core.model.text import visible
from meterdeck.tui.render import Line, cells
from meterdeck.tui.themes import Ground, Palette, Role
from meterdeck.tui.widgets.counters import align_right


class Sheet:
    """Makes lines of a width on a ground; texts from outside may be given as they are.

    Args:
        label: Cells that labels take.
    """

    def __init__(
        self, palette: Palette, width: int, ground: Ground, *, label: int = 13
    ) -> None:
        self._palette = palette
        self.width = width
        self.ground = ground
        self._label = label

    def style(self, role: Role, *, bold: bool = False) -> Style:
        """Return a style on the sheet's ground."""
        return self._palette.style(role, self.ground, bold=bold)

    def strip(self, line: Line) -> Strip:
        """Finish a line."""
        return line.strip(self.width, self.style(Role.TEXT))

    def blank(self) -> Strip:
        """Return an empty line."""
        return self.strip(Line())

    def title(self, sign: str, role: Role, name: str, note: str) -> Strip:
        """Return the line on top: a sign, a name, and something at the right."""
        style = self._palette.style
        line = Line().add(f" {sign} ", style(role, Ground.BAR))
        room = max(self.width - line.width - len(note) - 3, 8)
        line.field(name, room, style(Role.BRIGHT, Ground.BAR, bold=True))
        align_right(line, note, self.width, style(Role.MUTED, Ground.BAR))
        return line.strip(self.width, style(Role.TEXT, Ground.BAR))

    def text(self, text: str, role: Role = Role.TEXT) -> Strip:
        """Return a line of text, cut where it is too long."""
        style = self.style(role)
        return self.strip(Line().add(" ", style).field(text, self.width - 2, style))

    def identity(self, text: str, name: str) -> list[Strip]:
        """Return what something is and its id, in one line where there is room."""
        text, name = visible(text), visible(name)
        if cells(text) + cells(name) + 5 > self.width:
            return [self.text(text), self.text(name, Role.MUTED)]
        line = Line().add(f" {text}", self.style(Role.TEXT))
        align_right(line, name, self.width, self.style(Role.MUTED))
        return [self.strip(line)]

    def warning(self, text: str) -> Strip:
        """Return a line that says what is odd."""
        style = self.style(Role.NEAR)
        line = Line().add(" ! ", self.style(Role.NEAR, bold=True))
        return self.strip(line.field(text, self.width - 4, style))

    def heading(self, title: str, note: str = "") -> Strip:
        """Return the heading of a part."""
        line = Line().add(f" {visible(title)}", self.style(Role.ACCENT, bold=True))
        if note:
            line.add("  ", self.style(Role.MUTED))
            line.field(
                note, max(self.width - line.width - 1, 0), self.style(Role.MUTED)
            )
        return self.strip(line)

    def pair(self, label: str, value: str, role: Role = Role.TEXT) -> Strip:
        """Return a label and its value."""
        line = Line().add("   ", self.style(Role.MUTED))
        line.field(label, self._label, self.style(Role.MUTED))
        return self.strip(
            line.field(value, self.width - line.width - 1, self.style(role))
        )
