"""Columns of the fleet: one array a resource instead of one object a counter."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from meterdeck.core.model.fleet_update import NO_COUNTER
from meterdeck.core.model.usage import NO_LIMIT, Broken, Limit, Resource

UNLIMITED = -1
HIGHEST_SHARE = 2**31 - 1
"""A percent above it is kept as this."""


@dataclass(slots=True)
class Column:
    """One resource of every tenant; index is the fleet's row.

    Attributes:
        used: Values, `NO_COUNTER` where there is none or it is broken.
        limit: Index into the fleet's `LimitTable`.
        broken: Rows whose key holds something else.
    """

    resource: Resource
    used: array[int] = field(default_factory=lambda: array("q"))
    limit: array[int] = field(default_factory=lambda: array("i"))
    broken: dict[int, Broken] = field(default_factory=dict)

    def value(self, row: int) -> int | Broken | None:
        """Return what the counter holds; None without a counter."""
        value = self.used[row]
        if value != NO_COUNTER:
            return value
        return self.broken.get(row)

    def add_rows(self, count: int) -> None:
        """Append `count` rows without counter and without limit."""
        self.used.extend([NO_COUNTER] * count)
        self.limit.extend([0] * count)

    def remove_row(self, row: int) -> None:
        """Remove a row; the last one takes its place."""
        last = len(self.used) - 1
        swap_remove(self.used, row)
        swap_remove(self.limit, row)
        self.broken.pop(row, None)
        if last in self.broken:
            self.broken[row] = self.broken.pop(last)

    def clear(self) -> None:
        """Forget every value: a new period has begun."""
        self.used = array("q", [NO_COUNTER]) * len(self.used)
        self.broken.clear()


class LimitTable:
    """Limits by number: a hundred thousand tenants have a few dozen of them."""

    def __init__(self) -> None:
        self.limits: list[Limit] = [NO_LIMIT]
        self.units: list[int] = [UNLIMITED]
        self._numbers = {NO_LIMIT: 0}

    def number(self, limit: Limit) -> int:
        """Return the number of `limit`, a new one for one not seen before."""
        number = self._numbers.get(limit)
        if number is None:
            number = self._numbers[limit] = len(self.limits)
            self.limits.append(limit)
            self.units.append(UNLIMITED if limit.units is None else limit.units)
        return number


class Severity:
    """The worst column of every row, kept up to date, and how many rows are bad.

    Attributes:
        worst: Percent of the column nearest to its limit, −1 where none has a limit.
        column: That column, −1 where none has a limit.
        bands: Rows above 70, above 90 and from 100 percent, after the rest.
    """

    def __init__(self) -> None:
        self.worst = array("i")
        self.column = array("h")
        self.bands = [0, 0, 0, 0]

    def add_rows(self, count: int) -> None:
        """Append `count` rows without any limit."""
        self.worst.extend([-1] * count)
        self.column.extend([-1] * count)
        self.bands[0] += count

    def remove_row(self, row: int) -> None:
        """Remove a row; the last one takes its place."""
        self.bands[_band(self.worst[row])] -= 1
        swap_remove(self.worst, row)
        swap_remove(self.column, row)

    def judge(
        self, rows: Sequence[int], columns: Sequence[Column], units: Sequence[int]
    ) -> list[int]:
        """Look at `rows` again; return those whose worst column is another one."""
        views = [(c.used, c.limit, c.broken) for c in columns]
        moved = []
        for row in rows:
            worst = column = -1
            for index, (used, limits, broken) in enumerate(views):
                limit = units[limits[row]]
                if limit < 0:
                    continue
                value = used[row]
                if value < 0 and broken and row in broken:
                    continue
                share = _share(value, limit)
                if share > worst:
                    worst, column = share, index
            if worst != self.worst[row]:
                self._set_worst(row, worst)
            if column != self.column[row]:
                self.column[row] = column
                moved.append(row)
        return moved

    def _set_worst(self, row: int, worst: int) -> None:
        worst = min(worst, HIGHEST_SHARE)
        self.bands[_band(self.worst[row])] -= 1
        self.bands[_band(worst)] += 1
        self.worst[row] = worst


def swap_remove(values: array[int] | list[int], row: int) -> None:
    """Remove one item in constant time: the last one takes its place."""
    last = values.pop()
    if row < len(values):
        values[row] = last


def _share(value: int, limit: int) -> int:
    # percent_of, without its calls: this runs for every counter that changed.
    if limit == 0:
        return 100
    return value * 100 // limit if value > 0 else 0


def _band(worst: int) -> int:
    return (worst > 70) + (worst > 90) + (worst >= 100)
