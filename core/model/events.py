"""Meter events as the delivery log shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from meterdeck.core.model.event_life import Attempt, EventState
from meterdeck.core.model.usage import ResourceName, TenantId


class EventOutcome(StrEnum):
    """What became of a meter event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """Stripe had this identifier already: delivered before."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Sent, and the answer was lost."""
    BUSY = "busy"
    """Surely not counted; it is sent again later."""
    STOPPED = "stopped"
    """Stripe takes nothing from this key; it is sent again when it does."""


class EventSource(StrEnum):
    """Who sent a meter event."""

    TEST = "test"
    """An operator or developer, by `fire`."""
    WORKER = "worker"
    """A worker, of what a counter holds."""
    QUEUE = "queue"
    """A worker, of an event that was given to `track()`."""
    APPLICATION = "application"
    """The application itself, seen by the sandbox."""


@dataclass(frozen=True, slots=True)
class MeterEvent:
    """A meter event to send: `value` is the exact decimal string.

    Attributes:
        dimensions: More of the payload, as pairs in the order of their names.
    """

    event_name: str
    identifier: str
    customer: str
    value: str
    timestamp: datetime
    dimensions: tuple[tuple[str, str], ...] = ()


STATE_OF = {
    EventOutcome.ACCEPTED: EventState.ACCEPTED,
    EventOutcome.DUPLICATE: EventState.ACCEPTED,
    EventOutcome.REFUSED: EventState.DEAD,
    EventOutcome.UNKNOWN: EventState.AMBIGUOUS,
    EventOutcome.BUSY: EventState.IN_FLIGHT,
    EventOutcome.STOPPED: EventState.IN_FLIGHT,
}
"""What an answer makes of an event that nobody settles."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A line of the delivery log; `id` is its stream id and orders the log.

    Attributes:
        at: When the line was written.
        state: What the event became; None: what `outcome` says.
        period: Label of the counter's period; empty where it is not known.
        units: What it bills, in the resource's smallest unit; None: not known.
        attempts: Requests that were made for it since the line before.
        first_sent_at: No later than its first request; None: not known.
        sent_at: When the last request was sent; None where none was.
        earlier: The requests before the last one, oldest first.
    """

    id: str
    at: datetime
    source: EventSource
    outcome: EventOutcome
    tenant: TenantId
    resource: ResourceName
    event: MeterEvent
    message: str = ""
    request_id: str = ""
    latency_ms: int = 0
    state: EventState | None = None
    period: str = ""
    units: int | None = None
    scale: int = 0
    attempts: int = 1
    code: str = ""
    status: int = 0
    idempotency_key: str = ""
    first_sent_at: datetime | None = None
    sent_at: datetime | None = None
    earlier: tuple[Attempt, ...] = ()

    @property
    def life(self) -> EventState:
        """What the event became with this line."""
        return self.state or STATE_OF[self.outcome]

    @property
    def sequence(self) -> int:
        """Its number among the events of its counter, 0 where it has none."""
        return sequence_of(self.event.identifier)


def sequence_of(identifier: str) -> int:
    """Return the number of an event among those of its counter.

    Meterdeck's identifiers of counters end with it, after a `-`; 0 for any other.
    """
    head, _, number = identifier.rpartition("-")
    ours = head.startswith("md1-") and number.isascii() and number.isdecimal()
    return int(number[:18]) if ours else 0
