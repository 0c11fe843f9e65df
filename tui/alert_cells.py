"""What the columns of the list of alerts say."""

from __future__ import annotations

from datetime import UTC, datetime

from meterdeck.core.model.alert_sight import SeenAlert
from meterdeck.core.model.alert_words import resource_of, threshold_text, value_text
from meterdeck.core.model.alerts import AlertState
from meterdeck.core.model.usage import Resource
from meterdeck.tui import phrases
from meterdeck.tui.alert_words import severity_role, told_short, who
from meterdeck.tui.picture import Picture
from meterdeck.tui.themes import Role
from meterdeck.tui.widgets.record_list import Field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AlertCells:
    """Columns of the list; `at` is the moment by which snoozes are over."""

    def __init__(self) -> None:
        self._picture: Picture | None = None
        self.at = _EPOCH

    def open(self, picture: Picture) -> None:
        """Take names from this picture from now on."""
        self._picture = picture

    def fields(self) -> list[Field[SeenAlert]]:
        """Return the columns, as they stand from left to right."""
        return [
            Field("SEVERITY", 8, lambda s: s.alert.severity.value, _severity),
            Field("STATE", 12, self._state, self._state_role),
            Field("TENANT", 10, lambda s: who(s.alert), self._name_role, grows=True),
            Field("WHAT", 9, self._what, self._role, rank=2),
            Field("VALUE", 15, self._value, self._role, rank=1),
            Field("RULE", 10, lambda s: s.alert.slot.rule, Role.MUTED, rank=6),
            Field("FROM", 9, self._threshold, Role.MUTED, rank=7),
            Field("SINCE", 8, self._since, Role.MUTED, rank=3),
            Field("BY", 6, _by, Role.MUTED, rank=5),
            Field("TOLD", 11, told_short, _told_role, rank=4),
        ]

    def _resource(self, seen: SeenAlert) -> Resource | None:
        context = self._picture.context if self._picture else None
        return resource_of(context, seen.alert) if context else None

    def _what(self, seen: SeenAlert) -> str:
        resource = self._resource(seen)
        return resource.label if resource else seen.alert.slot.resource or "lag"

    def _value(self, seen: SeenAlert) -> str:
        return value_text(seen.alert, self._resource(seen))

    def _threshold(self, seen: SeenAlert) -> str:
        return threshold_text(seen.alert, self._resource(seen))

    def _state(self, seen: SeenAlert) -> str:
        return seen.alert.state_at(self.at).value

    def _state_role(self, seen: SeenAlert) -> Role:
        state = seen.alert.state_at(self.at)
        return Role.BRIGHT if state is AlertState.OPEN else Role.MUTED

    def _since(self, seen: SeenAlert) -> str:
        return phrases.recent(seen.alert.opened_at, self.at)

    def _name_role(self, seen: SeenAlert) -> Role:
        return Role.BRIGHT if seen.alert.live else Role.MUTED

    def _role(self, seen: SeenAlert) -> Role:
        return Role.TEXT if seen.alert.live else Role.MUTED


def _severity(seen: SeenAlert) -> Role:
    return severity_role(seen.alert)


def _by(seen: SeenAlert) -> str:
    return seen.alert.handled.by if seen.alert.handled else ""


def _told_role(seen: SeenAlert) -> Role:
    return Role.HIGH if seen.undelivered else Role.MUTED
