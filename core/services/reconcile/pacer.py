"""Keeps requests apart, so that many callers together stay below a rate."""

from __future__ import annotations

import asyncio
import time


class Pacer:
    """Gives turns, at most `per_second` of them a second, in the order of asking."""

    def __init__(self, per_second: float) -> None:
        self._apart_s = 1.0 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = time.monotonic()
        mine = max(now, self._next)
        self._next = mine + self._apart_s
        if mine > now:
            await asyncio.sleep(mine - now)
