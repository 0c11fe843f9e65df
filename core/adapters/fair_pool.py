"""A pool whose connections are handed out in the order in which they were asked for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Protocol

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError

from meterdeck.core.adapters.only_reading import SENTENCE, only_reading
from meterdeck.core.errors import MeterdeckError, ProgramTooOld, ReadOnly


class Companion(Protocol):
    """Something that has connections of its own and ends with the pool."""

    async def aclose(self) -> None:
        """Give up the connections; called in the event loop they belong to."""


class Gate(Protocol):
    """What lets writes pass, or not; see `ContractDoor`.

    Attributes:
        sentence: Why they may not, as far as is known; empty: they may.
    """

    sentence: str

    async def enter(self) -> None:
        """Let a write pass.

        Raises:
            ProgramTooOld: It may not; nothing was sent.
            RedisUnreachable, RedisRefused: Nobody knows; nothing was sent.
        """


class FairPool(ConnectionPool):
    """Connections for many callers: first come, first served.

    The library's own blocking pool wakes a waiter and then lets whoever comes along
    take the connection before it: 192 of 200 busy callers never got one.

    An event loop that ends takes its connections along; the next loop makes new ones.

    Args:
        wait_s: Longest wait for a connection.
        reads_only: Refuse to send what writes; see `only_reading`.

    Attributes:
        companions: Closed with the pool, one for each event loop.
        follows: Whether a new connection may lead to another server than the last.
        gate: What lets writes pass; None: nobody asks.
    """

    follows = False
    gate: Gate | None = None

    def __init__(
        self,
        *,
        max_connections: int,
        wait_s: float,
        reads_only: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(max_connections=max_connections, **options)
        self.reads_only = reads_only
        self._wait_s = wait_s
        self._turns = asyncio.Semaphore(max_connections)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.companions: dict[asyncio.AbstractEventLoop, Companion] = {}

    def make_connection(self) -> AbstractConnection:
        """Return a new connection, which is not made yet."""
        connection: AbstractConnection = super().make_connection()  # type: ignore[no-untyped-call]  # the library's
        if self.reads_only or self.gate is not None:
            only_reading(connection, self.refusal)
        return connection

    def refusal(self) -> MeterdeckError | None:
        """Return why nothing may be written, as far as is known; None: it may."""
        if self.reads_only:
            return ReadOnly(SENTENCE)
        if self.gate is not None and self.gate.sentence:
            return ProgramTooOld(self.gate.sentence)
        return None

    def refuse_write(self) -> None:
        """Let what writes pass, where that is allowed.

        Raises:
            ReadOnly, ProgramTooOld: It is not.
        """
        # Asked by every call of an application, which has neither.
        if self.reads_only or self.gate is not None:
            refused = self.refusal()
            if refused is not None:
                raise refused

    async def enter(self) -> None:
        """Let a write pass, having asked the gate.

        Raises:
            ReadOnly, ProgramTooOld: It may not; nothing was sent.
            RedisUnreachable, RedisRefused: Nobody knows; nothing was sent.
        """
        if self.gate is not None and not self.reads_only:
            await self.gate.enter()
        self.refuse_write()

    async def get_connection(
        self, command_name: Any = None, *keys: Any, **options: Any
    ) -> AbstractConnection:
        """Return a connection that is made, after whoever asked before.

        Raises:
            ConnectionError: There is none, or none became free in time.
        """
        await self._enter_loop()
        try:
            if self._turns.locked():
                async with asyncio.timeout(self._wait_s):
                    await self._turns.acquire()
            else:
                await self._turns.acquire()
        except TimeoutError as error:
            raise ConnectionError("No connection available.") from error
        # Whoever has a turn has a connection: there are as many of both.
        connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]  # the library's
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Give a connection back to whoever waits longest."""
        try:
            await super().release(connection)
        finally:
            self._turns.release()

    async def aclose(self) -> None:
        """Close all connections; what is on its way is lost."""
        companion = self.companions.pop(asyncio.get_running_loop(), None)
        if companion is not None:
            await companion.aclose()
        await super().aclose()

    async def _enter_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None:
            for connection in self._available_connections:
                with suppress(RuntimeError):  # its loop is closed, and so is it
                    await connection.disconnect(nowait=True)
            self.reset()  # type: ignore[no-untyped-call]  # the library's
            self._lock = asyncio.Lock()
            self._turns = asyncio.Semaphore(self.max_connections)
        self._loop = loop
