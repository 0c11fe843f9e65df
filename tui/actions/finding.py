"""Actions that find: saved views, a tenant by one of its ids."""

from meterdeck.tui.actions.action import Action, Area

FINDING: tuple[Action, ...] = (
    Action("views", "v", "v", "views",
           "Choose, save or delete a view of the tenants", Area.FLEET, 10),
    Action("jump", "J", "J", "jump",
           "Open a tenant by its id, customer or subscription", Area.EVERYWHERE),
)  # fmt: skip
