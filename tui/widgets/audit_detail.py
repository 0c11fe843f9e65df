"""The chosen audit entry in full, and what verifying the trails has found."""

from __future__ import annotations

from textual.strip import Strip

from meterdeck.core.model.changes import AuditEntry
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel
from meterdeck.tui.widgets.sheet import Sheet

_LABEL = 7
_BILLS = {
    "quota_only": "the bill did not follow",
    "quota_and_bill": "the bill followed",
}


class AuditDetail(Panel):
    """A few lines about one entry; the last is about the chain.

    Attributes:
        proof: What a verification has found, or how far it is; empty before.
        sound: Whether what it has found is as it was written.
    """

    DEFAULT_CSS = "AuditDetail { height: 8; margin-top: 1; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self.proof = ""
        self.sound = True
        self._entry: AuditEntry | None = None
        self._undone_by: AuditEntry | None = None
        self._change = ""
        self._picture: Picture | None = None

    def show(
        self,
        entry: AuditEntry | None,
        picture: Picture,
        *,
        change: str = "",
        undone_by: AuditEntry | None = None,
    ) -> None:
        """Show an entry; `change` is its before and after in words."""
        self._entry, self._picture = entry, picture
        self._change, self._undone_by = change, undone_by
        self.repaint()

    def prove(self, text: str, *, sound: bool) -> None:
        """Say what a verification has found."""
        self.proof, self.sound = text, sound
        self.repaint()

    def lines(self) -> list[Strip]:
        entry, picture = self._entry, self._picture
        sheet = Sheet(self.palette, self.size.width, self.GROUND, label=_LABEL)
        if entry is None or picture is None:
            return [sheet.blank(), *self._proof(sheet)]
        name = picture.who(entry.tenant).name
        label = picture.label(entry.resource)
        what = " · ".join(filter(None, (entry.action, name, label)))
        made = [
            sheet.title("◆", Role.ACCENT, what, entry.id),
            sheet.pair("change", self._changed(entry), Role.BRIGHT),
            sheet.pair("why", entry.reason or "no reason was given"),
            sheet.pair("who", _who(entry)),
            sheet.pair("undo", self._undo(entry), Role.MUTED),
            sheet.pair("chain", f"{entry.hash} after {_before(entry)}", Role.MUTED),
            *self._proof(sheet),
        ]
        return made[: self.size.height]

    def _changed(self, entry: AuditEntry) -> str:
        parts = [self._change, _BILLS.get(entry.bill, entry.bill)]
        parts += [f"period {entry.period}"] if entry.period else []
        parts += [f"tenant {entry.tenant}"] if entry.tenant else []
        return ", ".join(filter(None, parts))

    def _undo(self, entry: AuditEntry) -> str:
        by = self._undone_by
        undoes = f"it undoes {entry.undoes}; " if entry.undoes else ""
        if by is None:
            return f"{undoes}u takes it back"
        when = phrases.moment(by.at)
        return f"{undoes}undone by {by.actor} at {when} UTC: {by.id}, {by.reason}"

    def _proof(self, sheet: Sheet) -> list[Strip]:
        if not self.proof:
            said = "V checks that the trails are as they were written"
            return [sheet.pair("proof", said, Role.MUTED)]
        return [sheet.pair("proof", self.proof, Role.GOOD if self.sound else Role.HIGH)]


def _who(entry: AuditEntry) -> str:
    origin = f" from {entry.origin}" if entry.origin else ""
    at = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{entry.actor}{origin}, {at}, operation {entry.operation_id}"


def _before(entry: AuditEntry) -> str:
    first = not entry.previous_hash.strip("0")
    return "nothing: the first" if first else entry.previous_hash[:12]
