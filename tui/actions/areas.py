"""Actions that open another area of the console."""

from meterdeck.tui.actions.action import Action, Area

_TENANTS = Area.FLEET | Area.TENANT
_LEDGER = Area.EVENTS | Area.EVENT

AREAS: tuple[Action, ...] = (
    Action("events", "e", "e", "events", "Show every meter event",
           _TENANTS | Area.CATALOGUE, 8),
    Action("catalogue", "c", "c", "catalogue",
           "Show meters and prices, and who uses them", _TENANTS, 9, of_stripe=True),
    Action("overrides", "O", "O", "overrides",
           "Show every override, and what happens when it ends",
           _TENANTS | Area.EVENTS | Area.CATALOGUE | Area.AUDIT, 14),
    Action("pulse", "p", "p", "pulse", "Show the whole fleet, for a wall",
           _TENANTS, 16),
    Action("drift", "D", "D", "drift",
           "Show what Stripe does not have as it was used",
           _TENANTS | _LEDGER | Area.HEALTH, 14),
    Action("health", "H", "H", "health",
           "Show how Redis, Stripe and delivery are",
           _TENANTS | _LEDGER | Area.DRIFT, 14),
    Action("audit", "A", "A", "audit", "Show who changed what, of all tenants",
           _TENANTS | Area.EVENTS | Area.CATALOGUE | Area.OVERRIDES, 15),
    Action("faults", "F", "F", "faults",
           "Show and set what the sandbox's Stripe does wrong",
           _TENANTS | _LEDGER, 13, sandbox=True),
)  # fmt: skip
