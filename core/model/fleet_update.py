"""What watching yields: the difference between the last picture and this one."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from meterdeck.core.model.degraded import SpoolSight
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import Broken, Limit, Resource, Tenant, TenantId

if TYPE_CHECKING:
    from meterdeck.core.model.health import Sending

NO_COUNTER: Final = -(2**63)
"""In an array of values: there is no counter (yet); no counter can hold this."""


class Reach(StrEnum):
    """Whether a server answers."""

    CONNECTING = "connecting"
    OK = "ok"
    DOWN = "down"
    OFF = "off"
    """Not configured in this context."""


@dataclass(frozen=True, slots=True)
class Health:
    """One server as last seen.

    Attributes:
        latency_ms: Round trip of the last answer, None before the first.
        last_ok: When it last answered, None if never.
        message: One sentence when it is down, empty otherwise.
    """

    reach: Reach
    latency_ms: float | None = None
    last_ok: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class CounterBatch:
    """Counters of one resource that changed, column by column (equal lengths).

    Attributes:
        used: Values, `NO_COUNTER` where there is no counter (any more); the entries
            named in `broken` mean nothing.
        broken: Index in this batch → what the key holds.
    """

    resource: Resource
    tenants: Sequence[TenantId]
    used: array[int]
    broken: Mapping[int, Broken] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OverrideChange:
    """The override of a tenant's resource now: None when there is none any more."""

    tenant: TenantId
    resource: str
    limit: Limit | None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WatchUpdate:
    """Everything that changed since the update before.

    Attributes:
        at: The Redis server's clock, or this host's while Redis is away.
        counters_at: When the counters were last read whole; None before that.
        tenants: Directory entries that are new or changed.
        removed: Tenants that are gone.
        month: The calendar month, in the first update and whenever it changes;
            every counter of calendar months then starts anew without a counter.
        events: New lines of the delivery log, oldest first.
        dropped_events: Lines of the log that came too fast to be shown.
        swept: Share of the fleet read since the start of this sweep, 0 to 1.
        spool: What waits on this machine's disk; None where it is not known.
        sending: What is not yet at Stripe; None where it is not known.
    """

    at: datetime
    redis: Health
    stripe: Health
    counters_at: datetime | None = None
    tenants: tuple[Tenant, ...] = ()
    removed: tuple[TenantId, ...] = ()
    counters: tuple[CounterBatch, ...] = ()
    overrides: tuple[OverrideChange, ...] = ()
    month: Period | None = None
    events: tuple[LoggedEvent, ...] = ()
    dropped_events: int = 0
    swept: float = 1.0
    spool: SpoolSight | None = None
    sending: Sending | None = None
