"""Sends meter events to a sink until each has an answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from meterdeck.core.model.delivery import Answer, Attempt, Delivery
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.subscriptions import MeterInfo

_AGAIN = frozenset({Answer.BUSY, Answer.UNKNOWN})
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0


def _wall() -> datetime:
    return datetime.now(UTC)


class Sink(Protocol):
    """Where events go; an answer of any kind is an attempt, never an error."""

    name: str
    batch: int
    serial: bool
    rate: int

    @property
    def skew_s(self) -> float | None:
        """Seconds Stripe's clock is ahead of ours; None before an answer."""

    async def send(self, events: Sequence[MeterEvent]) -> list[Attempt]:
        """Send events once; one attempt for each, in order."""

    async def close(self) -> None:
        """Close the connections."""


class Sender:
    """Sends events, each until it has an answer or its time is over."""

    def __init__(
        self,
        sink: Sink,
        *,
        rate: int,
        at_once: int,
        patience_s: float,
        meters: Callable[[str], MeterInfo | None],
        clock: Callable[[], datetime] = _wall,
    ) -> None:
        self._sink = sink
        self._patience_s = patience_s
        self._clock = clock
        self._slots = asyncio.Semaphore(at_once)

    async def deliver(self, event: MeterEvent, *, until: datetime) -> Delivery:
        """Send an event until it is settled, `until`, or patience is over.

        Never raises for an answer; the last attempt says what became of the event.
        """
        attempts: list[Attempt] = []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        while True:
            if self._clock() >= until:
                break
            async with self._slots:
                attempts += await self._sink.send([event])
            last = attempts[-1]
            if last.answer not in _AGAIN:
                break
            pause_s = _pause_s(last, len(attempts))
            if loop.time() + pause_s >= deadline:
                break
            await asyncio.sleep(pause_s)
        if not attempts:
            message = "its identifier is too old to be sent again"
            attempts.append(
                Attempt(Answer.BUSY, self._clock(), message, code="check_until")
            )
        return Delivery(attempts)


def _pause_s(last: Attempt, attempts: int) -> float:
    """Return a full-jitter pause, and never less than Stripe asks for."""
    most = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (attempts - 1))
    return (last.retry_after_s or 0.0) + random.random() * most  # noqa: S311  # jitter
