"""How fast counters move, as one worker has seen it over the last minutes."""

from __future__ import annotations

from datetime import datetime

from meterdeck.core.model.usage import CounterId
from meterdeck.core.services.recent import make_room

_APART_S = 300.0
"""Seconds between two samples that are kept: a pace is of five to ten minutes."""
_LEAST_S = 30.0
MOST_COUNTERS = 200_000
"""Of those that moved last; about 50 MB. The pace of others begins anew."""

_Sample = tuple[float, int]


class Paces:
    """Two samples of each counter; forgotten with the worker.

    Args:
        most: Counters; beyond it the one that moved longest ago is forgotten.
    """

    def __init__(self, most: int = MOST_COUNTERS) -> None:
        self._most = most
        self._kept: dict[CounterId, tuple[_Sample | None, _Sample]] = {}

    def note(self, counter: CounterId, used: int, at: datetime) -> None:
        """Take in what a counter holds; one that fell begins anew."""
        second = at.timestamp()
        older, newer = self._kept.get(counter, (None, (second, used)))
        if used < newer[1] or second < newer[0]:
            older, newer = None, (second, used)
        elif second - newer[0] >= _APART_S:
            older, newer = newer, (second, used)
        make_room(self._kept, counter, self._most)
        self._kept[counter] = (older, newer)

    def rate(self, counter: CounterId, used: int, at: datetime) -> float | None:
        """Return units a second; None before half a minute was seen."""
        kept = self._kept.get(counter)
        if kept is None:
            return None
        second, before = kept[0] or kept[1]
        seconds = at.timestamp() - second
        return max(0, used - before) / seconds if seconds >= _LEAST_S else None
