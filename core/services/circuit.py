"""A circuit breaker: Redis that does not answer is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

from meterdeck.core.model.degraded import CircuitState, CircuitStatus


class Circuit:
    """Counts calls without an answer and says whether the next one is worth sending.

    After `failures` of them in a row it opens: no call is sent. Every `pause_s` one
    probe may look whether Redis is back; its answer closes the circuit. Calls never
    probe, so none of them waits for a server that is away.

    What was sent before the circuit changed says nothing about it any more: `admit`
    gives each call the number of its time, and a stale one is ignored.
    """

    def __init__(
        self,
        *,
        failures: int,
        pause_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._clock = clock
        self._state = CircuitState.CLOSED
        self._epoch = 0
        self._failures = 0
        self._opened = 0
        self._retry_at = 0.0

    def admit(self) -> int | None:
        """Return the number of this time if the call is worth sending, else None."""
        return self._epoch if self._state is CircuitState.CLOSED else None

    def probe(self) -> int | None:
        """Return the number of a new probe if one is due and none is under way."""
        if self._state is not CircuitState.OPEN or self._clock() < self._retry_at:
            return None
        self._epoch += 1
        self._state = CircuitState.HALF_OPEN
        return self._epoch

    def succeeded(self, epoch: int) -> None:
        """Note an answer: of a call, or of the probe, which closes the circuit."""
        if epoch != self._epoch:
            return
        self._state = CircuitState.CLOSED
        self._failures = 0

    def failed(self, epoch: int) -> None:
        """Note that no answer came; enough of them in a row open the circuit."""
        if epoch != self._epoch:
            return
        self._failures += 1
        if self._state is CircuitState.HALF_OPEN or self._failures >= self._most:
            self._open()

    def retry_in_s(self) -> float | None:
        """Return the seconds until a probe is due; None while calls are sent."""
        if self._state is CircuitState.CLOSED:
            return None
        return max(0.0, self._retry_at - self._clock())

    def status(self) -> CircuitStatus:
        """Return the state, with what led to it."""
        return CircuitStatus(
            self._state, self._failures, self._opened, self.retry_in_s()
        )

    def _open(self) -> None:
        if self._state is CircuitState.CLOSED:
            self._opened += 1
        self._state = CircuitState.OPEN
        self._epoch += 1
        self._retry_at = self._clock() + self._pause_s
