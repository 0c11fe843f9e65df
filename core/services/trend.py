"""How fast counters move: a few samples for a sparkline, two snapshots for a rate."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from meterdeck.core.model.fleet_update import NO_COUNTER
from meterdeck.core.services.fleet_columns import swap_remove

SAMPLES = 8
SAMPLE_S = 5
SNAPSHOT_S = 30
_STRETCH = 256
_MOST = 2**31 - 1


class Trend:
    """Units counted in each of the last eight stretches of five seconds, by row.

    Costs 32 bytes a row, and at the end of a stretch only what changed in it.
    """

    def __init__(self) -> None:
        self._size = 0
        self._ring: deque[array[int]] = deque(maxlen=SAMPLES)
        self._open: dict[int, int] = {}
        self._stretch: int | None = None

    def add_rows(self, count: int) -> None:
        """Append `count` rows in which nothing was counted."""
        self._size += count
        for sample in self._ring:
            sample.frombytes(bytes(sample.itemsize * count))

    def remove_row(self, row: int) -> None:
        """Remove a row; the last one takes its place."""
        self._size -= 1
        for sample in self._ring:
            swap_remove(sample, row)
        self._open.pop(row, None)
        if self._size in self._open:
            self._open[row] = self._open.pop(self._size)

    def add(self, row: int, units: int) -> None:
        """Count `units` in the open stretch."""
        self._open[row] = self._open.get(row, 0) + units

    def forget(self, row: int) -> None:
        """Start a row anew: its samples were of another resource."""
        self._open.pop(row, None)
        for sample in self._ring:
            sample[row] = 0

    def advance(self, at: datetime) -> bool:
        """Close the stretches that ended before `at`; tell whether one did."""
        stretch = int(at.timestamp()) // SAMPLE_S
        if self._stretch is None or stretch < self._stretch:
            self._stretch = stretch
        ended = min(stretch - self._stretch, SAMPLES + 1)
        self._stretch = stretch
        for _ in range(ended):
            self._close()
        return ended > 0

    def _close(self) -> None:
        sample = array("i", bytes(4 * self._size))
        for row, units in self._open.items():
            sample[row] = min(units, _MOST)
        self._open.clear()
        self._ring.append(sample)

    def samples(self, row: int) -> list[int]:
        """Return the closed stretches, oldest first, at most eight."""
        return [sample[row] for sample in self._ring]

    def latest(self) -> Sequence[int]:
        """Return the newest closed stretch of every row."""
        return self._ring[-1] if self._ring else bytes(self._size)


class Snapshots:
    """Two older copies of a column, 30 to 60 seconds old once it has run that long."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: list[tuple[datetime, array[int]]] = []

    def take(self, used: array[int], at: datetime) -> None:
        """Keep a copy of `used` if the newest one is old enough."""
        if self._kept and at < self._kept[-1][0]:
            self._kept.clear()  # the server's clock was set back
        if not self._kept or at - self._kept[-1][0] >= timedelta(seconds=SNAPSHOT_S):
            self._kept = [*self._kept[-1:], (at, used[:])]

    def clear(self) -> None:
        """Forget everything: a new period has begun."""
        self._kept.clear()

    def remove_row(self, row: int, size: int) -> None:
        """Remove a row of the column's `size`; the last one takes its place."""
        for _, used in self._kept:
            used.extend([NO_COUNTER] * (size - len(used)))
            swap_remove(used, row)

    def before(self, at: datetime) -> tuple[float, array[int]] | None:
        """Return the oldest copy with its age in seconds; None where it is too new."""
        for taken, used in self._kept:
            seconds = (at - taken).total_seconds()
            if seconds >= 1:
                return seconds, used
        return None

    def grown(self, used: array[int], rows: Sequence[int]) -> Sequence[int]:
        """Return at least those `rows` that are above their oldest copy."""
        if not self._kept:
            return ()
        oldest = self._kept[0][1]
        known = len(oldest)
        if len(rows) != len(used):
            return [r for r in rows if r >= known or used[r] > oldest[r]]
        # Most counters rest: stretches of equal bytes are passed over at once.
        now, then = used.tobytes(), oldest.tobytes()
        size, found = used.itemsize, list[int]()
        for first in range(0, known, _STRETCH):
            last = min(first + _STRETCH, known)
            start, end = first * size, last * size
            if now[start:end] != then[start:end]:
                found += [r for r in range(first, last) if used[r] > oldest[r]]
        return [*found, *range(known, len(used))]

    def rate(self, row: int, value: int, at: datetime) -> float:
        """Return units a second since the oldest copy, 0.0 where it cannot tell."""
        for taken, used in self._kept:
            seconds = (at - taken).total_seconds()
            if row < len(used) and used[row] != NO_COUNTER and seconds >= 1:
                return max(0, value - used[row]) / seconds
        return 0.0
