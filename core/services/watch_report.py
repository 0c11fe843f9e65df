"""What the next update will say: collected piece by piece, handed out in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from meterdeck.core.model.degraded import SpoolSight
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.fleet_update import (
    Health,
    OverrideChange,
    Reach,
    WatchUpdate,
)
from meterdeck.core.model.health import Sending
from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.counter_table import CounterTable
from meterdeck.core.services.event_tail import MOST_LINES, NewLines

TENANTS_AT_ONCE = 2_000
COUNTERS_AT_ONCE = 10_000


class ServerClock:
    """The Redis server's clock, carried on by this host's while Redis is away."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._read = 0.0

    def set(self, at: datetime) -> None:
        """Note what the server's clock says now."""
        self._at, self._read = at, time.monotonic()

    def now(self) -> datetime:
        """Return the server's time, this host's before the server ever answered."""
        if self._at is None:
            return datetime.now(UTC)
        return self._at + timedelta(seconds=time.monotonic() - self._read)


class WatchReport:
    """Small enough updates, in an order in which each can be understood.

    A tenant is reported before its counters, and no update is so large that a
    screen would stand still over it.
    """

    def __init__(self, table: CounterTable) -> None:
        self._table = table
        self.clock = ServerClock()
        self.redis = Health(Reach.CONNECTING)
        self.stripe = Health(Reach.OFF)
        self.counters_at: datetime | None = None
        self.swept = 0.0
        self.spool: SpoolSight | None = None
        self.sending: Sending | None = None
        self._month: Period | None = None
        self._tenants: dict[TenantId, Tenant] = {}
        self._removed: dict[TenantId, None] = {}
        self._overrides: dict[tuple[TenantId, str], OverrideChange] = {}
        self._events: deque[LoggedEvent] = deque()
        self._dropped = 0

    # -- collecting ------------------------------------------------------------

    def add_tenant(self, tenant: Tenant) -> None:
        """Report a new or changed tenant."""
        self._tenants[tenant.id] = tenant

    def add_removed(self, tenant: TenantId) -> None:
        """Report a tenant that is gone; send it before the same one comes back."""
        self._tenants.pop(tenant, None)
        self._removed[tenant] = None

    def add_overrides(self, changes: Iterable[OverrideChange]) -> None:
        """Report overrides; the last change of each counts."""
        self._overrides.update(((c.tenant, c.resource), c) for c in changes)

    def add_lines(self, lines: NewLines) -> None:
        """Report lines of the log; all but the newest are only counted."""
        self._dropped += lines.dropped
        self._events.extend(lines.events)
        while len(self._events) > MOST_LINES:
            self._events.popleft()
            self._dropped += 1

    def start_month(self, month: Period) -> None:
        """Report that another month has begun."""
        self._month = month

    def redis_answered(self, at: datetime, latency_ms: float) -> None:
        """Note that Redis answers; `at` is its clock."""
        self.redis = Health(Reach.OK, latency_ms, at)

    def redis_failed(self, message: str) -> None:
        """Note that Redis does not answer."""
        self.redis = replace(self.redis, reach=Reach.DOWN, message=message)

    def stripe_answered(self, latency_ms: float | None) -> None:
        """Note that Stripe answers."""
        self.stripe = Health(Reach.OK, latency_ms, self.clock.now())

    def stripe_failed(self, message: str) -> None:
        """Note that Stripe does not answer."""
        self.stripe = replace(self.stripe, reach=Reach.DOWN, message=message)

    # -- handing out -----------------------------------------------------------

    def more(self) -> bool:
        """Tell whether there is news that one update could not hold."""
        return bool(self._tenants) or self._table.to_take()

    def update(self) -> WatchUpdate:
        """Return the next update and forget what is in it."""
        tenants = self._some_tenants()
        batches = () if self._tenants else self._table.take(COUNTERS_AT_ONCE)
        update = WatchUpdate(
            at=self.clock.now(),
            redis=self.redis,
            stripe=self.stripe,
            counters_at=self.counters_at,
            tenants=tenants,
            removed=tuple(self._removed),
            counters=batches,
            overrides=tuple(self._overrides.values()),
            month=self._month,
            events=tuple(self._events),
            dropped_events=self._dropped,
            swept=self.swept,
            spool=self.spool,
            sending=self.sending,
        )
        self._month, self._dropped = None, 0
        self._removed.clear()
        self._overrides.clear()
        self._events.clear()
        return update

    def _some_tenants(self) -> tuple[Tenant, ...]:
        if len(self._tenants) <= TENANTS_AT_ONCE:
            some = tuple(self._tenants.values())
            self._tenants.clear()
            return some
        names = list(self._tenants)[:TENANTS_AT_ONCE]
        return tuple(self._tenants.pop(name) for name in names)
