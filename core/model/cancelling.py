"""Cancelling an event that Stripe has accepted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CancelOutcome(StrEnum):
    """What became of asking Stripe to cancel an event."""

    DONE = "done"
    ALREADY = "already"
    """It was cancelled before."""
    REFUSED = "refused"
    """It stays counted: unknown to Stripe, or received over 24 hours ago."""
    UNKNOWN = "unknown"
    """Asked, and no answer: ask again, which does it at most once."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What became of asking Stripe to cancel an event, in Stripe's words."""

    outcome: CancelOutcome
    message: str = ""
    request_id: str = ""
