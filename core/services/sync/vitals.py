"""A worker's own pulse: what it has delivered lately, how late, and how fast."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal

from meterdeck.core.model.delivery import Answer, NotClaimed, Verdict
from meterdeck.core.model.reconciliation import Cause
from meterdeck.core.services.sync.observer import Observer

_MINUTE_S = 60
_NEWEST = 0.2  # how much the newest answer counts among those before


class Vitals:
    """Remembers the last minute of what an observer is told, and passes it on."""

    def __init__(
        self, observer: Observer, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._observer = observer
        self._clock = clock
        # One entry a second: the second, events delivered, their longest lag.
        self._seconds: deque[tuple[int, int, float]] = deque(maxlen=_MINUTE_S + 1)
        self.latency_ms: float | None = None
        """Stripe's, smoothed; None before the first answer."""

    @property
    def per_minute(self) -> int:
        """Events delivered in the last minute."""
        return sum(events for _, events, _ in self._last_minute())

    @property
    def lag_s(self) -> float:
        """From use to Stripe, the longest of the last minute, in seconds."""
        return max((lag_s for *_, lag_s in self._last_minute()), default=0.0)

    def _last_minute(self) -> list[tuple[int, int, float]]:
        since = int(self._clock()) - _MINUTE_S
        return [each for each in self._seconds if each[0] > since]

    def attempt(self, answer: Answer, latency_s: float) -> None:
        """Learn Stripe's latency from an answer."""
        if answer is not Answer.UNKNOWN:
            new = 1000 * latency_s
            old = new if self.latency_ms is None else self.latency_ms
            self.latency_ms = old + (new - old) * _NEWEST
        self._observer.attempt(answer, latency_s)

    def settled(self, verdict: Verdict, lag_s: float | None, code: str) -> None:
        """Count an event that was delivered."""
        if verdict is Verdict.DELIVERED:
            self._count(lag_s or 0.0)
        self._observer.settled(verdict, lag_s, code)

    def _count(self, lag_s: float) -> None:
        now, events, longest = int(self._clock()), 0, 0.0
        if self._seconds and self._seconds[-1][0] == now:
            _, events, longest = self._seconds.pop()
        self._seconds.append((now, events + 1, max(longest, lag_s)))

    def rate_waited(self, seconds: float) -> None:
        """Pass it on."""
        self._observer.rate_waited(seconds)

    def pace_changed(self, rate: float) -> None:
        """Pass it on."""
        self._observer.pace_changed(rate)

    def not_claimed(self, why: NotClaimed) -> None:
        """Pass it on."""
        self._observer.not_claimed(why)

    def drifted(self, drift: Mapping[Cause, Decimal], oldest_s: float) -> None:
        """Pass it on."""
        self._observer.drifted(drift, oldest_s)
