"""Actions on requests: what people ask for, and what a second person says of it."""

from meterdeck.core.model.acl.rights import Right
from meterdeck.tui.actions.action import Action, Area, Confirm

REQUESTS: tuple[Action, ...] = (
    Action("approve", "a", "a", "approve",
           "Approve somebody's request: a worker carries it out",
           Area.REQUESTS, 4, Confirm.TYPED, writes=True, right=Right.ASK),
    Action("reject", "x", "x", "reject",
           "End somebody's request; nothing is changed",
           Area.REQUESTS, 5, Confirm.DIALOG, writes=True, right=Right.ASK),
    Action("withdraw", "w", "w", "withdraw",
           "Take your own request back; nothing is changed",
           Area.REQUESTS, 6, Confirm.DIALOG, writes=True, right=Right.ASK),
    Action("requests", "Q", "Q", "requests",
           "Show requests: what waits, what was answered",
           Area.EVERYWHERE & ~Area.REQUESTS & ~Area.FAULTS),
)  # fmt: skip
