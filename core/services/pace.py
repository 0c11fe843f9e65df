"""A pace that follows what Stripe takes: halved when it says so, then climbing back."""

from __future__ import annotations

import time
from collections.abc import Callable

_BURST_S = 0.1
_CLIMB_S = 30.0
_SLOWEST_SHARE = 0.01


class Pace:
    """A token bucket of at most `most` events a second.

    `slow_down` halves the rate; it climbs back evenly, from nothing to `most` in half
    a minute. Takers are served in the order they ask.
    """

    def __init__(
        self, most: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._clock = clock
        self._rate = most
        self._changed_at = clock()
        self._next_at = self._changed_at
        self.epoch = 0
        """How often it was slowed down."""

    @property
    def rate(self) -> float:
        """Events a second, now."""
        climbed = (self._clock() - self._changed_at) / _CLIMB_S * self._most
        return min(self._most, self._rate + climbed)

    def take(self, events: int = 1) -> float:
        """Take the next place for so many events; return seconds to wait for it."""
        now = self._clock()
        # A pause saves up a little, so that timers that fire late cost no events.
        place = max(self._next_at, now - _BURST_S)
        self._next_at = place + events / self.rate
        return max(0.0, place - now)

    def slow_down(self, epoch: int, pause_s: float = 0.0) -> bool:
        """Halve the rate, and take nothing for `pause_s`; tell whether it changed.

        Args:
            epoch: What `epoch` was when the request was sent that Stripe put off: one
                of before the last halving says nothing about the rate of now.
        """
        now = self._clock()
        self._next_at = max(self._next_at, now + pause_s)
        if epoch != self.epoch:
            return False
        slowest = min(self._most, max(1.0, self._most * _SLOWEST_SHARE))
        self._rate = max(slowest, self.rate / 2)
        self._changed_at = now
        self.epoch += 1
        return True
