"""What the sender sends to, and whom it tells what happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from meterdeck.core.model.delivery import Answer, Attempt
from meterdeck.core.model.events import MeterEvent


class Sink(Protocol):
    """Where events go; an answer of any kind is an attempt, never an error.

    Attributes:
        name: For logs and metrics.
        batch: The most events of one call of `send`.
        serial: Whether events of one customer and meter go one after the other.
        rate: Events a second it takes.
    """

    name: str
    batch: int
    serial: bool
    rate: int

    @property
    def skew_s(self) -> float | None:
        """Seconds its clock is ahead of ours; None before an answer."""

    async def send(self, events: Sequence[MeterEvent]) -> list[Attempt]:
        """Send events once; one attempt for each, in order."""

    async def close(self) -> None:
        """Close the connections."""


class SenderObserver(Protocol):
    """Is told what the sender does, at once and in the event loop: be brief."""

    def attempt(self, answer: Answer, latency_s: float) -> None:
        """One event in one request has an answer."""

    def rate_waited(self, seconds: float) -> None:
        """A request waits so long for its place in the pace."""

    def pace_changed(self, rate: float) -> None:
        """Stripe asked to slow down: now so many events a second."""


class Unobserved:
    """Tells nobody."""

    def attempt(self, answer: Answer, latency_s: float) -> None:
        """Tell nobody."""

    def rate_waited(self, seconds: float) -> None:
        """Tell nobody."""

    def pace_changed(self, rate: float) -> None:
        """Tell nobody."""
