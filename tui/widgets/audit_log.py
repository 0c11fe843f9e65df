"""One tenant's audit trail: who changed what, when, why, before and after."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.text import visible
from meterdeck.tui import phrases
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import Panel


class AuditLog(Panel):
    """Two lines an entry, newest on top."""

    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._entries: Sequence[AuditEntry] | None = None
        self._problem = ""

    def show(self, entries: Sequence[AuditEntry]) -> None:
        """Show entries, newest first."""
        self._entries, self._problem = entries, ""
        self.repaint()

    def fail(self, problem: str) -> None:
        """Say why the trail cannot be shown."""
        self._problem = problem
        self.repaint()

    def lines(self) -> list[Strip]:
        width, style = self.size.width, self.palette.style
        head = Line().add(" Audit trail", style(Role.BRIGHT, Ground.BAR, bold=True))
        count = phrases.counted(len(self._entries or ()), "entry", "entries")
        align_right(head, count, width, style(Role.MUTED, Ground.BAR))
        made = [head]
        said = self._said()
        if said:
            made.append(self._text(said))
        for entry in self._entries or ():
            made += self._entry(entry)
        blank = style(Role.TEXT, self.GROUND)
        return [line.strip(width, blank) for line in made[: self.size.height]]

    def _said(self) -> str:
        if self._problem:
            return self._problem
        if self._entries is None:
            return "reading …"
        return "" if self._entries else "no operator has changed anything yet"

    def _text(self, text: str) -> Line:
        muted = self.palette.style(Role.MUTED, self.GROUND)
        return Line().add(" ", muted).field(text, self.size.width - 2, muted)

    def _entry(self, entry: AuditEntry) -> list[Line]:
        style, width = self.palette.style, self.size.width
        muted, text = style(Role.MUTED, self.GROUND), style(Role.TEXT, self.GROUND)
        first = Line().add(f" {phrases.moment(entry.at)}  ", muted)
        what = f"{visible(entry.action, 20)} {visible(entry.resource, 24)}  "
        first.add(what, style(Role.ACCENT, self.GROUND))
        change = f"{visible(entry.before, 24)} → {visible(entry.after, 24)}"
        first.field(change, max(width - first.width - 1, 0), text)
        who = f"{visible(entry.actor, 24)} from {visible(entry.origin, 40)}"
        second = Line().add(" " * 3, muted)
        undo = "undo · " if entry.undoes else ""
        second.field(f"{undo}{visible(entry.reason)} · {who}", width - 4, muted)
        return [first, second]
