"""What was used, and when: the line through all readings of a counter.

A counter starts at 0 with each period, operators change it, and nobody may have looked
at it for hours. The line has what was *used*: it goes on where a period ends, leaves
out what operators added and took away, and says where it does not know.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

_SLACK = timedelta(minutes=12)  # samples are taken a little after the hour begins
_LEAST = timedelta(minutes=5)  # what is known for less says nothing of an hour


@dataclass(frozen=True, slots=True)
class Reading:
    """What a counter held at a moment."""

    at: datetime
    value: int


@dataclass(frozen=True, slots=True)
class Jump:
    """An operator's change of a counter: units that nobody used."""

    at: datetime
    by: int


@dataclass(frozen=True, slots=True)
class Readings:
    """What is known of a counter in one period.

    Attributes:
        taken: Oldest first.
        jumps: What operators changed in it.
        falls: It is a level, which falls as it rises; what falls counts.
    """

    taken: tuple[Reading, ...]
    jumps: tuple[Jump, ...] = ()
    falls: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast something is used: `units` in a stretch of time that ends now.

    Attributes:
        over: How long that stretch is: as asked for, or what is known.
    """

    units: float
    over: timedelta

    @property
    def per_second(self) -> float:
        """Units a second; negative where a level falls."""
        return self.units / self.over.total_seconds()

    @property
    def per_hour(self) -> float:
        """Units an hour."""
        return self.per_second * 3600

    def is_over(self, asked: timedelta) -> bool:
        """Tell whether it is over what was asked for, give or take a tenth."""
        return abs(self.over - asked) <= asked / 10


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was used in `[start, end)`; `units` None where nobody knows.

    Attributes:
        whole: Whether all of it is known; else a part, or it is not over yet.
    """

    start: datetime
    end: datetime
    units: float | None
    whole: bool = True


class UsedLine:
    """The sum of what was used since the line begins, rising from point to point.

    Between two points it is taken to have been used evenly.
    """

    def __init__(self, points: Iterable[tuple[datetime, int]] = ()) -> None:
        self._at: list[datetime] = []
        self._total: list[int] = []
        for at, total in points:
            self._at.append(at)
            self._total.append(total)

    @property
    def begins(self) -> datetime | None:
        """From when on anything is known."""
        return self._at[0] if self._at else None

    @property
    def ends(self) -> datetime | None:
        """Up to when."""
        return self._at[-1] if self._at else None

    @property
    def points(self) -> list[tuple[datetime, int]]:
        """Its points, oldest first."""
        return list(zip(self._at, self._total, strict=True))

    def total(self, moment: datetime) -> float | None:
        """Return the sum at a moment; None outside the line."""
        if not self._at or not self._at[0] <= moment <= self._at[-1]:
            return None
        right = bisect_left(self._at, moment)
        if self._at[right] == moment:
            return self._total[right]
        share = (moment - self._at[right - 1]) / (self._at[right] - self._at[right - 1])
        before, after = self._total[right - 1], self._total[right]
        return before + (after - before) * share

    def rate(self, over: timedelta) -> Rate | None:
        """Return how fast it was used of late; None where too little is known.

        Where nobody looked at the beginning of that time, it is since somebody did
        afterwards, if that is a quarter of it, or else since somebody did before: the
        answer says over how long it is.
        """
        if len(self._at) < 2:
            return None
        end = self._at[-1]
        start = max(end - over, self._at[0])
        if start > end - over and end - start < min(_LEAST, over):
            return None
        right = bisect_right(self._at, start)
        before, after = self._at[right - 1], self._at[min(right, len(self._at) - 1)]
        if after - before > max(over, HOUR) + _SLACK:
            start = after if end - after >= over / 4 else before
        used = self.total(start)
        if used is None or end <= start:
            return None
        return Rate(self._total[-1] - used, end - start)

    def stretches(self, edges: Sequence[datetime]) -> list[Stretch]:
        """Return what was used between each two edges, as far as it is known."""
        return [self._stretch(start, end) for start, end in pairwise(edges)]

    def _stretch(self, start: datetime, end: datetime) -> Stretch:
        begins, ends = self.begins, self.ends
        if begins is None or ends is None or end <= begins or start >= ends:
            return Stretch(start, end, None, whole=False)
        first, last = max(start, begins), min(end, ends)
        before, after = self.total(first), self.total(last)
        assert before is not None
        assert after is not None
        return Stretch(start, end, after - before, (first, last) == (start, end))


def used_line(periods: Iterable[Readings]) -> UsedLine:
    """Return the line through the readings of periods that follow one another.

    What an operator changed is left out. Where a counter fell by itself, or somebody
    took it away, nothing was used.
    """
    points: list[tuple[datetime, int]] = []
    total = 0
    for period in periods:
        before: int | None = None
        for at, value in _unchanged(period):
            if before is not None:
                total += value - before if period.falls else max(0, value - before)
            before = value
            if points and at <= points[-1][0]:
                points[-1] = (points[-1][0], total)
            else:
                points.append((at, total))
    return UsedLine(points)


def _unchanged(period: Readings) -> Iterator[tuple[datetime, int]]:
    """Yield moments, and what the counter would have held if nobody had changed it."""
    changes = sorted(period.jumps, key=lambda jump: jump.at)
    changed = 0
    for place, reading in enumerate(period.taken):
        while changes and changes[0].at <= reading.at:
            # What was changed before the first reading is in that, and stays in it.
            change = changes.pop(0)
            changed += change.by if place else 0
        yield reading.at, reading.value if period.falls else reading.value - changed


def day_edges(start: datetime, end: datetime) -> list[datetime]:
    """Return where the UTC days of `[start, end)` begin and end, both ends included."""
    edges = [start]
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    while midnight < end:
        edges.append(midnight)
        midnight += DAY
    return [*edges, end]


def hour_edges(end: datetime, hours: int) -> list[datetime]:
    """Return where the last hours begin and end; the last one is the running one."""
    last = end.replace(minute=0, second=0, microsecond=0)
    return [last - (hours - 1 - n) * HOUR for n in range(hours)] + [end]
