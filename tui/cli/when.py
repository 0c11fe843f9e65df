"""Moments as people write them; everything is UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from meterdeck.core.errors import BadInput

_DAYS = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
_SPAN = re.compile(r"(?P<count>[0-9]{1,5})(?P<unit>[mhdw])")
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_FORMS = "write it like 2026-11-27, 2026-11-27T18:00Z, 3d, 12h or friday (UTC)"
_PAST_FORMS = "write it like 2026-11-27, 2026-11-27T18:00Z, 3d, 12h or today (UTC)"
_LONGEST = timedelta(days=3660)


def parse_until(text: str, now: datetime) -> datetime:
    """Return the moment that `text` names, seen from `now`.

    A date, a weekday, `today` and `tomorrow` mean the end of that day in UTC. A
    weekday is the next one, never today. A time without a zone is UTC.

    Raises:
        BadInput: Not a moment, in the past, or more than ten years away.
    """
    word = text.strip().lower()
    moment = _ahead(word, now) or _day(word, now) or _written(text.strip())
    if moment is None:
        raise BadInput(f"{text!r} is not a moment; {_FORMS}")
    if moment <= now:
        raise BadInput(f"{text!r} is over already: it is {show_moment(now)} now")
    if moment - now > _LONGEST:
        raise BadInput(f"{text!r} is more than ten years away; {_FORMS}")
    return moment


def counts_from_now(text: str) -> bool:
    """Tell whether `parse_until` makes another moment of it at another time."""
    return _written(text.strip()) is None


def parse_since(text: str, now: datetime) -> datetime:
    """Return the moment in the past that `text` names, seen from `now`.

    A date, `today` and `yesterday` mean the start of that day in UTC; `3d` is three
    days ago. A time without a zone is UTC.

    Raises:
        BadInput: Not a moment.
    """
    word = text.strip().lower()
    today = now.astimezone(UTC).date()
    if word in ("today", "yesterday"):
        return _start_of(today - timedelta(days=word == "yesterday"))
    if span := _span(word):
        return now - span
    try:
        return _start_of(date.fromisoformat(word))
    except ValueError:
        pass
    moment = _written_time(text.strip())
    if moment is None:
        raise BadInput(f"{text!r} is not a moment; {_PAST_FORMS}")
    return moment


def show_moment(moment: datetime) -> str:
    """Write a moment for a person: `Fri 2026-11-27 18:00 UTC`."""
    at = moment.astimezone(UTC)
    return f"{_DAYS[at.weekday()][:3].capitalize()} {at:%Y-%m-%d %H:%M} UTC"


def _ahead(word: str, now: datetime) -> datetime | None:
    span = _span(word)
    return None if span is None else now + span


def _span(word: str) -> timedelta | None:
    match = _SPAN.fullmatch(word)
    if match is None or not int(match["count"]):
        return None
    return int(match["count"]) * _UNITS[match["unit"]]


def _day(word: str, now: datetime) -> datetime | None:
    today = now.astimezone(UTC).date()
    if word in ("today", "tomorrow"):
        return _end_of(today + timedelta(days=word == "tomorrow"))
    if len(word) < 3:
        return None
    for number, name in enumerate(_DAYS):
        if word in (name, name[:3]):
            ahead = (number - today.weekday() - 1) % 7 + 1
            return _end_of(today + timedelta(days=ahead))
    return None


def _written(text: str) -> datetime | None:
    try:
        return _end_of(date.fromisoformat(text))
    except (ValueError, OverflowError):
        return _written_time(text)


def _written_time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):  # a zone may put it before the first of all
        return None


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _end_of(day: date) -> datetime:
    return _start_of(day) + timedelta(days=1)
