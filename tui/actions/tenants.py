"""Actions on tenants: the fleet, one of them."""

from meterdeck.core.model.acl.rights import Right
from meterdeck.tui.actions.action import Action, Area, Confirm

_TENANTS = Area.FLEET | Area.TENANT
_RECORDS = Area.OVERRIDES | Area.AUDIT | Area.DRIFT | Area.REQUESTS

TENANTS: tuple[Action, ...] = (
    Action("filter", "slash", "/", "filter", "Show only what contains a text",
           Area.FLEET | Area.EVENTS | Area.CATALOGUE | Area.ALERTS | _RECORDS, 2),
    Action("sort", "s", "s", "sort", "Choose the order of the table", Area.FLEET, 9),
    Action("columns", "C", "C", "columns",
           "Choose, move and size the table's columns", Area.FLEET, 16),
    Action("group", "b", "b", "group", "Group tenants by plan, status or risk",
           Area.FLEET, 14),
    Action("mark", "space", "space", "mark",
           "Mark a tenant, to change several at once", Area.FLEET, 15),
    Action("mark_all", "asterisk", "*", "mark all",
           "Mark all tenants that are shown, or none", Area.FLEET),
    Action("open", "enter", "↵", "open", "Open a tenant: counters, events, audit trail",
           Area.FLEET | Area.ALERTS | _RECORDS, 3),
    Action("adjust", "a", "a", "adjust", "Add to, subtract from or set a counter",
           _TENANTS, 4, Confirm.TYPED, writes=True, right=Right.CHANGE),
    Action("reset", "r", "r", "reset", "Set a counter back to 0",
           _TENANTS, 7, Confirm.TYPED, writes=True, right=Right.CHANGE),
    Action("override", "o", "o", "override", "Set or remove a limit for one tenant",
           _TENANTS | Area.OVERRIDES, 5, Confirm.TYPED, writes=True,
           right=Right.CHANGE),
    Action("undo", "u", "u", "undo",
           "Take back the last change, or the chosen entry",
           _TENANTS | Area.AUDIT, 6, Confirm.TYPED, writes=True, right=Right.CHANGE),
    Action("fire", "t", "t", "test event", "Send a test event to Stripe's meter",
           _TENANTS, 10, Confirm.DIALOG, writes=True, simulates=True),
    Action("history", "h", "h", "history",
           "Show burn rates, days and earlier periods",
           Area.TENANT, 8),
    Action("what_if", "w", "w", "what if",
           "Reckon another plan, price or usage",
           Area.TENANT, 9, of_stripe=True),
)  # fmt: skip
