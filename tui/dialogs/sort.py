"""The menu of orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource
from meterdeck.core.services.fleet import SortKey
from meterdeck.tui.dialogs.menu import Entry, Menu
from meterdeck.tui.widgets.table_cells import Order

_KEYS = (
    (SortKey.WORST, "W", "worst", "nearest to a limit first"),
    (SortKey.NAME, "N", "name", "by the alphabet"),
    (SortKey.PLAN, "P", "plan", ""),
    (SortKey.STATUS, "S", "status", "in trouble first"),
    (SortKey.RESET, "R", "reset date", "soonest first"),
    (SortKey.TREND, "T", "trend", "busiest first"),
)


class SortDialog(Menu[str]):
    """Returns what to sort by; the present key again turns the order round."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("s", "close", show=False)]

    def __init__(self, resources: Sequence[Resource], order: Order) -> None:
        rows = [(str(key), hint, name, note) for key, hint, name, note in _KEYS]
        rows += [
            (str(resource.name), str(number) if number < 10 else "",
             visible(resource.label, 24), "share of the limit")
            for number, resource in enumerate(resources, 1)
        ]  # fmt: skip
        keys = [key for key, *_ in rows]
        super().__init__(
            "Sort by",
            [Entry(row[1], row[0], _prompt(order, *row)) for row in rows],
            highlighted=keys.index(order.key) if order.key in keys else 0,
        )


def _prompt(order: Order, key: str, hint: str, name: str, note: str) -> Content:
    mark = order.mark if key == order.key else " "
    return Content.assemble(
        (f" {hint:<2}", "$md-accent"),
        f" {name:<14}",
        (f"{note:<26}{mark} ", "$md-muted"),
    )
