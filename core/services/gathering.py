"""Gathers events that are to be sent together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from meterdeck.core.model.delivery import Attempt
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.services.journey import Journey

# So long a part of a batch waits for more, and only while others are on their way.
_LINGER_S = 0.05
# One look over all of them: a timer for each would cost as much as the rest of it.
_LOOK_S = 0.1

_Answered = asyncio.Future[Attempt | None]
_Batch = list[tuple[Journey, _Answered]]


class Gathering:
    """Sends events in batches of up to `size`, `at_once` batches at a time.

    A full batch goes at once; so does what there is when nothing is on its way. Else
    the rest waits for more, a twentieth of a second at most.

    Args:
        place: Waits until so many events may be sent.
        sendable: Asked of each event right before it is sent.
        send: Sends events once; one attempt for each.
        monotonic: The clock of the journeys' deadlines.
    """

    def __init__(
        self,
        *,
        size: int,
        at_once: int,
        place: Callable[[int], Awaitable[None]],
        sendable: Callable[[Journey], bool],
        send: Callable[[Sequence[MeterEvent]], Awaitable[Sequence[Attempt]]],
        monotonic: Callable[[], float],
    ) -> None:
        self._size = size
        self._at_once = at_once
        self._place = place
        self._sendable = sendable
        self._send = send
        self._monotonic = monotonic
        self._waiting: deque[tuple[Journey, _Answered]] = deque()
        self._running: dict[asyncio.Task[None], _Batch] = {}
        self._linger: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None

    def add(self, journey: Journey) -> _Answered:
        """Take an event; return its answer.

        None: it was not sent after all, or its deadline has passed. Cancelling the
        answer takes the event out, if it is not sent yet.
        """
        loop = asyncio.get_running_loop()
        answered: _Answered = loop.create_future()
        self._waiting.append((journey, answered))
        self._wake()
        if self._look is None:
            self._look = loop.call_later(_LOOK_S, self._cut_short)
        return answered

    async def close(self) -> None:
        """Wait for what is on its way."""
        while self._running:
            await asyncio.wait(self._running)

    def _wake(self, *, lingered: bool = False) -> None:
        """Begin a batch, now or in a moment, if there is one to begin."""
        running = len(self._running)
        if not self._waiting or running >= self._at_once:
            return  # the end of a batch comes here again
        loop = asyncio.get_running_loop()
        if lingered or not running or len(self._waiting) >= self._size:
            self._running[loop.create_task(self._run())] = []
        elif self._linger is None:
            self._linger = loop.call_later(_LINGER_S, self._lingered)

    def _lingered(self) -> None:
        self._linger = None
        self._wake(lingered=True)

    def _cut_short(self) -> None:
        """Answer those whose deadline has passed, wherever they are."""
        self._look = None
        now = self._monotonic()
        for on_its_way in (self._waiting, *self._running.values()):
            for journey, answered in on_its_way:
                if now >= journey.deadline and not answered.done():
                    answered.set_result(None)
        if self._waiting or self._running:
            loop = asyncio.get_running_loop()
            self._look = loop.call_later(_LOOK_S, self._cut_short)

    async def _run(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            batch = self._running[task] = self._next()
            if batch:
                await self._one(batch)
        finally:
            del self._running[task]
            self._wake()

    def _next(self) -> _Batch:
        batch: _Batch = []
        while self._waiting and len(batch) < self._size:
            taken = self._waiting.popleft()
            if not taken[1].done():
                batch.append(taken)
        return batch

    async def _one(self, batch: _Batch) -> None:
        try:
            await self._place(len(batch))
            going = [each for each in batch if self._goes(*each)]
            events = [journey.event for journey, _ in going]
            attempts = await self._send(events) if events else ()
        except asyncio.CancelledError:
            for _, answered in batch:
                answered.cancel()
            raise
        except Exception as error:
            # A fault of ours: it is raised where somebody waits, and nobody hangs.
            for _, answered in batch:
                if not answered.done():
                    answered.set_exception(error)
            return
        for (_, answered), attempt in zip(going, attempts, strict=True):
            if not answered.done():
                answered.set_result(attempt)

    def _goes(self, journey: Journey, answered: _Answered) -> bool:
        if answered.done():
            return False
        if not self._sendable(journey):
            answered.set_result(None)
            return False
        return True
