"""Rows of the fleet: takes in what watching reports, column by column."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from meterdeck.core.model.context import Context
from meterdeck.core.model.fleet_update import (
    NO_COUNTER,
    CounterBatch,
    OverrideChange,
    WatchUpdate,
)
from meterdeck.core.model.periods import (
    Period,
    PeriodKind,
    calendar_month,
    current_period,
)
from meterdeck.core.model.usage import Limit, Resource, Tenant, TenantId
from meterdeck.core.services.fleet_columns import (
    Column,
    LimitTable,
    Severity,
    swap_remove,
)
from meterdeck.core.services.fleet_search import SearchText
from meterdeck.core.services.trend import Snapshots, Trend

_MOST_PROFILES = 10_000
NEVER = 2**62
"""When a row resets that has gauges alone, in Unix seconds."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FleetChange:
    """What an update changed.

    Attributes:
        rows: Rows whose tenant, values or limits changed.
        membership: Tenants came, went or were renamed: rows may mean other tenants.
        columns: Resources were added.
        gone: Tenants went: rows known from before may be others', or none.
    """

    rows: frozenset[int]
    membership: bool
    columns: bool
    gone: bool = False


class FleetRows:
    """The fleet's state. A row keeps its number until a tenant is removed, which
    moves the last row to the removed one's place.

    Attributes:
        at: When the last update was made, by the Redis server's clock.
        is_read: Every counter has been looked for: what has no value has none.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.at: datetime | None = None
        self.is_read = False
        self.tenants: list[Tenant] = []
        self.columns: list[Column] = []
        self.limits = LimitTable()
        self.severity = Severity()
        self.pace = Trend()
        self._snapshots: list[Snapshots] = []
        self._index: dict[TenantId, int] = {}
        self._overrides: dict[tuple[TenantId, str], Limit] = {}
        self._plan_limits: dict[tuple[object, ...], tuple[int, ...]] = {}
        self._resets = array("q")
        self._month: Period | None = None
        self._search = SearchText(self.tenants)
        for resource in context.resources:
            self._add_column(resource)

    def apply(self, update: WatchUpdate) -> FleetChange:
        """Take in an update and return what it changed."""
        before = len(self.columns)
        rows: set[int] = set()
        self.at = update.at
        stretch_ended = self.pace.advance(update.at)
        if self._start_month(update.month):
            rows.update(range(len(self.tenants)))
        renamed = self._take_tenants(update.tenants, rows)
        for batch in update.counters:
            self._take_counters(batch, rows)
        for change in update.overrides:
            self._take_override(change, rows)
        self._judge(list(rows))
        gone = [self._remove(tenant, rows) for tenant in update.removed]
        if stretch_ended and update.counters_at is not None:
            self._take_snapshots(update.at)
        if len(self.columns) > before:
            rows.update(range(len(self.tenants)))
        if update.counters_at is not None and not self.is_read:
            self.is_read = True
            rows.update(range(len(self.tenants)))
        kept = frozenset(row for row in rows if row < len(self.tenants))
        return FleetChange(
            kept, renamed or any(gone), len(self.columns) > before, any(gone)
        )

    def _start_month(self, month: Period | None) -> bool:
        if month is None or month == self._month:
            return False
        first, self._month = self._month is None, month
        if first:
            return False
        for column, snapshots in zip(self.columns, self._snapshots, strict=True):
            if column.resource.period is PeriodKind.CALENDAR_MONTH:
                column.clear()
                snapshots.clear()
        return True

    def _take_tenants(self, tenants: Sequence[Tenant], rows: set[int]) -> bool:
        new = list({t.id: t for t in tenants if t.id not in self._index}.values())
        first = len(self.tenants)
        for column in self.columns:
            column.add_rows(len(new))
        self.severity.add_rows(len(new))
        self.pace.add_rows(len(new))
        self._resets.extend([0] * len(new))
        for row, tenant in enumerate(new, first):
            self._index[tenant.id] = row
        self.tenants.extend(new)
        renamed = bool(new)
        touched = []
        for tenant in tenants:
            row = self._index[tenant.id]
            renamed |= self.tenants[row].name != tenant.name
            self.tenants[row] = tenant
            self._set_limits(row)
            self._resets[row] = 0
            touched.append(row)
        rows.update(touched)
        self._search.changed(touched)
        self._search.keep_up()
        return renamed

    def _set_limits(self, row: int) -> None:
        tenant = self.tenants[row]
        numbers = self._limits_by_plan(tenant)
        for column, number in zip(self.columns, numbers, strict=True):
            column.limit[row] = number
        if self._overrides:
            for column in self.columns:
                override = self._overrides.get((tenant.id, column.resource.name))
                if override is not None:
                    column.limit[row] = self.limits.number(override)

    def _limits_by_plan(self, tenant: Tenant) -> tuple[int, ...]:
        key = (len(self.columns), *tenant.limits.items())
        numbers = self._plan_limits.get(key)
        if numbers is None:
            limits = [
                self._context.limit_of(tenant, column.resource.name)
                for column in self.columns
            ]
            numbers = tuple(map(self.limits.number, limits))
            if len(self._plan_limits) >= _MOST_PROFILES:
                self._plan_limits.clear()
            self._plan_limits[key] = numbers
        return numbers

    def _take_counters(self, batch: CounterBatch, rows: set[int]) -> None:
        number = self.column_of(batch.resource.name)
        if number < 0:
            number = self._add_column(batch.resource)
        column, worst = self.columns[number], self.severity.column
        used, index, add = column.used, self._index, self.pace.add
        touched = []
        for tenant, value in zip(batch.tenants, batch.used, strict=True):
            row = index.get(tenant)
            if row is None:
                continue
            before = used[row]
            used[row] = value
            touched.append(row)
            if before < value and before != NO_COUNTER and worst[row] == number:
                add(row, value - before)
        rows.update(touched)
        if column.broken:
            for row in touched:
                column.broken.pop(row, None)
        self._take_broken(column, batch)

    def _take_broken(self, column: Column, batch: CounterBatch) -> None:
        for place, broken in batch.broken.items():
            row = self._index.get(batch.tenants[place])
            if row is not None:
                column.used[row] = NO_COUNTER
                column.broken[row] = broken

    def _take_override(self, change: OverrideChange, rows: set[int]) -> None:
        key = (change.tenant, change.resource)
        if change.limit is None:
            self._overrides.pop(key, None)
        else:
            self._overrides[key] = change.limit
        row = self._index.get(change.tenant)
        if row is not None:
            self._set_limits(row)
            rows.add(row)

    def _judge(self, rows: Sequence[int]) -> None:
        for row in self.severity.judge(rows, self.columns, self.limits.units):
            self.pace.forget(row)

    def _add_column(self, resource: Resource) -> int:
        column = Column(resource)
        column.add_rows(len(self.tenants))
        self.columns.append(column)
        self._snapshots.append(Snapshots())
        for row in range(len(self.tenants)):
            self._set_limits(row)
        self._judge(range(len(self.tenants)))
        return len(self.columns) - 1

    def _remove(self, tenant: TenantId, rows: set[int]) -> bool:
        row = self._index.pop(tenant, None)
        if row is None:
            return False
        last = len(self.tenants) - 1
        for column, snapshots in zip(self.columns, self._snapshots, strict=True):
            column.remove_row(row)
            snapshots.remove_row(row, last + 1)
        self.severity.remove_row(row)
        self.pace.remove_row(row)
        swap_remove(self._resets, row)
        moved = self.tenants.pop()
        if row < last:
            self.tenants[row] = moved
            self._index[moved.id] = row
        self._search.changed((row, last))
        rows.add(row)
        return True

    def _take_snapshots(self, at: datetime) -> None:
        for column, snapshots in zip(self.columns, self._snapshots, strict=True):
            snapshots.take(column.used, at)

    def column_of(self, resource: str) -> int:
        """Return a resource's column, −1 where there is none."""
        for number, column in enumerate(self.columns):
            if column.resource.name == resource:
                return number
        return -1

    def moved(self, column: int, rows: Sequence[int]) -> Sequence[int]:
        """Return at least those `rows` whose counter has grown in the last minute."""
        return self._snapshots[column].grown(self.columns[column].used, rows)

    def before(self, column: int) -> tuple[array[int], float]:
        """Return a column as it was up to a minute ago, and how many seconds ago.

        Nothing, 0 seconds ago, while that cannot be told.
        """
        age_s, used = self._snapshots[column].before(self.at or EPOCH) or (0.0, None)
        return used if used is not None else array("q"), age_s

    def reset_times(self) -> Sequence[int]:
        """Return when a counter of each row next starts anew, in Unix seconds."""
        at = self.at or EPOCH
        now, month_end = int(at.timestamp()), int(calendar_month(at).end.timestamp())
        kinds = {column.resource.period for column in self.columns}
        monthly = PeriodKind.CALENDAR_MONTH in kinds
        cycled = PeriodKind.BILLING_CYCLE in kinds
        # Gauges never start anew: a row of nothing else comes last.
        never = NEVER if kinds == {PeriodKind.NONE} else month_end
        for row, reset in enumerate(self._resets):
            if reset > now:
                continue
            self._resets[row] = never
            cycle = self.tenants[row].cycle
            if cycle is not None and cycled:
                end = current_period(PeriodKind.BILLING_CYCLE, cycle, at).end
                seconds = int(end.timestamp())
                self._resets[row] = min(seconds, month_end) if monthly else seconds
        return self._resets
