"""What can still be done about a meter event, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from meterdeck.core.model.delivery import (
    CANCEL_WINDOW,
    IDENTIFIER_WINDOW,
    INVOICE_GRACE,
    OLDEST_EVENT,
    EventState,
)


class WindowKind(StrEnum):
    """What a window is for."""

    CANCEL = "cancel"
    """Stripe can be asked not to count it."""
    IDENTIFIER = "identifier"
    """Stripe surely knows its identifier: sent again it counts once."""
    TIMESTAMP = "timestamp"
    """Stripe takes an event of its moment."""
    INVOICE = "invoice"
    """Usage of its period still comes on that period's invoice."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window that closes at a moment: open before it, closed from it on."""

    kind: WindowKind
    closes_at: datetime

    def left(self, now: datetime) -> timedelta:
        """Return how long it is still open; never below zero."""
        return max(self.closes_at - now, timedelta(0))

    def is_open(self, now: datetime) -> bool:
        """Whether it has not closed yet."""
        return now < self.closes_at


_SENT = frozenset(
    {
        EventState.IN_FLIGHT,
        EventState.ACCEPTED,
        EventState.CONFIRMED,
        EventState.AMBIGUOUS,
    }
)
_COUNTED = frozenset({EventState.ACCEPTED, EventState.CONFIRMED})


def windows_of(
    state: EventState,
    *,
    timestamp: datetime,
    first_sent_at: datetime | None = None,
    received_at: datetime | None = None,
    period_end: datetime | None = None,
) -> tuple[Window, ...]:
    """Return the windows that mean something for an event, the first to close first.

    Closed ones too: that one is closed is what an operator has to know.

    Args:
        first_sent_at: No later than its first request.
        received_at: No later than Stripe received it.
        period_end: End of the customer's billing period at Stripe that holds
            `timestamp`; None where there is no subscription, and so no invoice.
    """
    found = [Window(WindowKind.TIMESTAMP, timestamp + OLDEST_EVENT)]
    if received_at is not None and state in _COUNTED:
        found.append(Window(WindowKind.CANCEL, received_at + CANCEL_WINDOW))
    if first_sent_at is not None and state in _SENT:
        found.append(Window(WindowKind.IDENTIFIER, first_sent_at + IDENTIFIER_WINDOW))
    if period_end is not None:
        found.append(Window(WindowKind.INVOICE, period_end + INVOICE_GRACE))
    return tuple(sorted(found, key=lambda window: window.closes_at))


def next_to_close(windows: Sequence[Window], now: datetime) -> Window | None:
    """Return the open window that closes first; None where all are closed."""
    still = [window for window in windows if window.is_open(now)]
    return min(still, key=lambda window: window.closes_at, default=None)
