"""Counters that may have unsent units, and when each of them is to be looked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

from meterdeck.core.model.usage import CounterId


@dataclass(frozen=True, slots=True)
class _Entry:
    """`at`, `since` and `ends` are seconds since 1970 by the Redis server's clock."""

    at: float
    since: float
    ends: float


class DueCounters:
    """Hands out counters when they are due: those of ended periods first.

    All times are seconds since 1970 by the Redis server's clock. A counter is in it
    once; what is put again is due at the earlier of the two moments.
    """

    def __init__(self) -> None:
        self._entries: dict[CounterId, _Entry] = {}
        self._later: list[tuple[float, int, CounterId]] = []
        self._ready: list[tuple[bool, float, int, CounterId]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, counter: CounterId) -> bool:
        return counter in self._entries

    def overdue(self, now: float) -> int:
        """Return about how many are due."""
        self._sort_ready(now)
        return len(self._ready)

    def put(
        self, counter: CounterId, at: float, *, since: float, ends: float = math.inf
    ) -> None:
        """Note that a counter is to be looked at.

        Args:
            at: When.
            since: Since when something may be unsent; an earlier one that is known is
                kept.
            ends: End of its period: after it, the counter comes first.
        """
        known = self._entries.get(counter)
        if known is not None:
            since = min(since, known.since)
            if known.at <= at:
                self._entries[counter] = _Entry(known.at, since, known.ends)
                return
        self._entries[counter] = _Entry(at, since, ends)
        self._number += 1
        heappush(self._later, (at, self._number, counter))

    def take(self, now: float, count: int) -> dict[CounterId, float]:
        """Take out at most `count` counters that are due, each with its `since`."""
        self._sort_ready(now)
        taken: dict[CounterId, float] = {}
        while self._ready and len(taken) < count:
            _, at, _, counter = heappop(self._ready)
            entry = self._entries.get(counter)
            if entry is not None and entry.at == at:
                del self._entries[counter]
                taken[counter] = entry.since
        return taken

    def oldest_since(self) -> float | None:
        """Return since when the one that waits longest waits; None if there is none."""
        return min((entry.since for entry in self._entries.values()), default=None)

    def waiting(
        self, mine: Callable[[CounterId], bool], before: float
    ) -> tuple[int, float | None]:
        """Return how many of mine wait since before a moment, and since when.

        What the sweep has put here an instant ago has mostly nothing to send.
        """
        found = [
            entry.since
            for counter, entry in self._entries.items()
            if entry.since <= before and mine(counter)
        ]
        return len(found), min(found, default=None)

    def next_at(self) -> float | None:
        """Return when the next one is due; None if there is none."""
        if self._ready:
            return self._ready[0][1]
        return self._later[0][0] if self._later else None

    def _sort_ready(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            at, number, counter = heappop(self._later)
            entry = self._entries.get(counter)
            if entry is not None and entry.at == at:
                heappush(self._ready, (entry.ends > now, at, number, counter))
