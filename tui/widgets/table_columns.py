"""The columns of the tenant table as its user chose, moved and sized them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from meterdeck.tui.widgets.table_layout import (
    CELL_MIN,
    MARKER,
    SCROLLBAR,
    Layout,
    lay_out,
)

RESOURCE = "resource:"
"""Before a resource's name, a column's key."""
WIDEST = 60
_MOST_CHOSEN = 100
_LONGEST_KEY = 300


class Look(StrEnum):
    """How a resource is shown."""

    BOTH = "bar and number"
    BAR = "bar"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column can be: its widths in cells, and what it says.

    Attributes:
        least: Below this it says nothing.
        usual: What it gets where there is room.
        most: What it gets where room is left over.
    """

    label: str
    says: str
    least: int
    usual: int
    most: int


_RESOURCE = Kind("", "its share of the limit", 8, 17, 40)
KINDS = {
    "name": Kind("Name", "the tenant's name", 16, 22, 40),
    "id": Kind("Id", "its name in the counters' keys", 8, 20, 20),
    "customer": Kind("Customer", "Stripe's customer id", 10, 20, 20),
    "subscription": Kind("Subscription", "Stripe's subscription id", 10, 20, 30),
    "plan": Kind("Plan", "the plan it is on", 6, 8, 8),
    "status": Kind("Status", "its subscription's status", 8, 10, 10),
    "trend": Kind("Trend", "use in the last forty seconds", 10, 10, 10),
    "reset": Kind("Resets", "when the nearest limit resets", 8, 8, 8),
    "rate": Kind("Burn rate", "use of the nearest limit", 10, 10, 10),
    "eta": Kind("Limit in", "when the first limit is reached", 9, 9, 9),
}
"""Columns by their keys; besides them each resource is one."""
_BEFORE = ("name", "id", "customer", "subscription", "plan", "status")


def kind_of(key: str) -> Kind:
    """Return what the column with a key of `every_key` is."""
    return KINDS.get(key, _RESOURCE)


def every_key(resources: Sequence[str]) -> list[str]:
    """Return the keys of all columns there can be, in their usual order."""
    after = [key for key in KINDS if key not in _BEFORE]
    return [*_BEFORE, *(RESOURCE + name for name in resources), *after]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A column that is shown; a width of 0 is as wide as there is room."""

    key: str
    width: int = 0
    look: Look = Look.BOTH

    @property
    def begins(self) -> int:
        """The least cells for it where nobody sized it: a bar needs some to say it."""
        bar = self.key not in KINDS and self.look is not Look.NUMBER
        return CELL_MIN if bar else kind_of(self.key).least

    def sized(self, by: int, now: int) -> Chosen:
        """Return it wider or narrower than it is `now`."""
        width = min(max(now + by, kind_of(self.key).least), WIDEST)
        return replace(self, width=width)


@dataclass(frozen=True, slots=True)
class Placed:
    """A column with its width in cells."""

    key: str
    width: int
    look: Look = Look.BOTH


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The columns from the left, and how many of the chosen have no room."""

    placed: tuple[Placed, ...]
    left_out: int = 0


def automatic(layout: Layout, resources: Sequence[str]) -> Arrangement:
    """Return the columns of the automatic layout."""
    before = [("name", layout.name), ("id", layout.id)]
    before += [("plan", layout.plan), ("status", layout.status)]
    cells = zip(resources, layout.cells, strict=False)
    shares = [(RESOURCE + name, width) for name, width in cells]
    after = [("trend", layout.trend), ("reset", layout.reset)]
    every = [*before, *shares, *after]
    return Arrangement(tuple(Placed(key, width) for key, width in every if width))


def fitting(
    width: int, chosen: Sequence[Chosen], resources: Sequence[str]
) -> Arrangement:
    """Return where columns go in `width` cells; none chosen: the automatic layout."""
    if chosen:
        return arrange(width, chosen, resources)
    return automatic(lay_out(width, len(resources)), resources)


def arrange(
    width: int, chosen: Iterable[Chosen], resources: Sequence[str]
) -> Arrangement:
    """Share `width` cells among the chosen columns, leaving out the last ones.

    Each gets the width its user gave it, or the least and then what is left over. A
    resource that is not counted any more takes no room.
    """
    there = set(every_key(resources))
    wanted = [column for column in chosen if column.key in there]
    room = max(width - MARKER - SCROLLBAR, 1)
    widths = [column.width or column.begins for column in wanted]
    kept = len(wanted)
    while kept > 1 and sum(widths[:kept]) > room:
        kept -= 1
    widths = widths[:kept]
    if widths:
        widths[0] = min(widths[0], room)
    _share(wanted[:kept], widths, room - sum(widths))
    placed = [
        Placed(column.key, cells, column.look)
        for column, cells in zip(wanted, widths, strict=False)
    ]
    return Arrangement(tuple(placed), len(wanted) - kept)


def _share(wanted: Sequence[Chosen], widths: list[int], left: int) -> None:
    """Give what is left over to the columns that nobody sized: first what they usually
    have, then to the resources, then to the others as much as they can use.
    """
    free = [place for place, column in enumerate(wanted) if not column.width]
    kinds = {place: kind_of(wanted[place].key) for place in free}
    for place, kind in kinds.items():
        left -= _give(widths, place, min(kind.usual - widths[place], left))
    for shares in (True, False):
        while left > 0:
            lacking = [
                place
                for place, kind in kinds.items()
                if (kind is _RESOURCE) is shares and widths[place] < kind.most
            ]
            if not lacking:
                break
            for place in lacking[:left]:
                left -= _give(widths, place, 1)


def _give(widths: list[int], place: int, cells: int) -> int:
    given = max(cells, 0)
    widths[place] += given
    return given


# -- what is remembered ----------------------------------------------------------------


def read_columns(value: object) -> list[Chosen] | None:
    """Read remembered columns; what makes no sense is left out, None: no list at all.

    A column comes once, and in a width there can be.
    """
    if not isinstance(value, list):
        return None
    found: dict[str, Chosen] = {}
    for entry in value[:_MOST_CHOSEN]:
        column = _read_column(entry)
        if column is not None:
            found.setdefault(column.key, column)
    return list(found.values())


def _read_column(entry: object) -> Chosen | None:
    if not isinstance(entry, dict):
        return None
    key, width, look = entry.get("key"), entry.get("width", 0), entry.get("look")
    if not isinstance(key, str) or len(key) > _LONGEST_KEY:
        return None
    if key not in KINDS and not key.startswith(RESOURCE):
        return None
    if type(width) is not int or (width and not kind_of(key).least <= width <= WIDEST):
        width = 0
    return Chosen(key, width, Look(look) if look in list(Look) else Look.BOTH)


def write_columns(chosen: Iterable[Chosen]) -> list[dict[str, object]]:
    """Return columns in the form that `read_columns` reads."""
    return [
        {"key": column.key, "width": column.width, "look": column.look.value}
        for column in chosen
    ]
