"""What cannot be done about a meter event is refused, with what can be done instead."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.event_changes import EventChange, problem_with
from meterdeck.core.model.events import (
    EventOutcome,
    EventSource,
    LoggedEvent,
    MeterEvent,
)
from meterdeck.core.model.ledger import LedgerEvent
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.model.windows import Window, WindowKind

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TRACKED = LedgerEvent(
    LoggedEvent(
        "1-0",
        NOW,
        EventSource.QUEUE,
        EventOutcome.ACCEPTED,
        TenantId("acme"),
        ResourceName("renders"),
        MeterEvent("renders", "render-7", "cus_1", "12", NOW),
        units=12,
    ),
    EventState.ACCEPTED,
    NOW,
)
CREDIT = "give its customer a credit in Stripe instead"
LATE = f"cannot be cancelled: Stripe's 24 hours were over 3 h 0 m ago; {CREDIT}"
NO_COUNTER = "came from track(), and no counter can be billed less for it"


@pytest.mark.parametrize(
    ("change", "hours", "why"),
    [
        (EventChange.CANCEL, 21, ""),
        (EventChange.CANCEL, 27, LATE),
        (EventChange.COMPENSATE, 21, f"{NO_COUNTER}; cancel it"),
        (EventChange.COMPENSATE, 27, f"{NO_COUNTER}; {CREDIT}"),
    ],
)
def test_a_tracked_event_is_taken_back_by_cancelling_and_later_by_a_credit(
    change: EventChange, hours: int, why: str
) -> None:
    """Neither sends anybody to the other in vain, nor to a negative amount."""
    closes_at = NOW + timedelta(hours=24 - hours)
    windows = (Window(WindowKind.CANCEL, closes_at),)

    assert problem_with(change, TRACKED, windows, NOW) == (why and f"render-7 {why}")


def test_a_tracked_event_that_was_cancelled_is_tracked_again() -> None:
    """It has no counter that could be adjusted."""
    cancelled = replace(TRACKED, state=EventState.CANCELLED)

    assert problem_with(EventChange.REPLAY, cancelled, (), NOW) == (
        "render-7 was cancelled; to bill its units track its amount again"
    )
