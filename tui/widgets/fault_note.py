"""One line below the fault panel: what the chosen setting does, and what it takes."""

from __future__ import annotations

from textual.strip import Strip

from meterdeck.core.model.fault_knobs import Knob
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import LineView


class FaultNote(LineView):
    """Explains a setting."""

    DEFAULT_CSS = "FaultNote { height: 1; }"
    GROUND = Ground.BAR

    def __init__(self) -> None:
        super().__init__()
        self._knob: Knob | None = None

    def show(self, knob: Knob) -> None:
        """Explain another setting."""
        self._knob = knob
        self.repaint()

    def draw(self, y: int) -> Strip:
        style, width = self.palette.style, self.size.width
        line = Line().add(" ", style(Role.MUTED, self.GROUND))
        if self._knob is not None:
            if width >= 100:
                named = f"{self._knob.word}=  "
                line.add(named, style(Role.ACCENT, self.GROUND))
            room = max(width - line.width - 1, 0)
            line.field(self._knob.does, room, style(Role.TEXT, self.GROUND))
        return line.strip(width, style(Role.MUTED, self.GROUND))
