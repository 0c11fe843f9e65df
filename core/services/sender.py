"""Sends meter events to a sink, each until it has an answer or its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from meterdeck.core.model.delivery import Answer, Attempt, Delivery
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.services.event_checks import Problem, problem_of, untimely
from meterdeck.core.services.gathering import Gathering
from meterdeck.core.services.journey import Journey
from meterdeck.core.services.pace import Pace
from meterdeck.core.services.serial_lanes import SerialLanes
from meterdeck.core.services.sink import SenderObserver, Sink, Unobserved
from meterdeck.core.services.stoppage import Stoppage
from meterdeck.core.services.timing import Timing

_AGAIN = frozenset({Answer.BUSY, Answer.UNKNOWN})
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0


class Sender:
    """Delivers any number of events at once; belongs to one event loop.

    Requests never exceed `at_once`, and their events never `rate` a second: half of
    it after each 429, from where it climbs back. Events of one customer and meter go
    one after the other where the sink wants that; one that waits, for its turn or to
    be sent again, keeps nobody else waiting.

    Args:
        rate: Events a second at most.
        patience_s: How long one `deliver` lasts at most.
        meters: What is known of the meter of an event name.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        rate: int,
        at_once: int,
        patience_s: float,
        meters: Callable[[str], MeterInfo | None],
        observer: SenderObserver | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._sink = sink
        self._patience_s = patience_s
        self._meters = meters
        self._observer = observer or Unobserved()
        self._timing = timing or Timing()
        self._slots = asyncio.Semaphore(at_once)
        self._lanes = SerialLanes()
        self._stoppage = Stoppage(self._timing.monotonic)
        self.pace = Pace(rate, clock=self._timing.monotonic)
        self.trouble: Attempt | None = None
        """The last request that Stripe did not take, or did not answer."""
        self._gathering = Gathering(
            size=sink.batch,
            at_once=at_once,
            place=self._place,
            sendable=self._sendable,
            send=sink.send,
            monotonic=self._timing.monotonic,
        )

    @property
    def skew_s(self) -> float | None:
        """Seconds Stripe's clock is ahead of ours; None before an answer."""
        return self._sink.skew_s

    @property
    def stopped(self) -> Attempt | None:
        """The answer since which nothing is sent; None while all is well."""
        return self._stoppage.attempt

    @property
    def busy_lanes(self) -> int:
        """Customers and meters of which an event is on its way or waits."""
        return len(self._lanes)

    async def deliver(self, event: MeterEvent, *, until: datetime) -> Delivery:
        """Send an event until it is settled, `until`, or patience is over.

        Every request carries the same identifier and payload. Never raises for an
        answer: the last attempt says what became of the event. An attempt with a
        code `check_…` was never sent.
        """
        deadline = self._timing.monotonic() + self._patience_s
        journey = Journey(event, until, deadline)
        unsent = self._unsendable(event)
        if unsent is not None:
            return Delivery((unsent,))
        if self._sink.batch > 1:
            await self._until_settled(journey, self._gathering.add)
        else:
            await self._patiently(journey)
        return Delivery(tuple(journey.attempts))

    async def close(self) -> None:
        """Wait for the requests on their way, and close the connections."""
        await self._gathering.close()
        await self._sink.close()

    async def _patiently(self, journey: Journey) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._in_turn(journey)
        except TimeoutError:
            self._unanswered(journey)

    async def _in_turn(self, journey: Journey) -> None:
        if not self._sink.serial:
            await self._until_settled(journey, self._alone)
            return
        lane = (journey.event.event_name, journey.event.customer)
        await self._lanes.enter(lane)
        try:
            await self._until_settled(journey, self._alone)
        finally:
            self._lanes.leave(lane)

    async def _until_settled(
        self, journey: Journey, ask: Callable[[Journey], Awaitable[Attempt | None]]
    ) -> None:
        while True:
            attempt = await ask(journey)
            if attempt is None:
                self._unanswered(journey)
                return
            journey.sending = None
            attempt = self._learned(attempt, journey)
            journey.attempts.append(attempt)
            if attempt.answer not in _AGAIN:
                return
            pause_s = self._pause_s(attempt, len(journey.attempts))
            if not self._time_left(journey, pause_s):
                return
            await self._timing.sleep(pause_s)

    async def _alone(self, journey: Journey) -> Attempt | None:
        async with self._slots:
            await self._place(1)
            if not self._sendable(journey):
                return None
            (attempt,) = await self._sink.send((journey.event,))
            return attempt

    async def _place(self, events: int) -> None:
        wait_s = self.pace.take(events)
        if wait_s > 0:
            self._observer.rate_waited(wait_s)
            await self._timing.sleep(wait_s)

    def _sendable(self, journey: Journey) -> bool:
        """Tell whether the event may be sent now, right before it is."""
        now = self._timing.now()
        if now >= journey.until or not self._stoppage.admit():
            return False
        journey.sending = now
        journey.epoch = self.pace.epoch
        return True

    def _learned(self, attempt: Attempt, journey: Journey) -> Attempt:
        """Take note of an answer; return it as it is to be understood."""
        self._observer.attempt(attempt.answer, attempt.latency_ms / 1000)
        if not attempt.answer.delivered:
            self.trouble = attempt
        self._stoppage.learn(attempt)
        # A lock is one customer's, who waits in a lane; 409 likewise.
        if attempt.status == 429 and attempt.code != "lock_timeout":
            pause_s = attempt.retry_after_s or 0.0
            if self.pace.slow_down(journey.epoch, pause_s):
                self._observer.pace_changed(self.pace.rate)
        if attempt.answer is Answer.REFUSED:
            return self._only_early(attempt, journey.event) or attempt
        return attempt

    def _only_early(self, attempt: Attempt, event: MeterEvent) -> Attempt | None:
        """Return a refusal as BUSY if the event's time is only too far ahead."""
        now = self._sinks_time()
        problem = untimely(event.timestamp, now) if now is not None else None
        if problem is None or problem.wait_s is None:
            return None
        return replace(attempt, answer=Answer.BUSY, retry_after_s=problem.wait_s)

    def _pause_s(self, last: Attempt, attempts: int) -> float:
        """Return a full-jitter pause, and never less than Stripe asks for."""
        most = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (attempts - 1))
        return (last.retry_after_s or 0.0) + self._timing.jitter() * most

    def _time_left(self, journey: Journey, pause_s: float) -> bool:
        timing = self._timing
        again_at = timing.now() + timedelta(seconds=pause_s)
        in_time = timing.monotonic() + pause_s < journey.deadline
        return in_time and again_at < journey.until and not self._stoppage.closed

    def _sinks_time(self) -> datetime | None:
        skew_s = self._sink.skew_s
        if skew_s is None:
            return None
        return self._timing.now() + timedelta(seconds=skew_s)

    def _unsendable(self, event: MeterEvent) -> Attempt | None:
        """Return the attempt of an event that is not worth a request."""
        meter = self._meters(event.event_name)
        problem = problem_of(event, meter, self._sinks_time())
        if problem is not None:
            return self._checked(problem)
        return self._stopped() if self._stoppage.closed else None

    def _checked(self, problem: Problem) -> Attempt:
        never = problem.wait_s is None
        return Attempt(
            Answer.REFUSED if never else Answer.BUSY,
            self._timing.now(),
            message=f"not sent: {problem.message}",
            code=problem.code,
            retry_after_s=problem.wait_s,
        )

    def _stopped(self) -> Attempt | None:
        closed_by = self._stoppage.attempt
        if closed_by is None:
            return None
        now = self._timing.now()
        return replace(closed_by, at=now, latency_ms=0, idempotency_key="")

    def _unanswered(self, journey: Journey) -> None:
        """Say what an event came to that was not sent, or not answered in time."""
        if journey.sending is not None:
            self._observer.attempt(Answer.UNKNOWN, self._patience_s)
            words = f"no answer within {self._patience_s:g} s"
            self.trouble = Attempt(Answer.UNKNOWN, journey.sending, message=words)
            journey.attempts.append(self.trouble)
        elif not journey.attempts:
            journey.attempts.append(self._unsent(journey))

    def _unsent(self, journey: Journey) -> Attempt:
        if self._timing.now() >= journey.until:
            words = "Stripe may have forgotten its identifier by now"
            return self._checked(Problem("check_until", words, 0.0))
        waited = f"it waited for others for {self._patience_s:g} s"
        return self._stopped() or self._checked(Problem("check_wait", waited, 0.0))
