"""Every action of the console, and the one gate each of them passes.

Footer, help, command palette and key bindings are made from this list; screens hold
no permission checks of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding

from meterdeck.core.model.acl.rights import Right
from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.text import visible
from meterdeck.tui.actions.action import Action, Area, Confirm
from meterdeck.tui.actions.alerts import ALERTS
from meterdeck.tui.actions.areas import AREAS
from meterdeck.tui.actions.catalogue import CATALOGUE
from meterdeck.tui.actions.drift import DRIFT
from meterdeck.tui.actions.events import EVENTS
from meterdeck.tui.actions.everywhere import EVERYWHERE
from meterdeck.tui.actions.faults import FAULTS
from meterdeck.tui.actions.finding import FINDING
from meterdeck.tui.actions.health import HEALTH
from meterdeck.tui.actions.records import RECORDS
from meterdeck.tui.actions.requests import REQUESTS
from meterdeck.tui.actions.tenants import TENANTS
from meterdeck.tui.own_role import right_for

if TYPE_CHECKING:
    from meterdeck.tui.picture import Picture

__all__ = [
    "ACTIONS",
    "BY_ID",
    "Action",
    "Area",
    "Confirm",
    "bindings",
    "gate",
    "lacking",
    "of_area",
    "offered",
    "refusal",
]  # fmt: skip

ACTIONS: tuple[Action, ...] = (
    *TENANTS,
    *FINDING,
    *RECORDS,
    *EVENTS,
    *CATALOGUE,
    *FAULTS,
    *HEALTH,
    *DRIFT,
    *ALERTS,
    *REQUESTS,
    *AREAS,
    *EVERYWHERE,
)
"""In the order of help."""

BY_ID = {action.id: action for action in ACTIONS}


def of_area(area: Area) -> list[Action]:
    """Return the actions of a screen, in the order of help."""
    return [action for action in ACTIONS if area in action.area]


def bindings(area: Area) -> list[Binding]:
    """Return a screen's key bindings; each leads through `act` to the gate."""
    return [
        Binding(
            action.keys,
            f"screen.act('{action.id}')",
            action.does,
            key_display=action.key_label,
            id=action.id,
        )
        for action in of_area(area)
    ]


def gate(action: Action, picture: Picture | None) -> str:
    """Return why an action is not done now, one sentence; "" if it is.

    The one gate: each action passes it, whether it comes from a key, a click, the
    palette or a command.
    """
    why = refusal(action, picture.context if picture else None)
    if why or picture is None or not action.changes:
        return why
    if right := lacking(action, picture):
        return f"this Redis user has no right to {right}, nothing was changed"
    return picture.arming.refusal()


def lacking(action: Action, picture: Picture) -> Right | None:
    """Return the right that an action needs and this Redis user lacks; None: none."""
    right = right_for(action, picture.context)
    return right if right is not None and picture.role.lacks(right) else None


def refusal(action: Action, context: Context | None) -> str:
    """Return why a context never allows an action, one sentence; "" if it does."""
    if context is None:
        waits = "not connected yet; try again when the tenants are there"
        return waits if action.writes or action.arms or action.sandbox else ""
    name = visible(context.name)
    if context.read_only and (action.changes or action.arms):
        done = "it cannot be armed" if action.arms else "nothing was changed"
        return (
            f"{name} is read-only, {done}; its setting read_only = false allows changes"
        )
    return _outside_sandbox(action, context) or _nowhere_to_go(action, context)


def _outside_sandbox(action: Action, context: Context) -> str:
    if not action.sandbox or context.mode is Mode.SANDBOX:
        return ""
    name, mode = visible(context.name), context.mode.value
    return f"{name} is {mode}; only a sandbox's Stripe goes wrong on purpose"


def _nowhere_to_go(action: Action, context: Context) -> str:
    name = visible(context.name)
    if action.simulates and context.mode is Mode.LIVE:
        return f"{name} is live; test events go to test and sandbox contexts only"
    if action.simulates and context.stripe is None:
        return f"{name} has no Stripe, so a test event has nowhere to go"
    if action.of_stripe and context.stripe is None:
        return f"{name} has no Stripe, so nothing has a price"
    return ""


def offered(area: Area, context: Context | None) -> list[Action]:
    """Return the actions of a screen that its context allows.

    Before the context is known all are offered: the gate refuses what has to wait.
    """
    if context is None:
        return of_area(area)
    return [action for action in of_area(area) if not refusal(action, context)]
