"""Lanes in which one goes after the other, in order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable


class SerialLanes:
    """One lane a key; a lane that nobody is in takes no memory."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        """Count the lanes that somebody is in."""
        return len(self._lanes)

    async def enter(self, key: Hashable) -> None:
        """Wait until the lane is free, and take it; cancelling gives the place up."""
        waiting = self._lanes.get(key)
        if waiting is None:
            self._lanes[key] = deque()
            return
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(key)  # it was this one's turn already: pass it on
            raise

    def leave(self, key: Hashable) -> None:
        """Give the lane to the next one waiting."""
        waiting = self._lanes[key]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._lanes[key]
