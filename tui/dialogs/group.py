"""The menu of groups."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from meterdeck.core.services.fleet_groups import GroupBy
from meterdeck.tui.dialogs.menu import Entry, Menu

_KEYS = (
    (GroupBy.NOTHING, "n", "nothing", "one list"),
    (GroupBy.PLAN, "p", "plan", "by the alphabet"),
    (GroupBy.STATUS, "s", "status", "in trouble first"),
    (GroupBy.RISK, "r", "risk", "at limit, soon, near, calm"),
)


class GroupDialog(Menu[GroupBy]):
    """Returns what to group by; the key that opens it goes through them."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("b", "move(1)", show=False)]

    def __init__(self, by: GroupBy) -> None:
        keys = [key for key, *_ in _KEYS]
        super().__init__(
            "Group by",
            [Entry(row[1], row[0], _prompt(by, *row)) for row in _KEYS],
            highlighted=keys.index(by),
        )


def _prompt(by: GroupBy, key: GroupBy, hint: str, name: str, note: str) -> Content:
    mark = "●" if key is by else " "
    return Content.assemble(
        (f" {hint:<2}", "$md-accent"),
        f" {name:<10}",
        (f"{note:<30}{mark} ", "$md-muted"),
    )
