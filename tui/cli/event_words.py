"""Meter events in the words and tones of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from meterdeck.core.model.delivery import Answer, EventState
from meterdeck.core.model.event_changes import STATE_WORDS
from meterdeck.core.model.ledger import LedgerEvent
from meterdeck.core.model.windows import Window, next_to_close
from meterdeck.tui.cli.output import Cell, Tone
from meterdeck.tui.phrases import window_words

STATE_TONES = {
    EventState.QUEUED: Tone.FAINT,
    EventState.IN_FLIGHT: Tone.LOW,
    EventState.ACCEPTED: Tone.GOOD,
    EventState.CONFIRMED: Tone.GOOD,
    EventState.REFUSED: Tone.HIGH,
    EventState.DEAD: Tone.HIGH,
    EventState.CANCELLED: Tone.FAINT,
    EventState.AMBIGUOUS: Tone.NEAR,
}
ANSWER_TONES = {
    Answer.ACCEPTED: Tone.GOOD,
    Answer.DUPLICATE: Tone.GOOD,
    Answer.BUSY: Tone.NEAR,
    Answer.REFUSED: Tone.HIGH,
    Answer.UNKNOWN: Tone.NEAR,
    Answer.STOPPED: Tone.HIGH,
}


def state_cell(event: LedgerEvent) -> Cell:
    """Return an event's state in its tone, in nine cells."""
    return Cell(f"{STATE_WORDS[event.state]:<9}", STATE_TONES[event.state])


def closing_words(windows: Sequence[Window], now: datetime) -> str:
    """Return what closes next: `cancel 3 h 12 m left`."""
    window = next_to_close(windows, now)
    return window_words(window, now) if window else "all windows closed"
