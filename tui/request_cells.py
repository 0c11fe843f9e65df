"""What the columns of the list of requests say."""

from __future__ import annotations

from datetime import UTC, datetime

from meterdeck.core.model.request_answers import RequestState
from meterdeck.core.model.request_sight import SeenRequest
from meterdeck.tui import phrases
from meterdeck.tui.themes import Role
from meterdeck.tui.widgets.record_list import Field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROLES = {
    RequestState.WAITING: Role.NEAR,
    RequestState.DONE: Role.MUTED,
    RequestState.WITHDRAWN: Role.MUTED,
    RequestState.EXPIRED: Role.MUTED,
    RequestState.REFUSED: Role.HIGH,
    RequestState.REJECTED: Role.HIGH,
    RequestState.UNKNOWN: Role.HIGH,
}


class RequestCells:
    """Columns of the list; `at` is now."""

    def __init__(self) -> None:
        self.at = _EPOCH

    def fields(self) -> list[Field[SeenRequest]]:
        """Return the columns, as they stand from left to right."""
        return [
            Field("STATE", 9, lambda s: s.state.value, state_role),
            Field("WHO", 10, lambda s: s.person, _role),
            Field("WHAT", 20, lambda s: s.what, _role, grows=True),
            Field("BEFORE → AFTER", 22, lambda s: s.change, _role, rank=1),
            Field("SINCE", 8, self._since, Role.MUTED, rank=2),
            Field("BY", 8, lambda s: s.by, Role.MUTED, rank=4),
            Field("", 24, lambda s: s.says, Role.MUTED, rank=3),
        ]

    def _since(self, seen: SeenRequest) -> str:
        return phrases.recent(seen.at, self.at) if seen.at else ""


def state_role(seen: SeenRequest) -> Role:
    """Return how a request's state is painted."""
    return _ROLES.get(seen.state, Role.TEXT)


def _role(seen: SeenRequest) -> Role:
    return Role.MUTED if seen.state.final else Role.TEXT
