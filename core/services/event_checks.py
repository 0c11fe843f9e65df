"""What Stripe would not take is found before it is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterdeck.core.model.delivery import (
    IDENTIFIER_WINDOW,
    LONGEST_TEXT,
    NEWEST_EVENT,
    OLDEST_EVENT,
)
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.text import visible

MOST_DIGITS = 15
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_LONGEST_WAIT = IDENTIFIER_WINDOW / 2


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an event is not sent.

    Attributes:
        wait_s: After so many seconds it may be; None: never.
    """

    code: str
    message: str
    wait_s: float | None = None


def problem_of(
    event: MeterEvent, meter: MeterInfo | None, now: datetime | None
) -> Problem | None:
    """Return what is wrong with an event, None if nothing is.

    Args:
        meter: Of its event name; None where it is not known.
        now: By Stripe's clock; None where no answer has told it: Stripe decides.
    """
    return (
        _of_texts(event)
        or _of_value(event.value)
        or _of_meter(meter)
        or (untimely(event.timestamp, now) if now is not None else None)
    )


def untimely(timestamp: datetime, now: datetime) -> Problem | None:
    """Return what is wrong with the time of an event; `now` is by Stripe's clock.

    A time a little ahead is only early: a server's clock was wrong when it was made.
    """
    if timestamp < now - OLDEST_EVENT:
        days = OLDEST_EVENT.days
        return Problem("check_too_old", f"its time is more than {days} days ago")
    ahead = timestamp - now - NEWEST_EVENT
    if ahead <= timedelta(0):
        return None
    wait_s = ahead.total_seconds() if ahead <= _LONGEST_WAIT else None
    return Problem(
        "check_too_new", "its time is more than 5 minutes ahead of Stripe's", wait_s
    )


def _of_texts(event: MeterEvent) -> Problem | None:
    return (
        _of_text("customer", event.customer)
        or _of_text("event name", event.event_name)
        or _of_text("identifier", event.identifier)
    )


def _of_text(what: str, text: str) -> Problem | None:
    if 0 < len(text) <= LONGEST_TEXT:
        return None
    words = f"its {what} has {len(text)} characters; Stripe takes {LONGEST_TEXT}"
    code = f"check_{what.replace(' ', '_')}"
    return Problem(code, words if text else f"it has no {what}")


def _of_value(value: str) -> Problem | None:
    if len(value) <= MOST_DIGITS and value.isdecimal() and value.isascii():
        return None  # nearly all of them
    if len(value) > LONGEST_TEXT or _NUMBER.fullmatch(value) is None:
        shown = visible(value, 40)
        return Problem("check_value", f"its value {shown} is not a plain number")
    digits = len(value.lstrip("-").replace(".", "").lstrip("0"))
    if digits > MOST_DIGITS:
        return Problem(
            "check_digits", f"its value has {digits} digits; Stripe takes {MOST_DIGITS}"
        )
    return None


def _of_meter(meter: MeterInfo | None) -> Problem | None:
    if meter is None or meter.active:
        return None
    name = visible(meter.event_name)
    return Problem("check_meter", f"the meter {name} is not active in Stripe")
