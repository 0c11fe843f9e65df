"""Nothing is sent while Stripe takes nothing from the key, except a probe."""

from __future__ import annotations

from collections.abc import Callable

from meterdeck.core.model.delivery import Answer, Attempt

PROBE_S = 30.0
# An answer about the event: the key is good again. A busy Stripe says nothing of it.
_OPENS = frozenset({Answer.ACCEPTED, Answer.DUPLICATE, Answer.REFUSED})


class Stoppage:
    """Closed by an answer STOPPED; every half minute one event may try."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._probe_at = 0.0
        self.attempt: Attempt | None = None
        """The attempt that closed it; None while it is open."""

    @property
    def closed(self) -> bool:
        """Whether nothing may be sent now."""
        return self.attempt is not None and self._clock() < self._probe_at

    def admit(self) -> bool:
        """Tell whether one event may be sent, right before it is."""
        if self.attempt is None:
            return True
        if self._clock() < self._probe_at:
            return False
        self._probe_at = self._clock() + PROBE_S
        return True

    def learn(self, attempt: Attempt) -> None:
        """Take note of an answer."""
        if attempt.answer is Answer.STOPPED:
            self.attempt = attempt
            self._probe_at = self._clock() + PROBE_S
        elif attempt.answer in _OPENS:
            self.attempt = None
