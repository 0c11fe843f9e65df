"""Actions on alerts."""

from meterdeck.core.model.acl.rights import Right
from meterdeck.tui.actions.action import Action, Area, Confirm

ALERTS: tuple[Action, ...] = (
    Action("acknowledge", "x", "x", "acknowledge",
           "Say that you have seen it; it stays until it is over",
           Area.ALERTS, 4, Confirm.DIALOG, writes=True, right=Right.ALERTS),
    Action("snooze", "z", "z", "snooze",
           "Have an alert be quiet until a moment",
           Area.ALERTS, 5, Confirm.DIALOG, writes=True, right=Right.ALERTS),
    Action("alerts", "L", "L", "alerts",
           "Show alerts: open, seen to, over; and who was told",
           Area.EVERYWHERE & ~Area.ALERTS, 16),
)  # fmt: skip
