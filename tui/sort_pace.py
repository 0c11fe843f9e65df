"""When the tenants are sorted again: rows keep still, and sorting stays cheap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from meterdeck.core.services.fleet import FleetChange

RESORT_S = 3.0
"""Least time between two sorts, and after the last key, so that rows keep still."""
_SHARE = 0.1
"""Of the time, so much goes into sorting while tenants come, a few at once."""
_LATER_SHARE = 0.01
"""Of the time, so much goes into sorting when only values change."""


class SortPace:
    """Notes what makes another order necessary, and says when it is worth its time."""

    def __init__(self) -> None:
        self._new_values = False
        self._new_tenants = False
        self._at_once = False
        self._whole = False
        self._sorted_at = 0.0
        self._moved_at = 0.0
        self._cost_s = 0.0

    def changed(self, change: FleetChange) -> None:
        """Note what an update changed."""
        self._new_values |= bool(change.rows)
        self._new_tenants |= change.membership
        self._at_once |= change.columns or change.gone

    def moved(self) -> None:
        """Note that the operator looks at rows where they are."""
        self._moved_at = monotonic()

    @contextmanager
    def sorting(self, *, whole: bool) -> Iterator[None]:
        """Sort within; `whole` tells whether every counter has been read once."""
        began = monotonic()
        yield
        self._sorted_at = monotonic()
        self._cost_s = self._sorted_at - began
        self._new_values = self._new_tenants = self._at_once = False
        self._whole |= whole

    def due(self, *, pinned: bool) -> bool:
        """Tell whether to sort now; `pinned`: the operator has chosen a row."""
        if self._at_once:
            return True
        now = monotonic()
        rested = now - self._sorted_at >= self._cost_s / _SHARE
        if self._new_tenants:
            return rested
        # While the first counters come in nobody looks for a row in its old place.
        if not self._whole and not pinned:
            return self._new_values and rested
        quiet = min(now - self._moved_at, now - self._sorted_at)
        least = max(RESORT_S, self._cost_s / _LATER_SHARE)
        return self._new_values and quiet >= least
