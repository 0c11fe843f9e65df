"""What is each tenant's own in few objects: a large fleet holds hundred thousand of it.

Equal texts and equal moments are packed into equal values.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from struct import Struct, error

Moments = tuple[datetime | None, datetime | None, datetime | None]
PackedTimes = bytes | Moments
"""Three moments: Unix seconds of 32 bits each, or as they came where those are too few.
"""
PackedTexts = str | tuple[str, str, str]
"""Three texts: one string, or as they came where that could not be taken apart."""

_SECONDS = Struct("<3I")
_NONE = 2**32 - 1
_NEVER = _SECONDS.pack(_NONE, _NONE, _NONE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_MARK = "\0"


def pack_times(*moments: datetime | None) -> PackedTimes:
    """Pack three moments; None for one that is unknown."""
    first, second, third = moments
    seconds = [_seconds(moment) for moment in moments]
    if -1 in seconds:
        return first, second, third
    return _packed(*seconds)


def pack_seconds(*moments: int | None) -> PackedTimes:
    """Pack three moments in Unix seconds, each of which a datetime can hold."""
    try:
        return _packed(*[_NONE if each is None else each for each in moments])
    except error:
        return pack_times(
            *[None if at is None else datetime.fromtimestamp(at, UTC) for at in moments]
        )


def _packed(*seconds: int) -> bytes:
    packed = _SECONDS.pack(*seconds)
    return _NEVER if packed == _NEVER else packed


def _seconds(moment: datetime | None) -> int:
    """Return Unix seconds, `_NONE` for None, −1 for what is no such number."""
    if moment is None:
        return _NONE
    if moment.tzinfo is None or moment.microsecond:
        return -1
    seconds = (moment - _EPOCH) // _SECOND
    return seconds if 0 <= seconds < _NONE else -1


def moment_of(times: PackedTimes, place: int) -> datetime | None:
    """Return one of three moments, aware in UTC."""
    if isinstance(times, tuple):
        return times[place]
    seconds = _SECONDS.unpack(times)[place]
    return None if seconds == _NONE else datetime.fromtimestamp(seconds, UTC)


def pack_texts(first: str, second: str, last: str) -> PackedTexts:
    """Pack three texts, of which only the last is always there."""
    if not first and not second and _MARK not in last:
        return last
    if _MARK in first or _MARK in second:
        return first, second, last
    return f"{first}{_MARK}{second}{_MARK}{last}"


def texts_of(texts: PackedTexts) -> tuple[str, str, str]:
    """Return the three texts."""
    if isinstance(texts, tuple):
        return texts
    first, mark, rest = texts.partition(_MARK)
    if not mark:
        return "", "", texts
    second, _, last = rest.partition(_MARK)
    return first, second, last
