"""Meter events that `track()` queued, and what a worker makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.model.delivery import (
    IDENTIFIER_MARGIN,
    IDENTIFIER_WINDOW,
    Attempt,
    EventState,
    Verdict,
)
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.usage import ResourceName, TenantId

MOST_DIMENSIONS = 20
"""Dimensions of one event."""


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """An entry of a queue.

    Attributes:
        id: Of the entry: its ms and a number.
        period: Label of the period in which it was counted.
        event: What is sent: the same at every attempt. `customer` is empty where the
            tenant's is not known: it cannot be sent yet, and is given again later.
        units: In the resource's smallest unit.
        queued_at: When it was counted.
        first_sent_at: When it was first given to a worker that could send it, by the
            Redis server's clock: no later than its first request.
        deliveries: How often it was given to a worker, this time included.
        state: QUEUED where no worker has it.
        maybe_sent: Whether a worker could have sent it before.
    """

    id: str
    tenant: TenantId
    resource: ResourceName
    period: str
    event: MeterEvent
    units: int
    scale: int
    queued_at: datetime
    first_sent_at: datetime
    deliveries: int
    state: EventState = EventState.IN_FLIGHT
    maybe_sent: bool = False

    @property
    def send_until(self) -> datetime:
        """From when on a request that was not answered must not be repeated.

        An entry taken later than that is ambiguous, as a request may have been made.
        """
        return self.first_sent_at + IDENTIFIER_WINDOW - IDENTIFIER_MARGIN


@dataclass(frozen=True, slots=True)
class QueuedResult:
    """What became of an entry; with LATER it stays, and is given again by itself.

    Attributes:
        attempt: The last one; None where nothing was sent.
        attempts: Requests that were made since it was taken.
        earlier: Those before `attempt`, for the delivery log.
    """

    queued: QueuedEvent
    verdict: Verdict
    attempt: Attempt | None = None
    attempts: int = 1
    earlier: tuple[Attempt, ...] = ()


@dataclass(slots=True)
class QueueAlarms:
    """What must not happen to queues, and did, since this process began.

    Attributes:
        groups_lost: Consumer groups that were gone, and were made again.
        entries_lost: Entries that somebody removed before they were settled.
        foreign: Entries that `track()` did not write, and that became dead letters.
    """

    groups_lost: int = 0
    entries_lost: int = 0
    foreign: int = 0
