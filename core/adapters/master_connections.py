"""The connections to a master, which leave it together when it is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from redis.exceptions import RedisError

from meterdeck.core.adapters.master_finder import Address

_HOLD_S = 3.0
"""Longest wait for a promotion that was announced; measured: 1.2 s."""

_GRACE_S = 0.25
"""How long a server that is no longer the master may take for its last answers."""


class MasterConnections:
    """All connections made in one event loop, lanes' and callers'.

    A connection is left between two exchanges: it is marked, and whoever has it makes
    it anew before it sends anything, which waits until there is a master again.
    """

    def __init__(self, find: Callable[[], Awaitable[Address]]) -> None:
        self._find = find
        self._made: WeakSet[Any] = WeakSet()
        self._loop = asyncio.get_running_loop()
        self._settled = asyncio.Event()
        self._settled.set()
        self._deadline: asyncio.TimerHandle | None = None
        self._address: Address | None = None

    def add(self, connection: Any) -> None:
        """Take in a connection that is made, or will be."""
        self._made.add(connection)

    async def address(self) -> Address:
        """Return where the master is, once nobody is about to take its place.

        Raises:
            MasterNotFoundError: As `MasterFinder.discover_master`.
        """
        await self._settled.wait()
        found = await self._find()
        if self._address not in (None, found):  # nobody announced it to us
            self._leave_all_but(found)
        self._address = found
        return found

    def hold(self) -> None:
        """Send nothing to the master: what it confirms now may be lost.

        Ends with an announcement, or when a promotion takes too long to be believed.
        """
        self._settled.clear()
        self._leave_all_but(None)
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(_HOLD_S, self.go_on)

    def go_on(self) -> None:
        """Go on at the same master."""
        self._settled.set()
        if self._deadline is not None:
            self._deadline.cancel()

    def moved(self, address: Address) -> None:
        """Leave every other server; what it has not answered soon is unknown."""
        self.go_on()
        self._address = address
        left = self._leave_all_but(address)
        open_ones = [(each, each._writer) for each in left if each.is_connected]
        if open_ones:
            self._loop.call_later(_GRACE_S, _cut, open_ones)

    async def look(self) -> None:
        """Find out whether the master changed unnoticed."""
        before = self._address
        if before is None:
            return
        with suppress(RedisError, OSError):
            found = await self._find()
            if found != before:
                self.moved(found)

    def _leave_all_but(self, address: Address | None) -> list[Any]:
        left = [each for each in self._made if _place(each) != address]
        for each in left:
            each.mark_for_reconnect()
        return left


def _place(connection: Any) -> Address:
    return connection.host, int(connection.port)


def _cut(connections: list[tuple[Any, asyncio.StreamWriter]]) -> None:
    for connection, writer in connections:
        if connection._writer is writer:
            # Not by the library's own means: whoever waits for an answer over it
            # would then find it ready to be connected to the same server.
            writer.transport.abort()
