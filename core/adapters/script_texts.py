"""The texts of all scripts, for programs in other languages that send them."""

from __future__ import annotations

from meterdeck.core.adapters.alert_calls import WRITE_ALERTS
from meterdeck.core.adapters.billing_calls import CLAIM, CONFIRM, SETTLE_DELIVERY
from meterdeck.core.adapters.billing_holds import HOLD_BILLING
from meterdeck.core.adapters.billing_indexes import FORGET_UNSETTLED
from meterdeck.core.adapters.consume_calls import CONSUME
from meterdeck.core.adapters.kind_calls import COUNT_UNIQUE, SET_GAUGE
from meterdeck.core.adapters.late_error_calls import TAKE_TURN
from meterdeck.core.adapters.letter_calls import (
    CANCEL_EVENT,
    REFUSE_LATE,
    REFUSE_QUEUED,
    REPAIR_BILLING,
    REPLAY_LETTER,
    REQUEUE_LETTER,
)
from meterdeck.core.adapters.queue_calls import SETTLE_QUEUED
from meterdeck.core.adapters.request_calls import NEXT_REQUEST, SETTLE_REQUEST
from meterdeck.core.adapters.sample_calls import KEEP_SAMPLES
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.adapters.track_call import TRACK

_FILES = {
    "consume": CONSUME,
    "set_gauge": SET_GAUGE,
    "count_unique": COUNT_UNIQUE,
    "track": TRACK,
    "settle_queued": SETTLE_QUEUED,
    "claim": CLAIM,
    "settle_delivery": SETTLE_DELIVERY,
    "confirm": CONFIRM,
    "refuse_late": REFUSE_LATE,
    "replay_letter": REPLAY_LETTER,
    "cancel_event": CANCEL_EVENT,
    "repair_billing": REPAIR_BILLING,
    "hold_billing": HOLD_BILLING,
    "forget_unsettled": FORGET_UNSETTLED,
    "keep_samples": KEEP_SAMPLES,
    "write_alerts": WRITE_ALERTS,
    "next_request": NEXT_REQUEST,
    "settle_request": SETTLE_REQUEST,
    "settle": ("checks", "settle"),
    "give_back": ("checks", "reserved", "give_back"),
    "replay": ("checks", "replay"),
    "adjust": ("checks", "reserved", "trail", "adjust"),
    "set_override": ("checks", "trail", "set_override"),
    "clear_override": ("checks", "trail", "clear_override"),
}

_OWN = {
    "requeue_letter": REQUEUE_LETTER,
    "refuse_queued": REFUSE_QUEUED,
    "take_turn": TAKE_TURN,
    "tidy_consumers": ("checks", "tidy_consumers"),
    "carry": ("checks", "reserved", "trail", "carry"),
    "replace_entry": ("replace_entry",),
}
"""Those that only the library itself sends."""


def script_texts() -> dict[str, Script]:
    """Return every script by its name in the Redis contract."""
    return {name: Script(*files) for name, files in _FILES.items()}


def own_script_texts() -> dict[str, Script]:
    """Return by their names the scripts that are no part of the contract."""
    return {name: Script(*files) for name, files in _OWN.items()}
