"""Actions that open another area of the console."""

from meterdeck.tui.actions.action import Action, Area

_TENANTS = Area.FLEET | Area.TENANT
_LEDGER = Area.EVENTS | Area.EVENT
_ALL = Area.EVERYWHERE & ~Area.FAULTS
"""Where one goes from list to list; the fault panel is looked at by itself."""

AREAS: tuple[Action, ...] = (
    Action("events", "e", "e", "events", "Show every meter event",
           _TENANTS | Area.CATALOGUE, 8),
    Action("catalogue", "c", "c", "catalogue",
           "Show meters and prices, and who uses them", _TENANTS, 9, of_stripe=True),
    Action("overrides", "O", "O", "overrides",
           "Show every override, and what happens when it ends",
           _ALL & ~Area.OVERRIDES, 14),
    Action("pulse", "p", "p", "pulse", "Show the whole fleet, for a wall",
           _ALL & ~Area.PULSE, 16),
    Action("drift", "D", "D", "drift",
           "Show what Stripe does not have as it was used",
           _ALL & ~Area.DRIFT, 14),
    Action("health", "H", "H", "health",
           "Show how Redis, Stripe and delivery are",
           _ALL & ~Area.HEALTH, 14),
    Action("audit", "A", "A", "audit", "Show who changed what, of all tenants",
           _ALL & ~Area.AUDIT, 15),
    Action("faults", "F", "F", "faults",
           "Show and set what the sandbox's Stripe does wrong",
           _TENANTS | _LEDGER, 13, sandbox=True),
)  # fmt: skip
