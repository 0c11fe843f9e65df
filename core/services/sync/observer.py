"""What a worker tells whoever measures it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from meterdeck.core.model.delivery import Answer, NotClaimed, Verdict
from meterdeck.core.model.reconciliation import Cause


class Observer(Protocol):
    """Is told what happens; must not raise and must be quick."""

    def attempt(self, answer: Answer, latency_s: float) -> None:
        """One event in one request has an answer."""

    def rate_waited(self, seconds: float) -> None:
        """An event waited for its turn at the rate limit."""

    def pace_changed(self, rate: float) -> None:
        """The sender sends so many events a second now."""

    def settled(self, verdict: Verdict, lag_s: float | None, code: str) -> None:
        """An event was settled; `lag_s` seconds after its use was noticed.

        Args:
            code: Why, of one that was refused.
        """

    def not_claimed(self, why: NotClaimed) -> None:
        """A counter that was looked at had nothing to send."""

    def drifted(self, drift: Mapping[Cause, Decimal], oldest_s: float) -> None:
        """Counters were compared with Stripe: units of each cause that needs somebody.

        Args:
            oldest_s: Age of the oldest difference that is unexplained; 0 for none.
        """


class NoObserver:
    """Is told everything and keeps nothing."""

    def attempt(self, answer: Answer, latency_s: float) -> None:
        """Do nothing."""

    def rate_waited(self, seconds: float) -> None:
        """Do nothing."""

    def pace_changed(self, rate: float) -> None:
        """Do nothing."""

    def settled(self, verdict: Verdict, lag_s: float | None, code: str) -> None:
        """Do nothing."""

    def not_claimed(self, why: NotClaimed) -> None:
        """Do nothing."""

    def drifted(self, drift: Mapping[Cause, Decimal], oldest_s: float) -> None:
        """Do nothing."""
