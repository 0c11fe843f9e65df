"""Reads counters: all of a small fleet at once, a large one stretch by stretch."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.adapters.bulk_reader import IN_FLIGHT, BulkReader, MgetPlan
from meterdeck.core.model.fleet_update import NO_COUNTER
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import Broken, ResourceName, TenantId
from meterdeck.core.services.counter_keys import KeyPlan, plan_keys
from meterdeck.core.services.counter_table import CounterTable
from meterdeck.core.services.counter_values import broken_type, read_values

AT_ONCE = 1000  # keys in one MGET: more hold up the server, fewer cost time
SMALL = 5_000
"""Counters of a fleet that is read whole every time."""
_GROUP = 2 * IN_FLIGHT
_TYPED_AT_ONCE = 200
_MOST_SUSPECTS = 10_000


@dataclass(slots=True)
class _Stretch:
    """Some rows, all columns: how to read them and a fingerprint of the last values.

    Attributes:
        kept: The commands, where they take long to make.
        read: Whether it has been read since it was planned: until then its counters
            differ because they are those of other tenants or of another period.
    """

    keys: KeyPlan
    kept: MgetPlan | None = None
    fingerprint: int | None = None
    read: bool = False


class CounterSweep:
    """Keeps a `CounterTable` like the counters in Redis.

    Attributes:
        found: Tenants whose counters were others than before when their stretch was
            read, in the same period; whoever looks at them empties it.
    """

    def __init__(
        self, table: CounterTable, layout: KeyLayout, reader: BulkReader
    ) -> None:
        self._table = table
        self._layout = layout
        self._reader = reader
        self._stretches: dict[int, _Stretch] = {}
        self.found: set[TenantId] = set()
        self._rows = AT_ONCE
        self._next = 0
        self._suspects: set[tuple[TenantId, ResourceName]] = set()
        self._typed: dict[tuple[TenantId, ResourceName], str] = {}
        self.resources_changed()

    # -- what to read ----------------------------------------------------------

    def resources_changed(self) -> None:
        """Plan anew: the table has other columns."""
        self._rows = max(1, AT_ONCE // max(1, len(self._table.resources)))
        self._stretches.clear()
        self._next = 0

    def rows_changed(self, rows: Iterable[int]) -> None:
        """Plan anew what concerns these rows: other tenants or other cycles."""
        for number in {row // self._rows for row in rows}:
            self._stretches.pop(number, None)

    def suspect(self, tenant: TenantId, resource: ResourceName) -> None:
        """Look at a counter that exists and has no value: it may be no string."""
        if len(self._suspects) < _MOST_SUSPECTS:
            self._suspects.add((tenant, resource))

    def start_month(self) -> None:
        """Forget the ended calendar month."""
        self._stretches.clear()
        self._suspects.clear()
        self._typed.clear()

    @property
    def counters(self) -> int:
        """How many counters there can be."""
        return len(self._table.tenants) * len(self._table.resources)

    @property
    def swept(self) -> float:
        """Share of the fleet read since this sweep began; 0.0 between two sweeps."""
        return self._next / max(1, self._count())

    def _count(self) -> int:
        return -(-len(self._table.tenants) // self._rows)

    # -- reading ---------------------------------------------------------------

    async def read_some(self, at: datetime) -> bool:
        """Read the next stretches; tell whether the whole fleet is through now.

        Raises:
            RedisUnreachable, RedisRefused: The sweep goes on where it stopped.
        """
        if not self._table.resources:
            return True
        numbers = range(self._next, min(self._next + _GROUP, self._count()))
        await self._read_stretches(numbers, at)
        self._next = numbers.stop
        if self._next < self._count():
            return False
        self._next = 0
        return True

    async def read_ended(self, at: datetime) -> None:
        """Read anew the stretches in which a period has ended, some each time.

        Among many tenants with a cycle of their own one ends every few seconds, and
        nobody tells of it.

        Raises:
            RedisUnreachable, RedisRefused: The next call reads what is left.
        """
        ended = [n for n, s in self._stretches.items() if s.keys.valid_until <= at]
        if ended:
            await self._read_stretches(ended[:_GROUP], at)

    async def _read_stretches(self, numbers: Sequence[int], at: datetime) -> None:
        stretches = [self._stretch(number, at) for number in numbers]
        read = await self._reader.read([self._plan(s) for s in stretches])
        for number, stretch, values in zip(numbers, stretches, read, strict=True):
            self._store_stretch(number, stretch, values)

    async def read_rows(self, rows: Sequence[int], at: datetime) -> None:
        """Read the counters of these rows.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        if not rows or not self._table.resources:
            return
        keys = self._keys(rows, at)
        for row in self._store(rows, await self._reader.mget(keys)):
            stretch = self._stretches.get(row // self._rows)
            if stretch is not None:
                stretch.fingerprint = None

    def _keys(self, rows: Sequence[int], at: datetime) -> list[bytes]:
        """Name the counters of rows; the plan of their stretch knows their periods."""
        plans = []
        for row in rows:
            stretch = self._stretches.get(row // self._rows)
            if stretch is None or stretch.keys.valid_until <= at:
                tenants = [self._table.tenants[row] for row in rows]
                return plan_keys(self._layout, tenants, self._table.resources, at).keys
            plans.append((stretch.keys, row % self._rows))
        columns = range(len(self._table.resources))
        return [plan.key(column, place) for column in columns for plan, place in plans]

    async def read_suspects(self, at: datetime) -> None:
        """Find out what keys hold that exist and have no value; some each time.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        self._suspects = {one for one in self._suspects if self._is_missing(*one)}
        due = [*self._suspects, *self._typed][:_TYPED_AT_ONCE]
        if not due:
            return
        self._suspects.difference_update(due)
        places = [(i, place) for i in due if (place := self._place(*i)) is not None]
        for counter in due:
            self._typed.pop(counter, None)
        keys = [self._key(row, column, at) for _, (row, column) in places]
        types = await self._reader.types(keys)
        raw = await self._reader.mget(keys)
        for (counter, (row, column)), type_name, text in zip(
            places, types, raw, strict=True
        ):
            values, broken = read_values([text])
            if text is None and type_name not in ("none", "string"):
                broken = {0: broken_type(type_name)}
                self._typed[counter] = type_name
            self._table.store(column, [row], values, broken)
            self._forget_fingerprint(row)

    def _is_missing(self, tenant: TenantId, resource: ResourceName) -> bool:
        # Most suspects only exist before the sweep has come by for the first time.
        place = self._place(tenant, resource)
        return place is not None and self._table.value(*place) is None

    def _place(
        self, tenant: TenantId, resource: ResourceName
    ) -> tuple[int, int] | None:
        row, column = self._table.row_of(tenant), self._table.column_of(resource)
        return None if row is None or column is None else (row, column)

    def _key(self, row: int, column: int, at: datetime) -> bytes:
        tenant, resource = self._table.tenants[row], self._table.resources[column]
        return plan_keys(self._layout, [tenant], [resource], at).keys[0]

    def _stretch(self, number: int, at: datetime) -> _Stretch:
        stretch = self._stretches.get(number)
        if stretch is None or stretch.keys.valid_until <= at:
            first = number * self._rows
            tenants = self._table.tenants[first : first + self._rows]
            keys = plan_keys(self._layout, tenants, self._table.resources, at)
            stretch = self._stretches[number] = _Stretch(keys)
        return stretch

    def _plan(self, stretch: _Stretch) -> MgetPlan:
        if stretch.kept is not None:
            return stretch.kept
        plan = self._reader.plan(stretch.keys.keys)
        # On a cluster each key's slot has to be reckoned; a small fleet is read whole
        # each time, and takes little room.
        if plan.places or self.counters <= SMALL:
            stretch.kept = plan
        return plan

    def _store_stretch(
        self, number: int, stretch: _Stretch, raw: list[bytes | None]
    ) -> None:
        # Hashing the replies costs a fifth of reading them as numbers.
        fingerprint = hash(tuple(raw))
        if fingerprint != stretch.fingerprint:
            first = number * self._rows
            count = len(raw) // len(self._table.resources)
            differing = self._store(range(first, first + count), raw)
            if stretch.read:
                self.found.update(self._table.tenants[row].id for row in differing)
            stretch.fingerprint = fingerprint
        stretch.read = True

    def _forget_fingerprint(self, row: int) -> None:
        stretch = self._stretches.get(row // self._rows)
        if stretch is not None:
            stretch.fingerprint = None

    def _store(self, rows: Sequence[int], raw: list[bytes | None]) -> set[int]:
        changed: set[int] = set()
        count = len(rows)
        for column, resource in enumerate(self._table.resources):
            part = raw[column * count : (column + 1) * count]
            values, broken = read_values(part)
            self._keep_typed(column, rows, values, broken)
            differing = self._table.store(column, rows, values, broken)
            changed.update(differing)
            for row in differing:
                if self._table.value(row, column) is None:
                    self.suspect(self._table.tenants[row].id, resource.name)
        return changed

    def _keep_typed(
        self,
        column: int,
        rows: Sequence[int],
        values: array[int],
        broken: dict[int, Broken],
    ) -> None:
        # MGET answers nil for a list as for nothing at all; TYPE has told.
        if not self._typed:
            return
        name = self._table.resources[column].name
        for place, row in enumerate(rows):
            if values[place] == NO_COUNTER and place not in broken:
                counter = (self._table.tenants[row].id, name)
                if counter in self._typed:
                    broken[place] = broken_type(self._typed[counter])
