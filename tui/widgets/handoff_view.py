"""A handoff to be read: the text laid out for the screen, and where the file is."""

from __future__ import annotations

from textual import events
from textual.strip import Strip

from meterdeck.core.model.text import visible
from meterdeck.tui.handoff_layout import laid_out
from meterdeck.tui.render import Line, cells
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import Panel


class HandoffView(Panel):
    """Scrolled by line where it is longer than the screen."""

    DEFAULT_CSS = "HandoffView { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._markdown = ""
        self._said = ""
        self._skipped = 0

    def show(self, markdown: str, said: str) -> None:
        """Show a text from its top; `said` is written over it."""
        self._markdown, self._said, self._skipped = markdown, said, 0
        self.repaint()

    def say(self, said: str) -> None:
        """Say how it stands; the text stays."""
        self._said = said
        self.repaint()

    def scroll_by(self, lines: int) -> None:
        """Move down or up."""
        self._skipped = max(self._skipped + lines, 0)
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_by(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_by(-3)

    def lines(self) -> list[Strip]:
        width, style = self.size.width, self.palette.style
        laid = laid_out(self._markdown, max(width - 2, 1))
        room = max(self.size.height - 1, 1)
        self._skipped = min(self._skipped, max(len(laid) - room, 0))
        shown = laid[self._skipped : self._skipped + room]
        made = [self._title(len(laid), room)]
        for text, role, bold in shown:
            line = Line().add(" ", style(Role.TEXT, self.GROUND))
            line.field(text, width - 2, style(role, self.GROUND, bold=bold))
            made.append(line.strip(width, style(Role.TEXT, self.GROUND)))
        return made

    def _title(self, total: int, room: int) -> Strip:
        width, style = self.size.width, self.palette.style
        line = Line().add(" Shift handoff  ", style(Role.BRIGHT, Ground.BAR, bold=True))
        more = total - room - self._skipped
        left = f"y copies · {more:,} lines below" if more > 0 else "y copies"
        room_for = max(width - line.width - len(left) - 2, 0)
        said = visible(self._said)
        if said.startswith("/") and cells(said) > room_for:
            said = f"…{said[1 - room_for :]}"  # the file's name is at its end
        line.field(said, room_for, style(Role.TEXT, Ground.BAR))
        align_right(line, left, width, style(Role.MUTED, Ground.BAR))
        return line.strip(width, style(Role.TEXT, Ground.BAR))
