"""One look at everything in Redis: what changed, what is on the screen, the rest."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime

from meterdeck.core.adapters.bulk_reader import BulkReader
from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.change_feed import ChangeFeed, Pulse
from meterdeck.core.services.counter_sweep import SMALL, CounterSweep
from meterdeck.core.services.counter_table import CounterTable
from meterdeck.core.services.event_tail import EventTail
from meterdeck.core.services.key_discovery import KeyDiscovery, unknown_tenant
from meterdeck.core.services.override_watch import OverrideWatch
from meterdeck.core.services.sweep_need import SweepNeed
from meterdeck.core.services.watch_report import WatchReport

_FIRST_SHARE = 0.5  # of a core, until every counter has been read once
_MOST_PAGES = 10
_LONGEST_INTERVAL_S = 5.0

Flush = Callable[[], Awaitable[None]]


class WatchRound:
    """Keeps the table like Redis and tells the report what changed."""

    def __init__(
        self,
        redis: Redis,
        context: Context,
        tail: EventTail,
        report: WatchReport,
        table: CounterTable,
    ) -> None:
        layout = context.redis.layout
        self._need = SweepNeed(context.sweep_share, indexed=not layout.tagged)
        self._poll_s = context.poll_s
        self._report = report
        self._table = table
        self._tail = tail
        self._feed = ChangeFeed(redis, layout)
        self._sweep = CounterSweep(table, layout, BulkReader(redis))
        self._discovery = KeyDiscovery(redis, layout, table, self._sweep)
        self._overrides = OverrideWatch(redis, context)
        self._month = ""
        self._last = 0.0
        self._left_s = 0.0
        self._glanced: set[int] = set()

    # -- tenants ---------------------------------------------------------------

    def put_tenants(self, tenants: Iterable[Tenant]) -> None:
        """Take in what the directory says; what is as before is not reported."""
        rows = []
        for tenant in tenants:
            row = self._table.row_of(tenant.id)
            if row is None or self._table.tenants[row] != tenant:
                rows.append(self._table.put(tenant))
                self._report.add_tenant(tenant)
        if rows:
            self._sweep.rows_changed(rows)
            self._discovery.forget()

    def remove_tenants(self, tenants: Iterable[TenantId]) -> bool:
        """Take tenants out; one that still has counters stays, as unknown.

        Returns whether something has to be sent before the same tenant comes back.
        """
        removed = False
        for tenant in tenants:
            row = self._table.row_of(tenant)
            if row is None:
                continue
            if self._table.has_counters(row):
                self.put_tenants([unknown_tenant(tenant)])
                continue
            self._table.remove(tenant)
            self._report.add_removed(tenant)
            self._sweep.rows_changed((row, len(self._table.tenants)))
            self._discovery.forget()
            removed = True
        return removed

    # -- looking ---------------------------------------------------------------

    def reconnected(self) -> None:
        """Trust nothing that only changes tell: it may be another database."""
        self._overrides.forget_time()
        self._need.restart()

    async def glance(self, focus: Sequence[TenantId], flush: Flush) -> None:
        """Read what has newly come to be in focus, and nothing else.

        Raises:
            RedisUnreachable, RedisRefused: As `run`.
        """
        new = self._rows(focus) - self._glanced
        if not new:
            return
        if not self._month:
            await self._look()
        await self._sweep.read_rows(sorted(new), self._report.clock.now())
        self._glanced |= new
        await flush()

    async def run(self, focus: Sequence[TenantId], flush: Flush) -> None:
        """Look once; `flush` is called whenever a part is worth showing.

        Raises:
            RedisUnreachable, RedisRefused: What was read until then is kept.
        """
        self._glanced.clear()
        interval_s = self._interval()
        pulse, changed = await self._look()
        rows = self._rows([*focus, *changed])
        known = len(self._table.tenants)
        await self._discover(pulse.at, interval_s)
        rows |= set(range(known, len(self._table.tenants)))
        small = self._sweep.counters <= SMALL
        if small:
            await self._sweep_whole(pulse.at)
        else:
            await self._sweep.read_ended(pulse.at)
            await self._sweep.read_rows(sorted(rows), pulse.at)
        await self._sweep.read_suspects(pulse.at)
        await self._look_at_overrides(changed, pulse.at)
        self._report.add_lines(await self._tail.look(pulse))
        self._report.redis_answered(pulse.at, pulse.latency_ms)
        await flush()
        if not small:
            await self._sweep_share(interval_s, flush)

    async def _look_at_overrides(
        self, changed: Sequence[TenantId], at: datetime
    ) -> None:
        changes = await self._overrides.look(changed, at)
        granted = {c.tenant for c in changes if c.limit is not None}
        new = [name for name in granted if self._table.row_of(name) is None]
        self.put_tenants(map(unknown_tenant, new))
        self._report.add_overrides(changes)

    async def _look(self) -> tuple[Pulse, list[TenantId]]:
        pulse = await self._feed.look()
        changed = dict.fromkeys(pulse.changed)
        self._start(pulse)
        for _ in range(_MOST_PAGES):
            if not pulse.more:
                break
            pulse = await self._feed.look()
            changed.update(dict.fromkeys(pulse.changed))
        new = [name for name in changed if self._table.row_of(name) is None]
        self.put_tenants(map(unknown_tenant, new))
        self._need.told(changed, whole=not pulse.more)
        return pulse, list(changed)

    def _start(self, pulse: Pulse) -> None:
        self._report.clock.set(pulse.at)
        if pulse.restarted:
            self.reconnected()
        month = calendar_month(pulse.at)
        if month.label == self._month:
            return
        if self._month:
            self._table.start_month()
            self._sweep.start_month()
            self._need.restart()
            self._discovery.forget()
        self._month = month.label
        self._report.start_month(month)

    async def _discover(self, at: datetime, interval_s: float) -> None:
        found = await self._discovery.find(at, interval_s, calm=self._need.calm)
        for resource in found.resources:
            self._table.add_resource(resource)
        if found.resources:
            self._sweep.resources_changed()
            self._discovery.forget()
        self.put_tenants(found.tenants)

    def _rows(self, tenants: Iterable[TenantId]) -> set[int]:
        rows = (self._table.row_of(tenant) for tenant in tenants)
        return {row for row in rows if row is not None}

    # -- sweeping --------------------------------------------------------------

    async def _sweep_whole(self, at: datetime) -> None:
        while not await self._sweep.read_some(at):
            pass
        self._sweep.found.clear()
        self._report.counters_at, self._report.swept = at, 1.0

    async def _sweep_share(self, interval_s: float, flush: Flush) -> None:
        # A step may cost more than there is left: the debt is paid by later rounds.
        share = self._need.share
        first = self._report.counters_at is None
        if first:
            share = max(share, _FIRST_SHARE)
        self._left_s = min(self._left_s, 0.0) + share * interval_s
        started = time.monotonic()
        while self._left_s > 0 and time.monotonic() - started < self._poll_s / 2:
            before = time.thread_time()
            at = self._report.clock.now()
            through = await self._sweep.read_some(at)
            self._report.swept = 1.0 if through else self._sweep.swept
            if through:
                self._report.counters_at = at
                self._need.through()
            if not first:  # the first time everything is new
                self._need.found(self._sweep.found)
            self._sweep.found.clear()
            await flush()
            self._left_s -= time.thread_time() - before
            if through:
                self._left_s = min(self._left_s, 0.0)

    def _interval(self) -> float:
        now = time.monotonic()
        interval_s = min(now - self._last, _LONGEST_INTERVAL_S)
        self._last = now
        return interval_s
