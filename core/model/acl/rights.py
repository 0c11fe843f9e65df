"""What a Redis user may be able to do, in a few words; and which role may."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Right(StrEnum):
    """Something that some roles may and others may not; its value is how it is said."""

    COUNT = "count"
    DELIVER = "deliver"
    CHANGE = "change usage and limits"
    BILL = "decide about billing"
    ALERTS = "see to alerts"
    ASK = "ask for changes"
    SERVE = "carry out what is asked for"
    USERS = "make users"
    ALL = "everything"


# By name: the roles' own tables are long, and the console's start does not need them.
ROLE_RIGHTS: Mapping[str, frozenset[Right]] = {
    "application": frozenset({Right.COUNT}),
    "worker": frozenset({Right.DELIVER, Right.ALERTS}),
    "viewer": frozenset(),
    "support": frozenset({Right.CHANGE, Right.ALERTS}),
    "lead": frozenset({Right.CHANGE, Right.BILL, Right.ALERTS}),
    "requester": frozenset({Right.ASK, Right.ALERTS}),
    "clerk": frozenset({Right.CHANGE, Right.BILL, Right.SERVE}),
    "deploy": frozenset({Right.USERS}),
}
"""What each role may; real users of each are asked by a test."""

_OF_PEOPLE = ("support", "lead", "requester")
_NEEDED: Mapping[str, Right] = {
    **dict.fromkeys(("adjust", "set_override", "clear_override"), Right.CHANGE),
    **dict.fromkeys(
        (
            "replay_letter", "cancel_event", "repair_billing", "requeue_letter",
            "hold_billing",
        ),
        Right.BILL,
    ),
    "write_alerts": Right.ALERTS,
    "rpush": Right.ASK,
}  # fmt: skip


def role_with(may: frozenset[Right]) -> str:
    """Return the role that may just this; empty where none of ours does."""
    return next((role for role, rights in ROLE_RIGHTS.items() if rights == may), "")


def people_with(right: Right) -> tuple[str, ...]:
    """Return the roles of people that have a right."""
    return tuple(role for role in _OF_PEOPLE if right in ROLE_RIGHTS[role])


def right_to(refused: str) -> Right | None:
    """Return which right was missing for a script or a command; None: not known."""
    return _NEEDED.get(refused)
