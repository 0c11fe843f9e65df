"""Actions of the health screen and of the pulse."""

from meterdeck.tui.actions.action import Action, Area

HEALTH: tuple[Action, ...] = (
    Action("look_again", "r", "r", "look again",
           "Look again now", Area.HEALTH, 2),
)  # fmt: skip
