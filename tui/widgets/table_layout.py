"""How wide each column of the tenant table is, and which ones there is room for."""

from __future__ import annotations

from dataclasses import dataclass

MARKER = 2
SCROLLBAR = 1
NAME_MIN = 16
CELL_MIN = 13
_WISHES = (
    ("status", 10),
    ("name", 22),
    ("plan", 8),
    ("reset", 8),
    ("cell", 16),
    ("trend", 10),
    ("cell", 22),
    ("name", 28),
    ("cell", 26),
    ("name", 32),
    ("cell", 30),
    ("id", 20),
    ("name", 40),
    ("cell", 40),
)
"""What the room left over goes to, one after the other: (column, its width)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Widths in cells; 0 leaves a column out.

    Attributes:
        cells: Width of each resource's column that is shown.
        hidden: Resources there is no room for.
    """

    name: int
    id: int
    plan: int
    status: int
    cells: tuple[int, ...]
    hidden: int
    trend: int
    reset: int

    @property
    def identity(self) -> int:
        """Width of everything left of the resources."""
        return MARKER + self.name + self.id + self.plan + self.status

    @property
    def tail(self) -> int:
        """Width of what is right of the resources, without the scroll bar."""
        return self.trend + self.reset


def lay_out(width: int, resources: int) -> Layout:
    """Share `width` cells among the columns for a number of resources."""
    room = width - MARKER - SCROLLBAR
    shown = max(min(resources, (room - NAME_MIN) // CELL_MIN), min(resources, 1))
    left = max(room - NAME_MIN - shown * CELL_MIN, 0)
    widths = {"name": NAME_MIN, "cell": CELL_MIN if shown else 0}
    widths |= dict.fromkeys(("id", "plan", "status", "trend", "reset"), 0)
    for column, wanted in _WISHES:
        each = shown if column == "cell" else 1
        if not each:
            continue
        lacking = wanted - widths[column]
        # A column that was not there comes whole or not at all.
        given = min(lacking, left // each) if widths[column] else lacking
        if 0 < given * each <= left:
            widths[column] += given
            left -= given * each
    cell = widths.pop("cell")
    return Layout(cells=(cell,) * shown, hidden=resources - shown, **widths)
