"""Watching: yields what changed, for as long as somebody listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence

from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.watch_loop import Sources, View, WatchLoop

_HEARTBEAT_S = 1.0
_AHEAD = 2  # updates made before the reader has taken the last one


class Watch:
    """Watches the counters, overrides, events and tenants of one context."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._view = View()
        self._loop: asyncio.AbstractEventLoop | None = None

    def focus(self, tenants: Sequence[TenantId]) -> None:
        """Read these every second, whatever the fleet's size; call from any thread."""
        focus = tuple(tenants)
        new = not set(focus) <= set(self._view.focus)
        self._view.focus = focus
        if new:
            self.poke()

    def poke(self) -> None:
        """Look now and not only in a second; call from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._view.wake.set)

    async def updates(self) -> AsyncGenerator[WatchUpdate, None]:
        """Yield updates: the cached directory, then counters, then what changes.

        At least one a second, whatever the servers do: one that is away is told by
        its `Health`, and tried again at most two seconds later. The first update
        after that holds fresh values of everything in focus. Close the generator
        (`contextlib.aclosing`) to end its tasks; only one can run at a time.
        """
        self._loop = asyncio.get_running_loop()
        self._view.wake.clear()
        ahead: asyncio.Queue[WatchUpdate] = asyncio.Queue(maxsize=_AHEAD)
        loop = WatchLoop(self._sources, self._view, ahead)
        tasks = [asyncio.create_task(work) for work in loop.works()]
        try:
            while True:
                try:
                    async with asyncio.timeout(_HEARTBEAT_S):
                        update = await ahead.get()
                except TimeoutError:
                    update = loop.report.update()
                yield update
                for task in tasks:
                    if task.done():
                        task.result()  # never ends by itself but by a fault of ours
        finally:
            self._loop = None
            await _end(tasks)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    # More than once: Python 3.11's wait_for, which the Redis client uses, loses a
    # cancellation that comes just when what it waits for is done.
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_HEARTBEAT_S / 10)
