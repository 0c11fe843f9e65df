"""What the pulse keeps over time: how the totals moved, and how fast usage comes."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from time import monotonic

from meterdeck.core.model.density import band_counts
from meterdeck.core.model.fleet_update import NO_COUNTER
from meterdeck.core.services.fleet import Fleet, FleetTotals
from meterdeck.tui.picture import Picture

SAMPLE_S = 5.0
SAMPLES = 60
MOVED_OVER_S = 600.0
"""What moved is told of the last ten minutes."""
_TOTALS_S = 30.0
_LISTED = 24
_MANY = 5_000


class Pulse:
    """Looks at a picture once a second; what is dear every five seconds.

    Attributes:
        bands: Tenants in each band of `density`.
        rates: Resource → units counted in each stretch of five seconds, oldest first.
        nearest: Rows below their limit, the nearest first.
        rising: Rows whose worst counter rises fastest, as a share of its limit.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._next = 0.0
        self._unranked = False
        self._sums: dict[str, int] = {}
        self._totals: deque[tuple[float, FleetTotals]] = deque(maxlen=21)
        self.bands: list[int] = []
        self.rates: dict[str, deque[int]] = {}
        self.nearest: list[int] = []
        self.rising: list[int] = []

    def look(self, picture: Picture) -> None:
        """Take in how things stand now."""
        fleet, now = picture.fleet, self._clock()
        self.bands = band_counts(fleet.severity.worst)
        if not picture.loaded:  # what has not been read yet would seem to move
            return
        if not self._totals or now - self._totals[-1][0] >= _TOTALS_S:
            self._totals.append((now, fleet.totals()))
        if now >= self._next:
            late = now - self._next > SAMPLE_S  # nobody looked for a while
            self._next = now + SAMPLE_S
            self._sample(fleet, again=not late)
            self._unranked = True
            # Of many tenants each takes some hundredths of a second: one at a time.
            if len(fleet) > _MANY:
                return
        if self._unranked:
            self._unranked = False
            self._rank(fleet)

    def moved(self, fleet: Fleet) -> FleetTotals | None:
        """Return the totals of ten minutes ago, or the oldest; None while too young."""
        now = self._clock()
        while self._totals and now - self._totals[0][0] > MOVED_OVER_S + _TOTALS_S:
            self._totals.popleft()
        return self._totals[0][1] if len(self._totals) > 1 else None

    @property
    def span_s(self) -> float:
        """Seconds over which `moved` tells."""
        if not self._totals:
            return 0.0
        return min(self._clock() - self._totals[0][0], MOVED_OVER_S)

    def per_second(self, resource: str) -> float | None:
        """Return units a second in the last half minute; None: not yet known."""
        newest = list(self.rates.get(resource, ()))[-6:]
        return sum(newest) / (SAMPLE_S * len(newest)) if newest else None

    def _sample(self, fleet: Fleet, *, again: bool) -> None:
        for column in fleet.columns:
            name, used = column.resource.name, column.used
            total = sum(used) - NO_COUNTER * used.count(NO_COUNTER)
            before = self._sums.get(name)
            self._sums[name] = total
            if before is not None and again:
                kept = self.rates.setdefault(name, deque(maxlen=SAMPLES))
                kept.append(max(0, total - before))  # less: a period began

    def _rank(self, fleet: Fleet) -> None:
        worst, latest = fleet.severity.worst, fleet.pace.latest()
        below = (row for row, percent in enumerate(worst) if 0 <= percent < 100)
        self.nearest = heapq.nlargest(_LISTED, below, key=worst.__getitem__)
        moving = [row for row, units in enumerate(latest) if units]
        size = len(fleet)
        self.rising = heapq.nlargest(
            _LISTED,
            (row for row in moving if row < size),
            key=lambda row: _share(fleet, row, latest[row]),
        )


def _share(fleet: Fleet, row: int, units: int) -> float:
    column = fleet.worst_column(row)
    limit = fleet.limit(row, column).units if column >= 0 else None
    return units / limit if limit else 0.0
