"""One tenant's audit trail: who changed what, when, why, before and after."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.text import visible
from meterdeck.core.model.wording import trail_words
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import Panel

LINES = 2
"""Of an entry."""


class AuditLog(Panel):
    """Two lines an entry, newest on top; one can be chosen, to be undone.

    Attributes:
        chosen: Id of the chosen entry; None while nobody has chosen one.
    """

    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._entries: Sequence[AuditEntry] | None = None
        self._undone: frozenset[str] = frozenset()
        self._picture: Picture | None = None
        self._problem = ""
        self.chosen: str | None = None

    def show(self, entries: Sequence[AuditEntry], picture: Picture | None) -> None:
        """Show entries, newest first."""
        self._entries, self._problem = entries, ""
        self._picture = picture
        self._undone = frozenset(each.undoes for each in entries if each.undoes)
        self.repaint()

    def fail(self, problem: str) -> None:
        """Say why the trail cannot be shown."""
        self._problem = problem
        self.repaint()

    def choose(self, entries: int) -> None:
        """Choose an older entry, or a newer one; above the newest there is none."""
        ids = [each.id for each in self._entries or ()]
        place = ids.index(self.chosen) if self.chosen in ids else -1
        place = min(place + entries, len(ids) - 1)
        self.chosen = ids[place] if place >= 0 else None
        self.repaint()

    def lines(self) -> list[Strip]:
        width, style = self.size.width, self.palette.style
        head = Line().add(" Audit trail", style(Role.BRIGHT, Ground.BAR, bold=True))
        align_right(head, self._count(), width, style(Role.MUTED, Ground.BAR))
        made = [head.strip(width, style(Role.TEXT, Ground.BAR))]
        blank = style(Role.TEXT, self.GROUND)
        if said := self._said():
            made.append(self._text(said).strip(width, blank))
        for entry in self._shown():
            ground = Ground.CURSOR if entry.id == self.chosen else self.GROUND
            fill = style(Role.TEXT, ground)
            made += [line.strip(width, fill) for line in self._entry(entry, ground)]
        return made[: self.size.height]

    def _count(self) -> str:
        if self.chosen is not None:
            return "u undoes the chosen one"
        return phrases.counted(len(self._entries or ()), "entry", "entries")

    def _shown(self) -> Sequence[AuditEntry]:
        """Return the entries from the first that leaves room for the chosen one."""
        entries = self._entries or ()
        room = max((self.size.height - 1) // LINES, 1)
        ids = [each.id for each in entries]
        place = ids.index(self.chosen) if self.chosen in ids else 0
        return entries[max(place - room + 1, 0) :]

    def _said(self) -> str:
        if self._problem:
            return self._problem
        if self._entries is None:
            return "reading …"
        return "" if self._entries else "no operator has changed anything yet"

    def _text(self, text: str) -> Line:
        muted = self.palette.style(Role.MUTED, self.GROUND)
        return Line().add(" ", muted).field(text, self.size.width - 2, muted)

    def _entry(self, entry: AuditEntry, ground: Ground) -> list[Line]:
        style, width = self.palette.style, self.size.width
        muted, text = style(Role.MUTED, ground), style(Role.TEXT, ground)
        edge = (
            ("▌", style(Role.ACCENT, ground))
            if ground is Ground.CURSOR
            else (" ", muted)
        )
        taken_back = entry.id in self._undone
        first = Line().add(*edge).add(f"{phrases.moment(entry.at)}  ", muted)
        what = f"{visible(entry.action, 20)} {self._label(entry)}  "
        first.add(what, muted if taken_back else style(Role.ACCENT, ground))
        scale = self._scale(entry)
        before, after = (
            visible(trail_words(value, scale), 40)
            for value in (entry.before, entry.after)
        )
        room = max(width - first.width - 1, 0)
        first.field(f"{before} → {after}", room, muted if taken_back else text)
        who = f"{visible(entry.actor, 24)} from {visible(entry.origin, 40)}"
        mark = "undo · " if entry.undoes else "undone · " if taken_back else ""
        second = Line().add(*edge).add("  ", muted)
        second.field(f"{mark}{visible(entry.reason)} · {who}", width - 4, muted)
        return [first, second]

    def _label(self, entry: AuditEntry) -> str:
        column = self._column(entry)
        if self._picture is None or column < 0:
            return visible(entry.resource, 24)
        return visible(self._picture.fleet.resources[column].label, 24)

    def _scale(self, entry: AuditEntry) -> int:
        column = self._column(entry)
        if self._picture is None or column < 0:
            return 0
        return self._picture.fleet.resources[column].scale

    def _column(self, entry: AuditEntry) -> int:
        return self._picture.fleet.column_of(entry.resource) if self._picture else -1
