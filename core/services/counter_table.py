"""Counters as last read, and which of them the next update has to report."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import islice

from meterdeck.core.model.fleet_update import NO_COUNTER, CounterBatch
from meterdeck.core.model.periods import PeriodKind
from meterdeck.core.model.usage import Broken, Resource, Tenant, TenantId
from meterdeck.core.services.fleet_columns import swap_remove

_NOTHING_BROKEN: Mapping[int, Broken] = {}


class CounterTable:
    """Tenants by row, resources by column, 8 bytes a counter.

    A removed tenant's row is taken over by the last one.
    """

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.tenants: list[Tenant] = []
        self.resources: list[Resource] = []
        self._index: dict[TenantId, int] = {}
        self._values: list[array[int]] = []
        self._broken: list[dict[int, Broken]] = []
        self._changed: list[set[int]] = []
        for resource in resources:
            self.add_resource(resource)

    def row_of(self, tenant: TenantId) -> int | None:
        """Return a tenant's row, None for one that is not in the table."""
        return self._index.get(tenant)

    def column_of(self, resource: str) -> int | None:
        """Return a resource's column, None for one that is not in the table."""
        for column, known in enumerate(self.resources):
            if known.name == resource:
                return column
        return None

    def value(self, row: int, column: int) -> int | Broken | None:
        """Return a counter as last read."""
        value = self._values[column][row]
        return self._broken[column].get(row) if value == NO_COUNTER else value

    def add_resource(self, resource: Resource) -> None:
        """Append a column without counters."""
        self.resources.append(resource)
        self._values.append(array("q", [NO_COUNTER]) * len(self.tenants))
        self._broken.append({})
        self._changed.append(set())

    def put(self, tenant: Tenant) -> int:
        """Add a tenant or replace what is known of it; return its row."""
        row = self._index.get(tenant.id)
        if row is not None:
            self.tenants[row] = tenant
            return row
        self._index[tenant.id] = row = len(self.tenants)
        self.tenants.append(tenant)
        for values in self._values:
            values.append(NO_COUNTER)
        return row

    def remove(self, tenant: TenantId) -> int | None:
        """Remove a tenant and return the row it had; call it with nothing to report."""
        row = self._index.pop(tenant, None)
        if row is None:
            return None
        last = len(self.tenants) - 1
        moved = self.tenants.pop()
        if row < last:
            self.tenants[row] = moved
            self._index[moved.id] = row
        for column, values in enumerate(self._values):
            swap_remove(values, row)
            _move(self._broken[column], last, row)
            changed = self._changed[column]
            changed.discard(row)
            if last in changed:
                changed.discard(last)
                changed.add(row)
        return row

    def has_counters(self, row: int) -> bool:
        """Tell whether the tenant has a counter in the present periods."""
        columns = range(len(self.resources))
        return any(self.value(row, column) is not None for column in columns)

    def start_month(self) -> None:
        """Forget the counters of calendar months; nothing of this is reported."""
        for column, resource in enumerate(self.resources):
            if resource.period is PeriodKind.CALENDAR_MONTH:
                self._values[column] = array("q", [NO_COUNTER]) * len(self.tenants)
                self._broken[column].clear()
                self._changed[column].clear()

    def store(
        self,
        column: int,
        rows: Sequence[int],
        values: array[int],
        broken: Mapping[int, Broken] = _NOTHING_BROKEN,
    ) -> list[int]:
        """Store what was read; return the rows where it differs from before."""
        known, holds = self._values[column], self._broken[column]
        if isinstance(rows, range) and not broken and not holds:
            same = known[rows.start : rows.stop] == values
            if same:
                return []
        changed = []
        for place, row in enumerate(rows):
            value = values[place]
            if known[row] != value or holds.get(row) != broken.get(place):
                known[row] = value
                holds.pop(row, None)
                if place in broken:
                    holds[row] = broken[place]
                changed.append(row)
        self._changed[column].update(changed)
        return changed

    def take(self, at_most: int) -> tuple[CounterBatch, ...]:
        """Return counters that differ from what was last taken, at most so many.

        All that changed of a row comes together.
        """
        rows = self._some(max(at_most // max(len(self._changed), 1), 1))
        batches = []
        for column, changed in enumerate(self._changed):
            if mine := [row for row in rows if row in changed]:
                changed.difference_update(mine)
                batches.append(self._batch(column, mine))
        return tuple(batches)

    def _some(self, at_most: int) -> list[int]:
        """Return rows with something to report, in order, at most so many."""
        rows: set[int] = set()
        for changed in self._changed:
            rows.update(islice(changed, at_most))
        return sorted(rows)[:at_most]

    def to_take(self) -> bool:
        """Tell whether there is anything to report."""
        return any(self._changed)

    def _batch(self, column: int, rows: Sequence[int]) -> CounterBatch:
        values, holds = self._values[column], self._broken[column]
        broken = (
            {place: holds[row] for place, row in enumerate(rows) if row in holds}
            if holds
            else {}
        )
        return CounterBatch(
            self.resources[column],
            [self.tenants[row].id for row in rows],
            array("q", [values[row] for row in rows]),
            broken,
        )


def _move(values: dict[int, Broken], last: int, row: int) -> None:
    values.pop(row, None)
    if last in values:
        values[row] = values.pop(last)
