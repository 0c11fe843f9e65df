"""Actions on what the console keeps books of: overrides, the audit trail."""

from meterdeck.core.model.acl.rights import Right
from meterdeck.tui.actions.action import Action, Area, Confirm

RECORDS: tuple[Action, ...] = (
    Action("clear_override", "x", "x", "remove",
           "Remove the override: the plan's limit holds again at once",
           Area.OVERRIDES, 6, Confirm.TYPED, writes=True, right=Right.CHANGE),
    Action("verify", "V", "V", "verify",
           "Check that trails are as they were written: one tenant's, or all",
           Area.AUDIT, 5),
)  # fmt: skip
