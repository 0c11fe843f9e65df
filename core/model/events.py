"""Meter events as the delivery log shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from meterdeck.core.model.usage import ResourceName, TenantId


class EventOutcome(StrEnum):
    """What became of a meter event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """Stripe had this identifier already: delivered before."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Sent, and the answer was lost."""


class EventSource(StrEnum):
    """Who sent a meter event."""

    TEST = "test"
    """An operator or developer, by `fire`."""
    WORKER = "worker"
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


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A line of the delivery log; `id` is its stream id and orders the log."""

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
