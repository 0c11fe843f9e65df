"""Gathers events that are to be sent together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from meterdeck.core.model.delivery import Attempt
from meterdeck.core.model.events import MeterEvent

# So long a part of a batch waits for more, and only while others are on their way.
_LINGER_S = 0.05


class _Parcel:
    """One event on its way with others, and its answer."""

    __slots__ = ("answered", "event", "sendable")

    def __init__(
        self,
        event: MeterEvent,
        answered: asyncio.Future[Attempt | None],
        sendable: Callable[[], bool],
    ) -> None:
        self.event = event
        self.answered = answered
        self.sendable = sendable


class Gathering:
    """Sends events in batches of up to `size`, `at_once` batches at a time.

    A full batch goes at once; so does what there is when nothing is on its way. Else
    the rest waits for more, a twentieth of a second at most.

    Args:
        place: Waits until so many events may be sent.
        send: Sends events once; one attempt for each.
    """

    def __init__(
        self,
        *,
        size: int,
        at_once: int,
        place: Callable[[int], Awaitable[None]],
        send: Callable[[Sequence[MeterEvent]], Awaitable[Sequence[Attempt]]],
    ) -> None:
        self._size = size
        self._at_once = at_once
        self._place = place
        self._send = send
        self._waiting: deque[_Parcel] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._linger: asyncio.TimerHandle | None = None

    def add(
        self, event: MeterEvent, sendable: Callable[[], bool]
    ) -> asyncio.Future[Attempt | None]:
        """Take an event; return its answer, None if it was not sent after all.

        Cancelling the answer takes the event out, if it is not sent yet.

        Args:
            sendable: Asked right before it is sent.
        """
        loop = asyncio.get_running_loop()
        parcel = _Parcel(event, loop.create_future(), sendable)
        self._waiting.append(parcel)
        if len(self._running) < self._at_once:
            if not self._running or len(self._waiting) >= self._size:
                self._start()
            elif self._linger is None:
                self._linger = loop.call_later(_LINGER_S, self._lingered)
        return parcel.answered

    async def close(self) -> None:
        """Wait for what is on its way."""
        while self._running:
            await asyncio.wait(self._running)

    def _lingered(self) -> None:
        self._linger = None
        if self._waiting and len(self._running) < self._at_once:
            self._start()

    def _start(self) -> None:
        task = asyncio.get_running_loop().create_task(self._run())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self) -> None:
        while True:
            batch = self._next()
            if batch:
                await self._one(batch)
            alone = len(self._running) == 1
            if not self._waiting or (not alone and len(self._waiting) < self._size):
                return

    def _next(self) -> list[_Parcel]:
        batch: list[_Parcel] = []
        while self._waiting and len(batch) < self._size:
            parcel = self._waiting.popleft()
            if not parcel.answered.done():
                batch.append(parcel)
        return batch

    async def _one(self, batch: Sequence[_Parcel]) -> None:
        try:
            await self._place(len(batch))
            going = [each for each in batch if _goes(each)]
            attempts = await self._send([each.event for each in going]) if going else []
        except asyncio.CancelledError:
            for each in batch:
                each.answered.cancel()
            raise
        except Exception as error:
            # A fault of ours: it is raised where somebody waits, and nobody hangs.
            for each in batch:
                if not each.answered.done():
                    each.answered.set_exception(error)
            return
        for each, attempt in zip(going, attempts, strict=True):
            if not each.answered.done():
                each.answered.set_result(attempt)


def _goes(parcel: _Parcel) -> bool:
    if parcel.answered.done():
        return False
    if not parcel.sendable():
        parcel.answered.set_result(None)
        return False
    return True
