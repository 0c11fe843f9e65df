"""Every action of the console, and the one gate each of them passes.

Footer, help, command palette and key bindings are made from this list; screens hold
no permission checks of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, auto

from textual.binding import Binding

from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.text import visible


class Area(Flag):
    """The screens an action belongs to."""

    FLEET = auto()
    TENANT = auto()
    EVENTS = auto()
    EVENT = auto()
    FAULTS = auto()
    CATALOGUE = auto()
    EVERYWHERE = FLEET | TENANT | EVENTS | EVENT | FAULTS | CATALOGUE


class Confirm(Enum):
    """What stands between the key and the effect."""

    NONE = "nothing"
    DIALOG = "a dialog"
    TYPED = "a dialog, and the context's name typed where it is live"


@dataclass(frozen=True, slots=True)
class Action:
    """Something an operator can ask for.

    Attributes:
        id: Names the action and its binding.
        keys: Keys, separated by commas.
        key_label: How the keys are written on the screen.
        label: At most twelve characters, for the footer.
        does: One line for help and palette: what it shows or changes.
        rank: Place in the footer, lower survives longer on narrow screens; 0 is
            never there.
        writes: Changes Redis or Stripe.
        simulates: Sends something to Stripe that did not happen.
        of_stripe: Means nothing in a context without Stripe.
        sandbox: Only where Stripe is a sandbox's.
        rehearses: Changes what a sandbox's Stripe does wrong on purpose; it asks
            nothing, as nothing real depends on it.
    """

    id: str
    keys: str
    key_label: str
    label: str
    does: str
    area: Area
    rank: int = 0
    confirm: Confirm = Confirm.NONE
    writes: bool = False
    simulates: bool = False
    of_stripe: bool = False
    sandbox: bool = False
    rehearses: bool = False


_TENANTS = Area.FLEET | Area.TENANT
_LEDGER = Area.EVENTS | Area.EVENT

ACTIONS: tuple[Action, ...] = (
    Action("filter", "slash", "/", "filter", "Show only what contains a text",
           Area.FLEET | Area.EVENTS | Area.CATALOGUE, 2),
    Action("sort", "s", "s", "sort", "Choose the order of the table", Area.FLEET, 9),
    Action("open", "enter", "↵", "open", "Open a tenant: counters, events, audit trail",
           Area.FLEET, 3),
    Action("adjust", "a", "a", "adjust", "Add to, subtract from or set a counter",
           _TENANTS, 4, Confirm.TYPED, writes=True),
    Action("reset", "r", "r", "reset", "Set a counter back to 0",
           _TENANTS, 6, Confirm.TYPED, writes=True),
    Action("override", "o", "o", "override", "Set or remove a limit for one tenant",
           _TENANTS, 5, Confirm.TYPED, writes=True),
    Action("undo", "u", "u", "undo",
           "Take back the last change, or the chosen entry",
           _TENANTS, 7, Confirm.TYPED, writes=True),
    Action("fire", "t", "t", "test event", "Send a test event to Stripe's meter",
           _TENANTS, 10, Confirm.DIALOG, writes=True, simulates=True),
    Action("events", "e", "e", "events", "Show every meter event",
           _TENANTS | Area.CATALOGUE, 8),
    Action("catalogue", "c", "c", "catalogue",
           "Show meters and prices, and who uses them", _TENANTS, 9, of_stripe=True),
    Action("what_if", "w", "w", "what if",
           "Reckon another plan, price or usage",
           Area.TENANT, 9, of_stripe=True),
    Action("users", "enter", "↵", "tenants",
           "Go through who uses it; again: open the tenant", Area.CATALOGUE, 3),
    Action("new_price", "n", "n", "new price", "Create a price, step by step",
           Area.CATALOGUE, 4, Confirm.TYPED, writes=True, of_stripe=True),
    Action("new_meter", "m", "m", "new meter", "Create a meter, step by step",
           Area.CATALOGUE, 5, Confirm.TYPED, writes=True, of_stripe=True),
    Action("switch", "x", "x", "on/off",
           "Deactivate or archive it, or take that back",
           Area.CATALOGUE, 6, Confirm.TYPED, writes=True, of_stripe=True),
    Action("inactive", "i", "i", "inactive",
           "Show what is inactive or archived, too", Area.CATALOGUE, 7),
    Action("reread", "r", "r", "read again", "Ask Stripe again", Area.CATALOGUE, 9),
    Action("inspect", "enter", "↵", "open",
           "Open an event: what was sent, every answer",
           Area.EVENTS, 3),
    Action("letters", "l", "l", "letters",
           "Show what needs somebody, or everything again", Area.EVENTS, 4),
    Action("states", "f", "f", "state", "Show only events of a state",
           Area.EVENTS, 5),
    Action("replay", "r", "r", "replay", "Send again what was dead or refused",
           _LEDGER, 6, Confirm.TYPED, writes=True),
    Action("replay_all", "R", "R", "replay all",
           "Send again all letters that are shown",
           Area.EVENTS, 0, Confirm.TYPED, writes=True),
    Action("cancel", "x", "x", "cancel", "Have Stripe not count an event, for 24 hours",
           _LEDGER, 7, Confirm.TYPED, writes=True),
    Action("compensate", "c", "c", "compensate",
           "Take an event back later, by a negative one",
           _LEDGER, 10, Confirm.TYPED, writes=True),
    Action("resolve", "v", "v", "resolve", "Say whether Stripe has counted an event",
           _LEDGER, 9, Confirm.TYPED, writes=True),
    Action("pause", "space", "space", "pause", "Hold the list, or follow it again",
           Area.EVENTS, 8),
    Action("faults", "F", "F", "faults",
           "Show and set what the sandbox's Stripe does wrong",
           _TENANTS | _LEDGER, 13, sandbox=True),
    Action("fault_more", "right,l", "→", "more", "More of the chosen fault",
           Area.FAULTS, 4, sandbox=True, rehearses=True),
    Action("fault_less", "left,h", "←", "less", "Less of the chosen fault",
           Area.FAULTS, 3, sandbox=True, rehearses=True),
    Action("fault_switch", "space", "space", "on/off",
           "Turn the chosen fault off, or on again",
           Area.FAULTS, 5, sandbox=True, rehearses=True),
    Action("fault_value", "enter", "↵", "value", "Write a value for the chosen fault",
           Area.FAULTS, 6, sandbox=True, rehearses=True),
    Action("presets", "p", "p", "presets", "Choose a ready-made trouble",
           Area.FAULTS, 2, sandbox=True, rehearses=True),
    Action("faults_off", "x", "x", "all off", "Turn every fault off",
           Area.FAULTS, 2, sandbox=True, rehearses=True),
    Action("settle", "s", "s", "settle",
           "Show what waits for the lag now",
           Area.FAULTS, 7, sandbox=True, rehearses=True),
    Action("back", "escape", "esc", "back", "Go back; on the first screen: no filter",
           Area.EVERYWHERE, 11),
    Action("help", "question_mark,f1", "?", "help", "Explain this screen and its keys",
           Area.EVERYWHERE, 1),
    Action("palette", "ctrl+p", "^p", "commands", "Find any command by its name",
           Area.EVERYWHERE, 12),
    Action("theme", "f2", "F2", "theme", "Change colours: dark, light, 16 colours",
           Area.EVERYWHERE),
    Action("quit", "q", "q", "quit", "Leave the console", Area.EVERYWHERE, 1),
)  # fmt: skip

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


def refusal(action: Action, context: Context | None) -> str:
    """Return why an action is not allowed in a context, one sentence; "" if it is."""
    if context is None:
        waits = "not connected yet; try again when the tenants are there"
        return waits if action.writes or action.sandbox else ""
    name = visible(context.name)
    if context.read_only and (action.writes or action.rehearses):
        return (
            f"{name} is read-only, nothing was changed;"
            " its setting read_only = false allows changes"
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
