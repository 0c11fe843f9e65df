"""Actions on meter events."""

from meterdeck.core.model.acl.rights import Right
from meterdeck.tui.actions.action import Action, Area, Confirm

_LEDGER = Area.EVENTS | Area.EVENT

EVENTS: tuple[Action, ...] = (
    Action("inspect", "enter", "↵", "open",
           "Open an event: what was sent, every answer",
           Area.EVENTS, 3),
    Action("letters", "l", "l", "letters",
           "Show what needs somebody, or everything again", Area.EVENTS, 4),
    Action("states", "f", "f", "state", "Show only events of a state",
           Area.EVENTS, 5),
    Action("replay", "r", "r", "replay", "Send again what was dead or refused",
           _LEDGER, 6, Confirm.TYPED, writes=True, right=Right.BILL),
    Action("replay_all", "R", "R", "replay all",
           "Send again all letters that are shown",
           Area.EVENTS, 0, Confirm.TYPED, writes=True, right=Right.BILL),
    Action("cancel", "x", "x", "cancel", "Have Stripe not count an event, for 24 hours",
           _LEDGER, 7, Confirm.TYPED, writes=True, right=Right.BILL),
    Action("compensate", "c", "c", "compensate",
           "Take an event back later, by a negative one",
           _LEDGER, 10, Confirm.TYPED, writes=True, right=Right.BILL),
    Action("resolve", "v", "v", "resolve", "Say whether Stripe has counted an event",
           _LEDGER, 9, Confirm.TYPED, writes=True, right=Right.BILL),
    Action("pause", "space", "space", "pause", "Hold the list, or follow it again",
           Area.EVENTS, 8),
)  # fmt: skip
