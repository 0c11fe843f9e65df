"""Orders of the fleet: what an operator wants on top, ties by name."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import compress
from typing import Protocol

from meterdeck.core.model.usage import Tenant, TenantStatus
from meterdeck.core.services.fleet_columns import (
    HIGHEST_SHARE,
    Column,
    LimitTable,
    Severity,
)
from meterdeck.core.services.trend import Trend

Rank = int | float | str
_PLACES = 2**31
"""More than there can be rows."""


class SortKey(StrEnum):
    """What the fleet can be ordered by, besides the name of a resource."""

    WORST = "worst"
    """Nearest to a limit first."""
    NAME = "name"
    PLAN = "plan"
    STATUS = "status"
    """In trouble first."""
    RESET = "reset"
    """Soonest first."""
    TREND = "trend"
    """Most units in the last five seconds first."""


TROUBLE = {
    status: place
    for place, status in enumerate(
        (
            TenantStatus.UNPAID,
            TenantStatus.PAST_DUE,
            TenantStatus.INCOMPLETE,
            TenantStatus.INCOMPLETE_EXPIRED,
            TenantStatus.PAUSED,
            TenantStatus.UNKNOWN,
            TenantStatus.NO_SUBSCRIPTION,
            TenantStatus.CANCELED,
            TenantStatus.TRIALING,
            TenantStatus.ACTIVE,
        )
    )
}
"""Place of each status, the one in most trouble first."""


class Sortable(Protocol):
    """What of a fleet decides its order."""

    tenants: list[Tenant]
    columns: list[Column]
    limits: LimitTable
    severity: Severity
    pace: Trend

    def column_of(self, resource: str) -> int:
        """Return the column of a resource, −1 where there is none."""
        ...

    def reset_times(self) -> Sequence[int]:
        """Return when a counter of each row next starts anew, in Unix seconds."""
        ...


class WorstOrder:
    """All rows, the highest share first, kept in order as a few of them change.

    Sorting a hundred thousand takes sixty milliseconds; putting a thousand in their
    new places takes ten.

    Attributes:
        moved: Rows whose share may be another one than in the last order.

    Args:
        names: All rows by name, which breaks ties.
        worst: The share of each row.
    """

    def __init__(self, names: list[int], worst: Sequence[int]) -> None:
        self._ranks = array("q", bytes(8 * len(names)))
        for place, row in enumerate(names):
            self._ranks[row] = self._rank(worst[row], place)
        self._ordered = sorted(names, key=self._ranks.__getitem__)
        self.moved: set[int] = set()

    def order(
        self, worst: Sequence[int], rows: Sequence[int] | None = None
    ) -> list[int]:
        """Return all rows, or `rows`, in order by what `worst` says now."""
        self._put_moved(worst)
        if rows is None:
            return self._ordered.copy()
        if _are_few(rows, self._ordered):
            return sorted(rows, key=self._ranks.__getitem__)
        return _among(self._ordered, rows)

    def _put_moved(self, worst: Sequence[int]) -> None:
        ranks, moved = self._ranks, []
        for row in self.moved:
            rank = self._rank(worst[row], ranks[row] % _PLACES)
            if rank != ranks[row]:
                ranks[row] = rank
                moved.append(row)
        self.moved.clear()
        if moved:
            away = set(moved)
            moved.sort(key=ranks.__getitem__)
            rest = [row for row in self._ordered if row not in away]
            # Two stretches in order are merged in one go.
            self._ordered = sorted(rest + moved, key=ranks.__getitem__)

    @staticmethod
    def _rank(worst: int, place: int) -> int:
        return (HIGHEST_SHARE - worst) * _PLACES + place


class FleetOrder:
    """Sorts rows; keeps the order by name, which breaks every tie."""

    def __init__(self, fleet: Sortable) -> None:
        self._fleet = fleet
        self._by_name: list[int] = []
        self._fresh = True
        self._worst: WorstOrder | None = None

    def tenants_changed(self) -> None:
        """Note that tenants came, went or were renamed."""
        self._fresh = False
        self._worst = None

    def rows_changed(self, rows: Iterable[int]) -> None:
        """Note rows that may be nearer to a limit now, or farther from it."""
        if self._worst is not None:
            self._worst.moved.update(rows)

    def order(
        self, key: str, *, reverse: bool = False, rows: Sequence[int] | None = None
    ) -> list[int]:
        """Return `rows` (all of them by default) in order; see `Fleet.order`."""
        if key == SortKey.WORST and not reverse:
            return self._by_worst(rows)
        ordered = self._names(rows)
        if key == SortKey.NAME:
            return ordered[::-1] if reverse else ordered
        rank, descending = self._rank(key)
        ordered.sort(key=rank, reverse=descending != reverse)
        return ordered

    def _by_worst(self, rows: Sequence[int] | None) -> list[int]:
        """Return rows, those nearest to a limit first: the usual order."""
        worst = self._fleet.severity.worst
        if self._worst is None:
            self._worst = WorstOrder(self._names(None), worst)
        return self._worst.order(worst, rows)

    def _names(self, rows: Sequence[int] | None) -> list[int]:
        if rows is not None and _are_few(rows, self._fleet.tenants):
            return sorted(rows, key=self._name)
        self._refresh()
        return self._by_name.copy() if rows is None else _among(self._by_name, rows)

    def _refresh(self) -> None:
        if self._fresh:
            return
        # Rows that were in order stay a long run, which sorts in linear time.
        names = [tenant.name.lower() for tenant in self._fleet.tenants]
        count = len(names)
        kept = [row for row in self._by_name if row < count]
        self._by_name = [*kept, *range(len(kept), count)]
        self._by_name.sort(key=names.__getitem__)
        self._fresh = True

    def _name(self, row: int) -> str:
        return self._fleet.tenants[row].name.lower()

    def _rank(self, key: str) -> tuple[Callable[[int], Rank], bool]:
        fleet = self._fleet
        tenants = fleet.tenants
        match key:
            case SortKey.WORST:
                return fleet.severity.worst.__getitem__, True
            case SortKey.TREND:
                return fleet.pace.latest().__getitem__, True
            case SortKey.PLAN:
                return lambda row: tenants[row].plan, False
            case SortKey.STATUS:
                return lambda row: TROUBLE[tenants[row].status], False
            case SortKey.RESET:
                return fleet.reset_times().__getitem__, False
        return self._shares(key).__getitem__, True

    def _shares(self, resource: str) -> list[float]:
        # Unlimited counters come after all limited ones, the most used first.
        index = self._fleet.column_of(resource)
        if index < 0:
            return [0.0] * len(self._fleet.tenants)
        column, units = self._fleet.columns[index], self._fleet.limits.units
        limits = map(units.__getitem__, column.limit)
        return [
            used / limit if used > 0 and limit > 0 else _share(used, limit)
            for used, limit in zip(column.used, limits, strict=True)
        ]


def _are_few(rows: Sequence[int], every: Sequence[object]) -> bool:
    """Tell whether sorting rows is quicker than picking them from all in order."""
    return len(rows) < len(every) // 8


def _among(ordered: Sequence[int], rows: Sequence[int]) -> list[int]:
    if len(rows) == len(ordered):
        return list(ordered)
    wanted = bytearray(len(ordered))
    for row in rows:
        wanted[row] = 1
    return list(compress(ordered, map(wanted.__getitem__, ordered)))


def _share(used: int, limit: int) -> float:
    if limit > 0:
        return used / limit if used > 0 else 0.0
    if limit == 0:
        return 1.0
    return -1.0 / used if used > 0 else -2.0
