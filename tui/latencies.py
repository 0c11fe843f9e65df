"""Round trips to both servers over the last minutes, for sparklines."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

SAMPLES = 24
SAMPLE_S = 5.0


class Latencies:
    """One sample of each every few seconds; an old one goes when a new one comes.

    Attributes:
        redis, stripe: Milliseconds, oldest first; 0 where there was no answer.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._next = 0.0
        self.redis: deque[float] = deque(maxlen=SAMPLES)
        self.stripe: deque[float] = deque(maxlen=SAMPLES)

    def take(self, redis_ms: float | None, stripe_ms: float | None) -> None:
        """Take what was measured last, if it is time for another sample."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + SAMPLE_S
        self.redis.append(redis_ms or 0.0)
        self.stripe.append(stripe_ms or 0.0)
