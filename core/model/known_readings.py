"""What is known of a counter's past.

Its samples, the hours in which all counters were looked at, and the audit trail.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.history import Jump, Reading
from meterdeck.core.model.periods import Period
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.samples import Sample
from meterdeck.core.model.usage import Limit, LimitSource

_HOUR_S = 3600
_ADJUST, _SET, _CLEAR = "adjust:", "override:set", "override:clear"
_UNTIL = " until "


def hour_of(moment: datetime) -> int:
    """Return the hour a moment is in, counted from 1970."""
    return int(moment.timestamp()) // _HOUR_S


def start_of(hour: int) -> datetime:
    """Return when an hour begins, counted from 1970."""
    return datetime.fromtimestamp(hour * _HOUR_S, UTC)


def readings_of(
    period: Period,
    samples: Sequence[Sample],
    looked: Sequence[int],
    *,
    value: int | None,
    until: datetime,
) -> tuple[Reading, ...]:
    """Return what is known of a counter in its period, oldest first.

    It starts at 0; and where it has no sample of an hour in which all counters were
    looked at, it had not moved since the sample before.

    Args:
        looked: Hours in which all counters were looked at, rising.
        value: What it holds now, or held at the period's end; None: nobody knows.
        until: Of when `value` is.
    """
    found = [] if period.endless else [Reading(period.start, 0)]
    following: list[Sample | None] = [*samples[1:], None]
    for sample, after in zip(samples, following, strict=False):
        _put(found, Reading(_within(period, start_of(sample.hour)), sample.value))
        still = _last_between(looked, sample.hour, after.hour if after else None)
        if still is not None and start_of(still) < until:
            _put(found, Reading(_within(period, start_of(still)), sample.value))
    if value is not None:
        _put(found, Reading(until, value))
    return tuple(found)


def _within(period: Period, moment: datetime) -> datetime:
    # A period may begin in the middle of an hour that was sampled afterwards.
    if period.endless:
        return moment
    return min(max(moment, period.start), period.end)


def _put(found: list[Reading], reading: Reading) -> None:
    if found and reading.at <= found[-1].at:
        reading = Reading(found.pop().at, reading.value)
    found.append(reading)


def _last_between(hours: Sequence[int], after: int, before: int | None) -> int | None:
    """Return the last of `hours` between two, both left out; None where there is none.

    `before` None: no end.
    """
    end = len(hours) if before is None else bisect_left(hours, before)
    return hours[end - 1] if end > bisect_right(hours, after) else None


def jumps_of(
    entries: Sequence[AuditEntry], resource: str, period: str
) -> tuple[Jump, ...]:
    """Return what operators changed of a counter, by the trail, oldest first."""
    return tuple(sorted(_jumps(entries, resource, period), key=lambda jump: jump.at))


def _jumps(entries: Sequence[AuditEntry], resource: str, period: str) -> Iterator[Jump]:
    for entry in entries:
        mine = (entry.resource, entry.period) == (resource, period)
        before, after = _units(entry.before), _units(entry.after)
        if not (mine and entry.action.startswith(_ADJUST)):
            continue
        if before is not None and after is not None:
            yield Jump(entry.at, after - before)


def override_at(
    entries: Sequence[AuditEntry], resource: str, moment: datetime
) -> Limit | None:
    """Return the override that was in force at a moment, as the trail tells.

    `entries` are newest first.
    """
    for entry in entries:
        if entry.resource != resource or entry.at > moment:
            continue
        if entry.action == _CLEAR:
            return None
        if entry.action == _SET:
            text, _, end = entry.after.partition(_UNTIL)
            over = _moment(end)
            if over is not None and over <= moment:
                return None
            units = _units(text)
            known = text == "unlimited" or units is not None
            return Limit(units, LimitSource.OVERRIDE) if known else None
    return None


def _units(text: str) -> int | None:
    return parse_counter(text.encode("utf-8", "surrogateescape"))


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
