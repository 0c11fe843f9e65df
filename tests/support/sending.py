"""A sender whose time is told by the test, and a sink that answers when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from meterdeck.core.adapters.stripe_sinks import StripeSink, open_sink
from meterdeck.core.model.context import Mode, Secret, SinkKind, StripeOptions
from meterdeck.core.model.delivery import Answer, Attempt
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.services.sender import Sender
from meterdeck.core.services.sink import Sink
from meterdeck.core.services.timing import Timing

KEY = "sk_test_local"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=23, minutes=30)


def event(n: int = 1, customer: str = "cus_1", at: datetime = NOW) -> MeterEvent:
    """Return the n-th event of a test."""
    return MeterEvent("api_requests", f"id-{n}", customer, "5", at)


def no_meters(event_name: str) -> MeterInfo | None:
    """Know no meter."""


@dataclass
class ToldTime:
    """Time that passes only while somebody sleeps, or when the test moves it."""

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """Return the wall clock's time."""
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return the seconds since the test began."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    def timing(self, jitter: float = 0.5) -> Timing:
        """Return these clocks as the sender takes them."""
        return Timing(self.now, self.monotonic, self.sleep, lambda: jitter)


class HeldSink:
    """Takes events and answers them when the test says what."""

    name = "held"
    rate = 1_000

    def __init__(self, *, batch: int = 1, serial: bool = True) -> None:
        self.batch = batch
        self.serial = serial
        self.skew_s: float | None = None
        self.sent: list[Sequence[MeterEvent]] = []
        self._answers: list[asyncio.Future[Answer]] = []
        self._came = asyncio.Condition()

    async def send(self, events: Sequence[MeterEvent]) -> list[Attempt]:
        """Hold the events until `answer` is called for them."""
        self.sent.append(events)
        told = asyncio.get_running_loop().create_future()
        self._answers.append(told)
        async with self._came:
            self._came.notify_all()
        answer = await told
        return [Attempt(answer, NOW)] * len(events)

    async def close(self) -> None:
        """Hold nothing to be closed."""

    def answer(self, request: int, answer: Answer = Answer.ACCEPTED) -> None:
        """Answer the request of that number, counted from 0."""
        self._answers[request].set_result(answer)

    async def holds(self, requests: int) -> None:
        """Wait until so many requests have come, and see that no more do."""
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: len(self.sent) >= requests)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(self.sent) == requests


def sender_to(
    sink: Sink,
    time: ToldTime,
    *,
    rate: int = 100_000,
    at_once: int = 10,
    patience_s: float = 20.0,
) -> Sender:
    """Return a sender to `sink` that lives in the time told."""
    return Sender(
        sink,
        rate=rate,
        at_once=at_once,
        patience_s=patience_s,
        meters=no_meters,
        timing=time.timing(),
    )


@asynccontextmanager
async def sink_to(
    base_url: str,
    time: ToldTime,
    kind: SinkKind = SinkKind.V1,
    *,
    timeout_s: float = 10.0,
) -> AsyncIterator[StripeSink]:
    """Run one of Stripe's sinks for the time of the block."""
    options = StripeOptions(Secret(KEY), api_base=base_url, timeout_s=timeout_s)
    sink = open_sink(
        kind, options, Mode.TEST, at_once=10, meters=no_meters, clock=time.now
    )
    try:
        yield sink
    finally:
        await sink.close()
