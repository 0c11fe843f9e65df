"""The life of a meter event: its states, and the attempts to send it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventState(StrEnum):
    """The life of a meter event."""

    QUEUED = "queued"
    """Given to `track()`; no worker has taken it yet."""
    IN_FLIGHT = "in_flight"
    """Claimed, and not settled: on its way, or to be sent again."""
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    """Accepted, and in a summary of Stripe's that agreed."""
    REFUSED = "refused"
    """Accepted, and later reported by Stripe as not counted."""
    DEAD = "dead"
    """Never accepted: it will not be sent again as it is."""
    CANCELLED = "cancelled"
    AMBIGUOUS = "ambiguous"
    """Sent, never answered, and too long ago to be sent again."""


class Answer(StrEnum):
    """What one attempt to send an event came to."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """Stripe has exactly this identifier: delivered before."""
    BUSY = "busy"
    """Surely not counted, and may be later: 429, a lock, no connection."""
    REFUSED = "refused"
    """Surely not counted, now or ever."""
    UNKNOWN = "unknown"
    """Sent, and no answer: counted or not."""
    STOPPED = "stopped"
    """Stripe takes nothing from this key (401, 403): nothing more is sent."""

    @property
    def delivered(self) -> bool:
        """Whether Stripe has the event."""
        return self in (Answer.ACCEPTED, Answer.DUPLICATE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request for an event, and its answer.

    Attributes:
        at: When it was sent.
        message: Stripe's text, or ours when there was no answer; empty if accepted.
        code: Stripe's error code; ours (`check_…`) where a check before sending failed.
        idempotency_key: The key of the request; `<identifier>.<8 hex digits>` of an
            event sent by itself. Stripe's late error reports name it.
        latency_ms: From sending to the answer, in milliseconds.
        retry_after_s: Seconds Stripe asks to wait, None where it does not say.
    """

    answer: Answer
    at: datetime
    message: str = ""
    code: str = ""
    status: int = 0
    request_id: str = ""
    idempotency_key: str = ""
    latency_ms: int = 0
    retry_after_s: float | None = None
