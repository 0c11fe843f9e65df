"""What becomes of an event after it was sent, or could not be."""

from __future__ import annotations

import random
from datetime import datetime

from meterdeck.core.model.delivery import (
    IDENTIFIER_MARGIN,
    IDENTIFIER_WINDOW,
    Answer,
    Attempt,
    Delivery,
    Verdict,
)

STOPPED_PAUSE_S = 30.0
_SHORTEST_S = 2.0
_LONGEST_ASKED_S = 3600.0  # more is no answer of Stripe's


def send_until(first_sent_at: datetime) -> datetime:
    """Return from when on an event must not be sent again.

    Stripe knows its identifier for at least a day; a repeat after that counts twice.
    """
    return first_sent_at + IDENTIFIER_WINDOW - IDENTIFIER_MARGIN


def verdict_of(delivery: Delivery, *, maybe_sent: bool) -> Verdict:
    """Return how an event is settled by what the attempts came to.

    A request whose answer was lost may have been counted, whatever is answered to a
    later one: then a refusal leaves it open.

    Args:
        maybe_sent: Whether one was lost before these attempts.
    """
    answer = delivery.last.answer
    if answer.delivered:
        return Verdict.DELIVERED
    if answer is Answer.REFUSED:
        lost = maybe_sent or delivery.doubtful
        return Verdict.AMBIGUOUS if lost else Verdict.DEAD
    return Verdict.LATER


def pause_s(last: Attempt) -> float:
    """Return how long an event that is to be sent later waits, in seconds."""
    if last.answer is Answer.STOPPED:
        return STOPPED_PAUSE_S
    asked = last.retry_after_s or 0.0
    spread = random.uniform(_SHORTEST_S, 2 * _SHORTEST_S)  # noqa: S311  # jitter
    return min(asked, _LONGEST_ASKED_S) + spread
