"""Actions on meters and prices."""

from meterdeck.tui.actions.action import Action, Area, Confirm

CATALOGUE: tuple[Action, ...] = (
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
)  # fmt: skip
