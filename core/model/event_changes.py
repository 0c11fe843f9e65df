"""What an operator can do about a meter event, and when it cannot be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from meterdeck.core.model.delivery import EventState, Letter, LetterSource
from meterdeck.core.model.events import EventSource
from meterdeck.core.model.ledger import LedgerEvent
from meterdeck.core.model.text import visible
from meterdeck.core.model.windows import Window, WindowKind


class EventChange(StrEnum):
    """Something to do about an event."""

    REPLAY = "replay"
    """Send the units of a letter again."""
    CANCEL = "cancel"
    """Have Stripe not count it; its units are not billed."""
    REBILL = "rebill"
    """Have Stripe not count it, and send its units again."""
    COMPENSATE = "compensate"
    """Take its units off what is billed: a negative event goes out."""
    COUNTED = "counted"
    """Stripe has counted it, somebody has seen."""
    NOT_COUNTED = "not_counted"
    """Stripe has not counted it, somebody has seen: its units go out again."""


@dataclass(frozen=True, slots=True)
class EventPlan:
    """What a change would do to an event now.

    Attributes:
        problem: Why it cannot be done, one sentence; "" where it can.
    """

    change: EventChange
    event: LedgerEvent
    windows: tuple[Window, ...]
    now: datetime
    problem: str = ""


@dataclass(frozen=True, slots=True)
class EventChanged:
    """What was done to an event; `replayed`: by the same operation id, before."""

    plan: EventPlan
    audit_id: str
    replayed: bool


FOREIGN_ENTRY = "check_queue_entry"
"""Code of a letter that something else than `track()` had put into the queue."""
CANCELS = frozenset({EventChange.CANCEL, EventChange.REBILL})
RESOLVES = frozenset({EventChange.COUNTED, EventChange.NOT_COUNTED})
_COUNTED = frozenset({EventState.ACCEPTED, EventState.CONFIRMED})
_GOING = frozenset({EventState.QUEUED, EventState.IN_FLIGHT})
_OURS = frozenset({EventSource.WORKER, EventSource.QUEUE})


def problem_with(
    change: EventChange, event: LedgerEvent, windows: Sequence[Window], now: datetime
) -> str:
    """Return why a change of an event cannot be made: one sentence, or ""."""
    why = _problem(change, event, windows, now)
    return f"{visible(event.line.event.identifier, 100)} {why}" if why else ""


def _problem(
    change: EventChange, event: LedgerEvent, windows: Sequence[Window], now: datetime
) -> str:
    if event.state in _GOING:
        return f"is {STATE_WORDS[event.state]}; wait until it is settled"
    if change is EventChange.REPLAY:
        return _not_replayed(event, windows, now)
    if change in RESOLVES:
        return _not_resolved(event)
    return _not_taken_back(change, event, windows, now)


def _not_taken_back(
    change: EventChange, event: LedgerEvent, windows: Sequence[Window], now: datetime
) -> str:
    if event.state not in _COUNTED:
        return f"{_NOT_COUNTED[event.state]}; there is nothing to take back"
    if begun_cancel(event):
        return _while_cancelling(change, event)
    if event.line.source is EventSource.TEST:
        return _test_not_taken_back(change, windows, now)
    return _use_not_taken_back(change, event, windows, now)


def _use_not_taken_back(
    change: EventChange, event: LedgerEvent, windows: Sequence[Window], now: datetime
) -> str:
    if event.line.source not in _OURS or event.line.units is None:
        return (
            "was not sent by a worker, so no counter is billed by it;"
            " cancel it in Stripe's dashboard"
        )
    if change is EventChange.COMPENSATE:
        return _not_compensated(event, windows, now)
    if change is EventChange.REBILL and event.line.source is EventSource.QUEUE:
        return "came from track(); cancel it, and track its amount again"
    return _not_cancelled(event, windows, now)


def _not_replayed(event: LedgerEvent, windows: Sequence[Window], now: datetime) -> str:
    if event.state in _COUNTED:
        return "was accepted by Stripe; sent again it would count twice"
    if event.state is EventState.CANCELLED:
        if event.line.source is EventSource.QUEUE:
            return "was cancelled; to bill its units track its amount again"
        return "was cancelled; to bill its units adjust the counter with the bill"
    letter = event.letter
    if letter is None:
        return (
            "does not wait any more: it was replayed or resolved before, or was a test"
        )
    if event.state is EventState.AMBIGUOUS:
        return (
            "may have been counted; look at Stripe's summary, then say which:"
            " meterdeck resolve … --counted or --not-counted"
        )
    return _not_queued_again(letter, windows, now)


def _not_queued_again(letter: Letter, windows: Sequence[Window], now: datetime) -> str:
    """Say why an event that came from `track()` cannot be queued once more."""
    if letter.source is not LetterSource.QUEUE:
        return ""
    if letter.code == FOREIGN_ENTRY:
        return "was not written by track(), and cannot be sent"
    return _too_old(windows, now)


def _too_old(windows: Sequence[Window], now: datetime) -> str:
    for window in windows:
        if window.kind is WindowKind.TIMESTAMP and not window.is_open(now):
            return (
                f"is of a moment that Stripe has not taken for {ago(now, window)};"
                " track its amount again at the present time"
            )
    return ""


def _not_resolved(event: LedgerEvent) -> str:
    if event.state is EventState.AMBIGUOUS and event.letter:
        return ""
    if event.state is EventState.AMBIGUOUS:
        return "does not wait any more: it was resolved before, or was a test"
    return f"is {STATE_WORDS[event.state]}; only an ambiguous event is resolved"


def _test_not_taken_back(
    change: EventChange, windows: Sequence[Window], now: datetime
) -> str:
    """Say why a test event stays counted: it bills no counter that makes up for it."""
    if change is not EventChange.CANCEL:
        return "was a test event, which can only be cancelled, and not billed again"
    closed = _closed_cancel(windows, now)
    return f"cannot be cancelled: {closed}" if closed else ""


def _while_cancelling(change: EventChange, event: LedgerEvent) -> str:
    """Say how it has to be ended first: as it was begun, and that at any time."""
    begun = begun_cancel(event)
    if change is begun:
        return ""
    how = " --rebill" if begun is EventChange.REBILL else ""
    return f"is {doing_words(event)}; end that first: meterdeck cancel …{how}"


def _not_compensated(
    event: LedgerEvent, windows: Sequence[Window], now: datetime
) -> str:
    if event.line.source is not EventSource.QUEUE:
        return ""
    way = instead(LetterSource.QUEUE) if _closed_cancel(windows, now) else "cancel it"
    return f"came from track(), and no counter can be billed less for it; {way}"


def _not_cancelled(event: LedgerEvent, windows: Sequence[Window], now: datetime) -> str:
    queued = event.line.source is EventSource.QUEUE
    way = instead(LetterSource.QUEUE if queued else LetterSource.COUNTER)
    closed = _closed_cancel(windows, now)
    return f"cannot be cancelled: {closed}; {way}" if closed else ""


def instead(source: LetterSource) -> str:
    """Say what takes an event off the bill that Stripe does not cancel."""
    if source is LetterSource.QUEUE:  # track() takes no negative amount
        return "give its customer a credit in Stripe instead"
    return "compensate it instead"


def _closed_cancel(windows: Sequence[Window], now: datetime) -> str:
    for window in windows:
        if window.kind is WindowKind.CANCEL and not window.is_open(now):
            return f"Stripe's 24 hours were over {ago(now, window)} ago"
    return ""


def begun_cancel(event: LedgerEvent) -> EventChange | None:
    """Return which cancellation of an event was begun and not ended; None: none."""
    if event.letter is None or not event.letter.is_cancelling:
        return None
    return EventChange.REBILL if event.letter.rebill else EventChange.CANCEL


def doing_words(event: LedgerEvent) -> str:
    """Return what is being done about an event beside its state; "" for nothing."""
    begun = begun_cancel(event)
    return "" if begun is None else _DOING_WORDS[begun]


_DOING_WORDS = {
    EventChange.CANCEL: "being cancelled, not to be billed again",
    EventChange.REBILL: "being cancelled, to be billed again",
}

STATE_WORDS = {
    EventState.QUEUED: "queued",
    EventState.IN_FLIGHT: "in flight",
    EventState.ACCEPTED: "accepted",
    EventState.CONFIRMED: "confirmed",
    EventState.REFUSED: "refused",
    EventState.DEAD: "dead",
    EventState.CANCELLED: "cancelled",
    EventState.AMBIGUOUS: "ambiguous",
}
"""How a state is written for a person."""

DONE_WORDS = {
    EventChange.REPLAY: "replayed",
    EventChange.CANCEL: "cancelled",
    EventChange.REBILL: "cancelled, to be billed again,",
    EventChange.COMPENSATE: "compensated",
    EventChange.COUNTED: "said to be counted",
    EventChange.NOT_COUNTED: "said not to be counted",
}
"""What was done to an event, as the delivery log has it: `replayed by ada: …`."""

_NOT_COUNTED = {
    EventState.REFUSED: "was refused after all: Stripe does not count it",
    EventState.DEAD: "was never accepted: Stripe does not count it",
    EventState.CANCELLED: "was cancelled or compensated before",
    EventState.AMBIGUOUS: "may not have been counted: resolve it first",
}


def ago(now: datetime, window: Window) -> str:
    """Return for how long a window has been closed: `3 h`, `12 min`, `2 days`."""
    return length_words(now - window.closes_at)


def length_words(length: timedelta) -> str:
    """Return a length of time in one or two units: `3 h 12 m`, `45 s`, `2 d 4 h`."""
    seconds = max(int(length.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if hours < 1:
        return f"{minutes} m"
    if days < 1:
        return f"{hours} h {minutes % 60} m"
    return f"{days} d {hours % 24} h"
