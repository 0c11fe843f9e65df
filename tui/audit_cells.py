"""What the columns of the audit trail say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.trail_window import TrailWindow
from meterdeck.core.model.wording import trail_words
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.themes import Role
from meterdeck.tui.widgets.record_list import Field


class AuditCells:
    """Columns of the list, filled when a line is painted."""

    def __init__(self, window: TrailWindow) -> None:
        self.window = window
        self._picture: Picture | None = None

    def open(self, picture: Picture) -> None:
        """Take scales and the time from this picture from now on."""
        self._picture = picture

    def fields(self) -> list[Field[AuditEntry]]:
        """Return the columns, as they stand from left to right."""
        return [
            Field("TIME", 8, self._time, Role.MUTED),
            Field("WHO", 8, lambda each: each.actor),
            Field("ACTION", 15, self._action, self._action_role),
            Field("TENANT", 14, self._tenant, Role.BRIGHT, grows=True,
                  plain=lambda each: each.tenant),
            Field("RESOURCE", 10, self._resource, Role.MUTED, rank=2,
                  plain=lambda each: each.resource),
            Field("BEFORE → AFTER", 20, self.change, self._role, grows=True),
            Field("WHY", 14, lambda each: each.reason, Role.MUTED, grows=True, rank=1),
        ]  # fmt: skip

    def _tenant(self, entry: AuditEntry) -> str:
        return self._picture.who(entry.tenant).name if self._picture else entry.tenant

    def _resource(self, entry: AuditEntry) -> str:
        return self._picture.label(entry.resource) if self._picture else entry.resource

    def names(self) -> dict[str, Callable[[AuditEntry], str]]:
        """Return what the filter finds by what is shown, and by its id."""
        return {
            "tenant": lambda entry: f"{self._tenant(entry)} {entry.tenant}",
            "resource": lambda entry: f"{self._resource(entry)} {entry.resource}",
        }

    def change(self, entry: AuditEntry) -> str:
        """Return before and after, in the resource's unit."""
        scale = self._scale(entry)
        before = trail_words(entry.before, scale)
        return f"{before} → {trail_words(entry.after, scale)}"

    def _scale(self, entry: AuditEntry) -> int:
        if self._picture is None:
            return 0
        column = self._picture.fleet.column_of(entry.resource)
        return 0 if column < 0 else self._picture.fleet.resources[column].scale

    def _now(self, entry: AuditEntry) -> datetime:
        return self._picture.now() if self._picture else entry.at

    def _time(self, entry: AuditEntry) -> str:
        return phrases.recent(entry.at, self._now(entry))

    def _action(self, entry: AuditEntry) -> str:
        return f"↶{entry.action}" if entry.undoes else entry.action

    def _action_role(self, entry: AuditEntry) -> Role:
        return Role.MUTED if self.window.undone_by(entry) else Role.ACCENT

    def _role(self, entry: AuditEntry) -> Role:
        return Role.MUTED if self.window.undone_by(entry) else Role.TEXT
