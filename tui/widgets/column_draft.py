"""What the user does to the columns before they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from meterdeck.tui.widgets.table_columns import (
    RESOURCE,
    Arrangement,
    Chosen,
    Look,
    every_key,
    fitting,
)
from meterdeck.tui.widgets.table_layout import MARKER, SCROLLBAR


@dataclass(frozen=True, slots=True)
class Entry:
    """A column there can be, with what it gets in the table; 0 cells: nothing."""

    column: Chosen
    on: bool
    cells: int = 0


class ColumnDraft:
    """Columns being chosen, moved and sized; those that are off come last.

    Args:
        chosen: Those the table has; none: it arranges itself.
        resources: The names of all resources.
        width: Cells that the table has.

    Attributes:
        automatic: The table arranges itself: nothing was chosen, or it was undone.
    """

    def __init__(
        self, chosen: Sequence[Chosen], resources: Sequence[str], width: int
    ) -> None:
        self._resources = resources
        self._width = width
        self.automatic = not chosen
        self._chosen: list[Chosen] = []
        self._off: list[Chosen] = []
        self._begin(chosen)

    def _begin(self, chosen: Sequence[Chosen]) -> None:
        keys = every_key(self._resources)
        there = [column for column in chosen if column.key in keys]
        shown = fitting(self._width, (), self._resources).placed
        self._chosen = there or [Chosen(column.key) for column in shown]
        on = {column.key for column in self._chosen}
        self._off = [Chosen(key) for key in keys if key not in on]

    @property
    def chosen(self) -> list[Chosen]:
        """The columns to keep; none where the table arranges itself."""
        return [] if self.automatic else list(self._chosen)

    @property
    def arrangement(self) -> Arrangement:
        """Where the columns go in the table."""
        return fitting(self._width, self.chosen, self._resources)

    @property
    def used(self) -> tuple[int, int]:
        """How many cells the columns take, and how many there are."""
        taken = sum(column.width for column in self.arrangement.placed)
        return taken, self._width - MARKER - SCROLLBAR

    def entries(self) -> list[Entry]:
        """Return all columns, those that are on first, in their order."""
        cells = {placed.key: placed.width for placed in self.arrangement.placed}
        on = [Entry(each, True, cells.get(each.key, 0)) for each in self._chosen]
        return [*on, *(Entry(each, False) for each in self._off)]

    def turn(self, key: str) -> None:
        """Take a column in at the end, or leave it out; one stays."""
        self.automatic = False
        for column in self._off:
            if column.key == key:
                self._off.remove(column)
                self._chosen.append(column)
                return
        for column in self._chosen:
            if column.key == key and len(self._chosen) > 1:
                self._chosen.remove(column)
                self._off.insert(0, column)
                return

    def carry(self, key: str, by: int) -> None:
        """Move a column that is on by places, to the left where below 0."""
        place = self._place(key)
        if place is None:
            return
        self.automatic = False
        column = self._chosen.pop(place)
        self._chosen.insert(max(place + by, 0), column)

    def size(self, key: str, by: int) -> None:
        """Make a column wider or narrower; by 0: as wide as there is room."""
        place = self._place(key)
        if place is None:
            return
        cells = {placed.key: placed.width for placed in self.arrangement.placed}
        self.automatic = False
        column = self._chosen[place]
        now = column.width or cells.get(key, 0)
        sized = column.sized(by, now) if by else replace(column, width=0)
        self._chosen[place] = sized

    def look(self, key: str) -> None:
        """Show a resource by bar and number, by its bar alone, by numbers alone."""
        place = self._place(key)
        if place is None or not key.startswith(RESOURCE):
            return
        self.automatic = False
        looks, column = list(Look), self._chosen[place]
        after = looks[(looks.index(column.look) + 1) % len(looks)]
        self._chosen[place] = replace(column, look=after)

    def back(self) -> None:
        """Have the table arrange itself again."""
        self.automatic = True
        self._begin(())

    def _place(self, key: str) -> int | None:
        keys = [column.key for column in self._chosen]
        return keys.index(key) if key in keys else None
