"""The picture: everything the screens show, owned by the screen's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING

from meterdeck.core.model.context import Context
from meterdeck.core.model.degraded import SpoolSight
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.core.model.fleet_update import Health, OverrideChange, Reach, WatchUpdate
from meterdeck.core.model.ledger import EventFilter
from meterdeck.core.model.standing import Standing
from meterdeck.core.model.usage import ResourceName, Tenant, TenantId
from meterdeck.core.services.fleet import Fleet, FleetChange
from meterdeck.tui.arming import Arming
from meterdeck.tui.latencies import Latencies
from meterdeck.tui.own_role import OwnRole

if TYPE_CHECKING:
    from meterdeck.core.model.alert_sight import AlertSight
    from meterdeck.core.model.health import Sending
    from meterdeck.tui.comparing import Comparing

EVENTS_KEPT = 5000
LETTERS_COUNTED = 1000
"""Letters that are counted; there may be more."""
_CONNECTING = Health(Reach.CONNECTING)


class EventTail:
    """The newest meter events, bounded; counts what was dropped on the way.

    Attributes:
        seen: Events ever taken in; the newest has this number.
        dropped: Lines of the log that came too fast to be shown.
    """

    def __init__(self, kept: int = EVENTS_KEPT) -> None:
        self._events: deque[LoggedEvent] = deque(maxlen=kept)
        self.seen = 0
        self.dropped = 0

    def take(self, update: WatchUpdate) -> bool:
        """Take in an update's events; tell whether there were any."""
        self._events.extend(update.events)
        self.seen += len(update.events)
        self.dropped += update.dropped_events
        return bool(update.events or update.dropped_events)

    def __len__(self) -> int:
        return len(self._events)

    def newest(
        self,
        count: int,
        *,
        tenant: TenantId | None = None,
        text: str = "",
        until: int | None = None,
    ) -> list[LoggedEvent]:
        """Return at most `count` events, newest first.

        Args:
            tenant: Only this tenant's.
            text: Only those that this filter takes, see `event_filter`.
            until: Leave out events newer than this number (see `seen`).
        """
        lines = self.lines(tenant=tenant, text=text, until=until)
        return list(islice(lines, max(count, 0)))

    def lines(
        self,
        *,
        tenant: TenantId | None = None,
        text: str = "",
        until: int | None = None,
    ) -> Iterator[LoggedEvent]:
        """Yield all of them, as `newest`."""
        skipped = 0 if until is None else max(self.seen - until, 0)
        wanted = EventFilter(expression=text)
        return (
            event
            for event in islice(reversed(self._events), skipped, None)
            if (tenant is None or event.tenant == tenant) and wanted.takes_line(event)
        )


class Picture:
    """One context's fleet, events and servers as last seen.

    Attributes:
        arming: Whether changes are allowed now; another context begins unarmed.
        role: Who this console is to Redis, and what it may not.
        stale: Redis does not answer; what is shown is old.
        loaded: The first counters have arrived.
        spool: What waits on this machine's disk; None where it is not known.
        sending: What is not yet at Stripe; None where it is not known.
        letters: Meter events that need somebody; `LETTERS_COUNTED` or more.
        faults: What a sandbox's Stripe does wrong on purpose; None where it is not
            known, and where there is no sandbox.
        alerts: Those that are not over; None before they were looked at.
        standings: What a close look found, of the tenant looked at last.
        override_changes: How often an override came, went or changed.
        requests_served: Whether somebody serves requests for changes; None where that
            is not known.
        began: The time of the first update; None before it.
        comparing: A comparison with Stripe that was started here, running or not.
        latencies: Round trips to both servers, of the last minutes.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.arming = Arming(context)
        self.role = OwnRole()
        self.fleet = Fleet(context)
        self.requests_served: bool | None = None
        self.events = EventTail()
        self.redis = _CONNECTING
        self.stripe = _CONNECTING if context.stripe else Health(Reach.OFF)
        self.counters_at: datetime | None = None
        self.expiries: dict[tuple[TenantId, str], OverrideChange] = {}
        self.spool: SpoolSight | None = None
        self.sending: Sending | None = None
        self.letters = 0
        self.faults: FaultSight | None = None
        self.alerts: AlertSight | None = None
        self.standings: dict[TenantId, tuple[Standing, ...]] = {}
        self.latencies = Latencies()
        self.comparing: Comparing | None = None
        self.updates = 0
        self.override_changes = 0
        self.began: datetime | None = None
        self._at: datetime | None = None
        self._received = monotonic()

    def apply(self, update: WatchUpdate) -> FleetChange:
        """Take in an update and return what it changed in the fleet."""
        self.redis, self.stripe = update.redis, update.stripe
        self.counters_at = update.counters_at or self.counters_at
        self.spool = update.spool
        self.sending = update.sending
        self._at, self._received = update.at, monotonic()
        self.began = self.began or update.at
        self.updates += 1
        self.latencies.take(self.redis.latency_ms, self.stripe.latency_ms)
        self.events.take(update)
        self.override_changes += len(update.overrides)
        for change in update.overrides:
            key = (change.tenant, change.resource)
            if change.limit is None:
                self.expiries.pop(key, None)
            else:
                self.expiries[key] = change
        return self.fleet.apply(update)

    def look(self, tenant: TenantId, found: tuple[Standing, ...]) -> None:
        """Keep what a close look at one tenant found; only the last one's."""
        self.standings = {tenant: found}

    def standing(self, row: int, column: int) -> Standing:
        """Return how a tenant stands: the last close look, with the newest numbers."""
        usage = self.fleet.usage(row, column)
        rule = self.fleet.rule(row, column)
        for found in self.standings.get(usage.tenant, ()):
            seen = found.usage
            if (seen.resource, seen.period) == (usage.resource, usage.period):
                usage = replace(usage, reserved=seen.reserved)
                return Standing(usage, rule, found.beyond)
        return Standing(usage, rule)

    def who(self, tenant: TenantId) -> Tenant:
        """Return a tenant; of one that has gone, nothing but its name."""
        row = self.fleet.row_of(tenant)
        return Tenant(tenant, tenant) if row is None else self.fleet.tenant(row)

    def label(self, resource: ResourceName) -> str:
        """Return what a resource is called; of one that has gone, its name."""
        column = self.fleet.column_of(resource)
        return resource if column < 0 else self.fleet.resources[column].label

    @property
    def stale(self) -> bool:
        return self.redis.reach is Reach.DOWN

    @property
    def loaded(self) -> bool:
        return self.counters_at is not None

    def now(self) -> datetime:
        """Return the Redis server's clock, or this host's before its first answer."""
        if self._at is None:
            return datetime.now(UTC)
        return self._at + timedelta(seconds=monotonic() - self._received)
