"""What stands in the cells of the tenant table, column by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant, TenantStatus
from meterdeck.core.services.fleet import Fleet, SortKey
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Line, sparkline
from meterdeck.tui.themes import Ground, Palette, Role
from meterdeck.tui.widgets.resource_cell import ResourceCell
from meterdeck.tui.widgets.table_columns import RESOURCE, Placed

_STATUS_ROLES = {
    TenantStatus.ACTIVE: Role.MUTED,
    TenantStatus.TRIALING: Role.ACCENT,
    TenantStatus.PAST_DUE: Role.NEAR,
    TenantStatus.INCOMPLETE: Role.NEAR,
    TenantStatus.UNPAID: Role.HIGH,
}
_SPARK = 8


def status_role(status: TenantStatus) -> Role:
    """Return the role a status is painted in."""
    return _STATUS_ROLES.get(status, Role.MUTED)


@dataclass(frozen=True, slots=True)
class Order:
    """What the table is sorted by: a `SortKey` or a resource's name."""

    key: str = SortKey.WORST
    reverse: bool = False

    @property
    def mark(self) -> str:
        """The direction: `▼` is the usual one, what needs attention first."""
        return "▲" if self.reverse else "▼"


class Cell(Protocol):
    """One column."""

    def paint(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        """Return the cell of a row of the fleet, at most `width` cells wide."""


@dataclass(frozen=True, slots=True)
class Title:
    """A column's heading, and what a click on it sorts by; empty for nothing."""

    text: str
    sort: str = ""


_TITLES = {
    "name": Title("TENANT", SortKey.NAME),
    "id": Title("ID"),
    "customer": Title("CUSTOMER"),
    "subscription": Title("SUBSCRIPTION"),
    "plan": Title("PLAN", SortKey.PLAN),
    "status": Title("STATUS", SortKey.STATUS),
    "trend": Title("TREND", SortKey.TREND),
    "reset": Title("RESETS", SortKey.RESET),
    "rate": Title("BURN"),
    "eta": Title("LIMIT IN"),
}


def title_of(key: str, fleet: Fleet) -> Title:
    """Return the heading of a column."""
    if key in _TITLES:
        return _TITLES[key]
    name = key.removeprefix(RESOURCE)
    return Title(fleet.resources[fleet.column_of(name)].label.upper(), name)


class _Name:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def paint(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        on = ground is Ground.CURSOR
        style = palette.style(Role.BRIGHT if on else Role.TEXT, ground, bold=on)
        return Line().field(self._fleet.tenant(row).name, width - 1, style)


class _Text:
    """A text of the tenant; a dash where there is none."""

    def __init__(self, fleet: Fleet, says: Callable[[Tenant], str]) -> None:
        self._fleet = fleet
        self._says = says

    def paint(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        text = self._says(self._fleet.tenant(row)) or "–"
        return Line().field(text, width - 1, palette.style(Role.MUTED, ground))


class _Status:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def paint(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        status = self._fleet.tenant(row).status
        style = palette.style(status_role(status), ground)
        return Line().field(phrases.status_word(status), width, style)


class _Trend:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def paint(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        samples = list(self._fleet.trend(row))[-_SPARK:]
        text = sparkline(samples) if any(samples) else ""
        role = Role.SPARK if text else Role.MUTED
        return Line().field(text, _SPARK, palette.style(role, ground), Align.RIGHT)


class _OfWorst:
    """Something of the resource that is nearest to its limit."""

    def __init__(self, fleet: Fleet, says: Callable[[Fleet, int, int], str]) -> None:
        self._fleet = fleet
        self._says = says

    def paint(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        fleet = self._fleet
        text = "–"
        if fleet.at is not None and fleet.columns:
            text = self._says(fleet, row, max(fleet.worst_column(row), 0))
        return Line().field(text, width - 1, palette.style(Role.MUTED, ground))


def _reset(fleet: Fleet, row: int, column: int) -> str:
    resets_at = fleet.resets_at(row, column)
    assert fleet.at is not None
    return "never" if resets_at is None else phrases.day(resets_at, fleet.at)


def _rate(fleet: Fleet, row: int, column: int) -> str:
    return phrases.rate(fleet.rate(row, column), fleet.resources[column].scale)


class _Eta:
    """When the first of the limits is reached; urgent within the hour."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def paint(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        fleet = self._fleet
        times = [fleet.time_to_limit(row, at) for at in range(len(fleet.columns))]
        first = min((time for time in times if time is not None), default=None)
        if first is None:
            return Line().field("–", width - 1, palette.style(Role.MUTED, ground))
        role = Role.TEXT
        if first <= timedelta(hours=1):
            role = Role.NEAR if first else Role.HIGH
        text = phrases.coarse(first) if first else "reached"
        return Line().field(text, width - 1, palette.style(role, ground))


_MAKERS: dict[str, Callable[[Fleet], Cell]] = {
    "name": _Name,
    "id": lambda fleet: _Text(fleet, lambda tenant: tenant.id),
    "customer": lambda fleet: _Text(fleet, lambda tenant: tenant.customer),
    "subscription": lambda fleet: _Text(fleet, lambda tenant: tenant.subscription),
    "plan": lambda fleet: _Text(fleet, lambda tenant: tenant.plan),
    "status": _Status,
    "trend": _Trend,
    "reset": lambda fleet: _OfWorst(fleet, _reset),
    "rate": lambda fleet: _OfWorst(fleet, _rate),
    "eta": _Eta,
}


def cell_of(column: Placed, fleet: Fleet) -> Cell:
    """Return what paints a column."""
    maker = _MAKERS.get(column.key)
    if maker is not None:
        return maker(fleet)
    number = fleet.column_of(column.key.removeprefix(RESOURCE))
    return ResourceCell(fleet, number, column.look)


_TIMELY = frozenset({"trend", "rate", "eta"})
"""Columns that change while nothing is reported of their row."""


class Cells:
    """The columns that one widget paints.

    Attributes:
        tells_time: Whether one of them changes though nothing is reported.
    """

    def __init__(self, picture: Picture, columns: Sequence[Placed]) -> None:
        fleet = picture.fleet
        self._columns = [
            (title_of(column.key, fleet), cell_of(column, fleet), column.width)
            for column in columns
        ]
        self.width = sum(column.width for column in columns)
        self._fleet = fleet
        self._dated = any(column.key == "reset" for column in columns)
        self.tells_time = any(column.key in _TIMELY for column in columns)

    @property
    def minute(self) -> int:
        """The minute that is now where there are dates, else always the same: a
        counter starts anew at any time of the day.
        """
        at = self._fleet.at
        return int(at.timestamp()) // 60 if self._dated and at else 0

    def heading(self, line: Line, order: Order, palette: Palette) -> Line:
        """Append the headings; the one that sorts is marked with its direction."""
        for title, _, width in self._columns:
            text = visible(title.text, 40)
            mine = title.sort == order.key
            if title.sort == SortKey.NAME and order.key == SortKey.WORST:
                text, mine = f"{text} · worst", True
            role = Role.BRIGHT if mine else Role.MUTED
            text = f"{text} {order.mark}" if mine else text
            line.field(text, width, palette.style(role, bold=mine))
        return line

    def key_at(self, x: int) -> str:
        """Return what a click on the headings at `x` sorts by; empty for nothing."""
        for title, _, width in self._columns:
            if x < width:
                return title.sort
            x -= width
        return ""

    def add(self, line: Line, row: int, ground: Ground, palette: Palette) -> Line:
        """Append the cells of a row of the fleet."""
        blank = palette.style(Role.MUTED, ground)
        end = line.width
        for _, cell, width in self._columns:
            end += width
            line.append(cell.paint(row, width, ground, palette)).pad(end, blank)
        return line
