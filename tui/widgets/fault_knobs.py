"""The settings of the fault panel: one is chosen, each shows how often it struck."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.strip import Strip

from meterdeck.core.model import fault_values
from meterdeck.core.model.fault_knobs import KNOBS, Knob
from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.tui import fault_words
from meterdeck.tui.render import Align, Line, bar, cells
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel

_LABEL, _VALUE, _STRUCK, _BAR = 22, 12, 9, 14
_LONGEST_BAR = 24
_TALL = 38
"""Lines from which on the groups are set apart."""


class FaultKnobs(Panel):
    """A list of settings by group, scrolled to where the chosen one is."""

    GROUND = Ground.PANEL

    class Chosen(Message):
        """Another setting was chosen."""

    class Switched(Message):
        """The chosen setting was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self.sight: FaultSight | None = None
        self.problem = ""
        self._chosen = 0
        self._top = 0

    @property
    def chosen(self) -> Knob:
        """The setting that keys are about."""
        return KNOBS[self._chosen]

    def show(self, sight: FaultSight | None, problem: str = "") -> None:
        """Show the panel as it was seen, or why it was not."""
        self.sight, self.problem = sight, problem
        self.repaint()

    def move(self, by: int) -> None:
        """Choose another setting."""
        self._choose(min(max(self._chosen + by, 0), len(KNOBS) - 1))

    def _choose(self, number: int) -> None:
        self._chosen = number
        self.repaint()
        self.post_message(self.Chosen())

    def on_click(self, event: events.Click) -> None:
        rows = self._rows()
        place = event.y + self._top
        knob = rows[place] if place < len(rows) else None
        if knob is self.chosen:
            self.post_message(self.Switched())
        elif isinstance(knob, Knob):
            self._choose(KNOBS.index(knob))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-1)

    def _rows(self) -> list[Knob | str]:
        """Return settings, and the names of the groups above each."""
        rows: list[Knob | str] = []
        for knob in KNOBS:
            if not rows or not self._same_group(rows[-1], knob):
                if rows and self.size.height >= _TALL:
                    rows.append("")
                rows.append(knob.group.value)
            rows.append(knob)
        return rows

    @staticmethod
    def _same_group(before: Knob | str, knob: Knob) -> bool:
        return isinstance(before, Knob) and before.group is knob.group

    def lines(self) -> list[Strip]:
        sight = self.sight
        if sight is None:
            return [self._text(self.problem or "looking …", Role.MUTED)]
        rows = self._rows()
        self._scroll(rows)
        return [
            self._knob(each, sight) if isinstance(each, Knob) else self._group(each)
            for each in rows[self._top : self._top + self.size.height]
        ]

    def _scroll(self, rows: list[Knob | str]) -> None:
        place, room = rows.index(self.chosen), self.size.height
        # The group's name above the first of its settings is seen with it.
        first = place - 1 if isinstance(rows[max(place - 1, 0)], str) else place
        last = max(len(rows) - room, 0)
        self._top = min(max(self._top, place - room + 1), first, last)

    def _group(self, name: str) -> Strip:
        style, width = self.palette.style, self.size.width
        muted = style(Role.MUTED, self.GROUND)
        line = Line().add(f" {name}", style(Role.ACCENT, self.GROUND, bold=True))
        if name == KNOBS[0].group.value:
            line.field("struck", max(width - line.width - 2, 0), muted, Align.RIGHT)
        return line.strip(width, muted)

    def _knob(self, knob: Knob, sight: FaultSight) -> Strip:
        style, width, chosen = self.palette.style, self.size.width, knob is self.chosen
        ground = Ground.CURSOR if chosen else self.GROUND
        muted = style(Role.MUTED, ground)
        on = knob in sight.faults.active
        line = Line().add(" › " if chosen else "   ", style(Role.ACCENT, ground))
        label = Role.BRIGHT if chosen or on else Role.TEXT
        line.field(knob.label, _LABEL, style(label, ground, bold=on))
        struck = sight.injected.get(knob.name, 0) if knob.counts and knob.acts else 0
        value = fault_words.value_of(sight, knob)
        shown = style(Role.NEAR if on else Role.MUTED, ground, bold=on)
        room = width - line.width - _STRUCK - 2
        wide = room >= _VALUE + _BAR
        line.add(" " * ((_VALUE if wide else room) - cells(value)), muted)
        line.field(value, min(cells(value), width - line.width - 2), shown)
        if wide and on and knob.takes is fault_values.SHARE:
            self._share(line, sight.faults.of(knob), room - _VALUE, ground)
        line.pad(width - _STRUCK - 2, muted)
        if struck:
            right = width - line.width - 2
            line.field(f"{struck:,}", right, style(Role.TEXT, ground), Align.RIGHT)
        return line.strip(width, muted)

    def _share(self, line: Line, share: float, room: int, ground: Ground) -> None:
        style = self.palette.style
        full, rest = bar(round(share * 100), min(room - 2, _LONGEST_BAR))
        line.add("  ", style(Role.MUTED, ground))
        line.add(full, style(Role.NEAR, ground)).add(rest, style(Role.TRACK, ground))

    def _text(self, text: str, role: Role) -> Strip:
        width, style = self.size.width, self.palette.style(role, self.GROUND)
        return Line().add(" ", style).field(text, width - 2, style).strip(width, style)
