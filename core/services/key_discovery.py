"""Finds counters nobody announced: of tenants Stripe does not know, of new resources.

An application that only ever does INCR and EXPIRE writes no index. SCAN finds its
keys, a little of it each time: all of a small database, a share of a large one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import (
    ENDLESS,
    PeriodKind,
    calendar_month,
    current_period,
)
from meterdeck.core.model.usage import (
    CounterId,
    Resource,
    ResourceKind,
    Tenant,
    TenantId,
)
from meterdeck.core.services.counter_sweep import CounterSweep
from meterdeck.core.services.counter_table import CounterTable

_AT_ONCE = 1000
_SHARE = 0.02  # of the time between two calls, and so of the server's
_CALM_PAUSE_S = 5.0
_MOST_TENANTS = 1_000_000
_MOST_RESOURCES = 32
_REMEMBERED = 20_000
_REFUSED_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Discovered:
    """Tenants and resources that have counters and were not known."""

    tenants: tuple[Tenant, ...] = ()
    resources: tuple[Resource, ...] = ()


class KeyDiscovery:
    """Goes through the keys of the database again and again."""

    def __init__(
        self, redis: Redis, layout: KeyLayout, table: CounterTable, sweep: CounterSweep
    ) -> None:
        self._redis = redis
        self._layout = layout
        self._table = table
        self._sweep = sweep
        self._cursor = 0
        self._known: dict[bytes, tuple[int, int] | None] = {}
        self._paused_until = 0.0
        self._looked_at = float("-inf")

    def forget(self) -> None:
        """Judge every key anew: tenants, resources or periods have changed."""
        self._known.clear()

    async def find(
        self, at: datetime, interval_s: float, *, calm: bool = False
    ) -> Discovered:
        """Scan on and return what was not known; suspects go to the sweep.

        A user who may not SCAN finds nothing; that is no error.

        Args:
            interval_s: Seconds until the next call; a small share of it is used.
            calm: Everybody tells what they count: every few seconds will do.

        Raises:
            RedisUnreachable: The next call goes on where this one stopped.
        """
        started = time.monotonic()
        if started < self._paused_until:
            return Discovered()
        if calm and started - self._looked_at < _CALM_PAUSE_S:
            return Discovered()
        self._looked_at = started
        found: dict[CounterId, None] = {}
        while True:
            try:
                keys = await self._scan()
            except RedisRefused:
                self._paused_until = started + _REFUSED_PAUSE_S
                return Discovered()
            found.update(dict.fromkeys(self._judge(keys, at)))
            over = time.monotonic() - started > _SHARE * interval_s
            if self._cursor == 0 or over:
                return self._discovered(found)

    async def _scan(self) -> list[bytes]:
        with redis_errors():
            self._cursor, keys = await self._redis.scan(
                self._cursor, match=self._layout.counter_glob(), count=_AT_ONCE
            )
        return cast("list[bytes]", keys)

    def _judge(self, keys: Iterable[bytes], at: datetime) -> list[CounterId]:
        """Return counters of unknown tenants or resources; note suspects."""
        unknown = []
        month = calendar_month(at).label
        for key in keys:
            if key in self._known:
                place = self._known[key]
            else:
                counter = self._layout.parse_counter(key)
                if counter is not None and self._is_read(counter):
                    continue
                if counter is None or not self._is_current(counter, month, at):
                    self._remember(key, None)
                    continue
                place = self._place(counter)
                if place is None:
                    unknown.append(counter)
                    continue
                self._remember(key, place)
            if place is not None and self._table.value(*place) is None:
                row, column = place
                self._sweep.suspect(
                    self._table.tenants[row].id, self._table.resources[column].name
                )
        return unknown

    def _is_read(self, counter: CounterId) -> bool:
        """Tell of a key that need not be looked at closer: its tenant's counter now, or
        an earlier one; only where there are more keys than can be remembered.
        """
        if len(self._known) < _REMEMBERED:
            return False
        place = self._place(counter)
        return place is not None and self._table.value(*place) is not None

    def _remember(self, key: bytes, place: tuple[int, int] | None) -> None:
        if len(self._known) < _REMEMBERED:
            self._known[key] = place

    def _place(self, counter: CounterId) -> tuple[int, int] | None:
        row = self._table.row_of(counter.tenant)
        column = self._table.column_of(counter.resource)
        return None if row is None or column is None else (row, column)

    def _is_current(self, counter: CounterId, month: str, at: datetime) -> bool:
        """Tell whether a counter's period is the present one, `month` or another."""
        column = self._table.column_of(counter.resource)
        kind = _kind(counter)
        if column is not None:
            kind = self._table.resources[column].period
        row = None
        if kind is PeriodKind.BILLING_CYCLE:
            row = self._table.row_of(counter.tenant)
        cycle = None if row is None else self._table.tenants[row].cycle
        if cycle is not None:
            return counter.period == current_period(kind, cycle, at).label
        return counter.period == (ENDLESS.label if kind is PeriodKind.NONE else month)

    def _discovered(self, counters: Iterable[CounterId]) -> Discovered:
        tenants: dict[TenantId, Tenant] = {}
        resources: dict[str, Resource] = {}
        for counter in counters:
            name = counter.resource
            if self._table.column_of(name) is None and name not in resources:
                if len(self._table.resources) + len(resources) >= _MOST_RESOURCES:
                    continue
                resources[name] = _unknown_resource(counter)
            if self._table.row_of(counter.tenant) is None:
                if len(self._table.tenants) + len(tenants) >= _MOST_TENANTS:
                    continue
                tenants[counter.tenant] = unknown_tenant(counter.tenant)
            self._sweep.suspect(counter.tenant, name)
        return Discovered(tuple(tenants.values()), tuple(resources.values()))


def _kind(counter: CounterId) -> PeriodKind:
    """Return how a counter of an unknown resource would be counted."""
    if counter.period == ENDLESS.label:
        return PeriodKind.NONE
    return PeriodKind.CALENDAR_MONTH


def _unknown_resource(counter: CounterId) -> Resource:
    gauge = counter.period == ENDLESS.label
    kind = ResourceKind.GAUGE if gauge else ResourceKind.COUNTER
    return Resource(counter.resource, label=counter.resource, unit="", kind=kind)


def unknown_tenant(tenant: TenantId) -> Tenant:
    """Return what is known of a tenant that only its counters tell of."""
    return Tenant(tenant, name=tenant)
