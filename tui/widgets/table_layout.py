"""How wide each column of the tenant table is, and which ones there is room for."""

from __future__ import annotations

from dataclasses import dataclass

MARKER = 2
SCROLLBAR = 1
NAME_MIN, NAME_MAX = 16, 32
CELL_MIN, CELL_MAX = 13, 30
OPTIONAL = (("status", 10), ("plan", 9), ("reset", 9), ("trend", 10), ("id", 20))
"""Columns that come with the room, the most useful first."""


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
    left = room - NAME_MIN - shown * CELL_MIN
    optional = dict.fromkeys((column for column, _ in OPTIONAL), 0)
    for column, wanted in OPTIONAL:
        if left < wanted or (column == "id" and left < wanted + 9 * shown):
            break
        optional[column] = wanted
        left -= wanted
    name, cell = NAME_MIN, CELL_MIN
    while left >= max(shown, 1) and (cell < CELL_MAX or name < NAME_MAX):
        if shown and cell < CELL_MAX and left >= shown:
            cell, left = cell + 1, left - shown
        extra = min(left, 2 if shown else left, NAME_MAX - name)
        name, left = name + extra, left - extra
        if not shown and not extra:
            break
    name += min(left, NAME_MAX - name)
    return Layout(
        name=name,
        cells=(cell,) * shown,
        hidden=resources - shown,
        **optional,
    )
