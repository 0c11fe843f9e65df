"""Calls under way in a client, which closing waits for."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType

from meterdeck.core.errors import BadInput


class Uses:
    """Use with `with` around each call: counts them, in the process it was made in."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._closing = False
        self._in_flight = 0
        self._idle = asyncio.Event()

    def __enter__(self) -> None:
        if os.getpid() != self._process:
            raise BadInput(
                "this client was opened before the process was forked;"
                " open one in each process"
            )
        if self._closing:
            raise BadInput("this client is closed; open another")
        self._in_flight += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()

    async def end(self) -> None:
        """Let no more begin, and wait for those under way."""
        self._closing = True
        while self._in_flight:
            self._idle.clear()
            await self._idle.wait()
