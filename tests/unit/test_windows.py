"""The windows of a meter event, around the second in which each closes."""

from datetime import UTC, datetime, timedelta

import pytest

from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.windows import (
    Window,
    WindowKind,
    next_to_close,
    windows_of,
)

AT = datetime(2026, 11, 25, 10, 0, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def windows(state: EventState = EventState.ACCEPTED) -> dict[WindowKind, Window]:
    """Return the windows of an event of AT, sent 1 minute and received 2 after it."""
    found = windows_of(
        state,
        timestamp=AT,
        first_sent_at=AT + timedelta(minutes=1),
        received_at=AT + timedelta(minutes=2),
        period_end=datetime(2026, 12, 1, tzinfo=UTC),
    )
    return {window.kind: window for window in found}


@pytest.mark.parametrize(
    ("kind", "closes_at"),
    [
        (WindowKind.CANCEL, datetime(2026, 11, 26, 10, 2, 30, tzinfo=UTC)),
        (WindowKind.IDENTIFIER, datetime(2026, 11, 26, 10, 1, 30, tzinfo=UTC)),
        (WindowKind.TIMESTAMP, datetime(2026, 12, 30, 10, 0, 30, tzinfo=UTC)),
        (WindowKind.INVOICE, datetime(2026, 12, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_window_is_open_until_its_second(
    kind: WindowKind, closes_at: datetime
) -> None:
    """Open a second before, closed in its second and a second after."""
    window = windows()[kind]

    assert window.closes_at == closes_at
    assert window.is_open(closes_at - SECOND)
    assert window.left(closes_at - SECOND) == SECOND
    assert not window.is_open(closes_at)
    assert not window.is_open(closes_at + SECOND)
    assert window.left(closes_at + SECOND) == timedelta(0)


def test_the_next_to_close_is_the_first_that_is_open() -> None:
    """They are in the order of their ends; with all of them closed there is none."""
    ordered = tuple(windows().values())
    kinds = [window.kind for window in ordered]

    assert kinds == ["identifier", "cancel", "invoice", "timestamp"]
    for window, after in zip(ordered, (*ordered[1:], None), strict=True):
        assert next_to_close(ordered, window.closes_at - SECOND) == window
        assert next_to_close(ordered, window.closes_at) == after


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (EventState.QUEUED, "invoice timestamp"),
        (EventState.IN_FLIGHT, "identifier invoice timestamp"),
        (EventState.ACCEPTED, "identifier cancel invoice timestamp"),
        (EventState.CONFIRMED, "identifier cancel invoice timestamp"),
        (EventState.REFUSED, "invoice timestamp"),
        (EventState.DEAD, "invoice timestamp"),
        (EventState.AMBIGUOUS, "identifier invoice timestamp"),
        (EventState.CANCELLED, "invoice timestamp"),
    ],
)
def test_a_state_has_the_windows_that_mean_something(
    state: EventState, kinds: str
) -> None:
    """Nothing is cancelled that Stripe does not count; without a period no invoice."""
    assert list(windows(state)) == kinds.split()
    assert [each.kind for each in windows_of(state, timestamp=AT)] == ["timestamp"]
