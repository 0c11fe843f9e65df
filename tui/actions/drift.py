"""Actions on drift: compare with Stripe, mend what differs."""

from meterdeck.core.model.acl.rights import Right
from meterdeck.tui.actions.action import Action, Area, Confirm

DRIFT: tuple[Action, ...] = (
    Action("compare", "c", "c", "compare",
           "Compare with Stripe what has changed since",
           Area.DRIFT, 4),
    Action("compare_all", "a", "a", "compare all",
           "Compare every counter with Stripe",
           Area.DRIFT, 8),
    Action("stop", "x", "x", "stop", "Stop comparing; what was found stays",
           Area.DRIFT, 7),
    Action("mark_drift", "space", "space", "mark",
           "Mark a counter for the next repair",
           Area.DRIFT, 9),
    Action("repair", "r", "r", "repair",
           "Repair this counter, or what is marked: a plan",
           Area.DRIFT, 5, Confirm.TYPED, writes=True, right=Right.BILL),
    Action("repair_all", "R", "R", "repair all",
           "Repair all that are shown: the plan first",
           Area.DRIFT, 10, Confirm.TYPED, writes=True, right=Right.BILL),
    Action("closing", "tab", "tab", "closing",
           "Show what is unsent and ends soon, or drift",
           Area.DRIFT, 5),
)  # fmt: skip
