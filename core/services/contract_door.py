"""The door for what writes: closed to a program that is older than the database."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from meterdeck.core.adapters.contract_calls import read_contract
from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import ProgramTooOld, Unreachable
from meterdeck.core.model.contract import Contract, why_not_writing
from meterdeck.core.model.keys import KeyLayout

KNOWN_S = 30.0
"""So long what was read is believed: within it every program knows."""
_AGAIN_S = 5.0


class ContractDoor:
    """Knows whether this program may write; looks again when that was long ago.

    Attributes:
        sentence: Why it may not, as far as is known; empty: it may.
    """

    def __init__(self, redis: Redis, layout: KeyLayout) -> None:
        self._redis = redis
        self._layout = layout
        self._until = 0.0
        self.sentence = ""

    async def look(self) -> Contract:
        """Read what the database says, and open or close.

        Raises:
            RedisUnreachable, RedisRefused: It could not be read; it stays as it was.
        """
        found = await read_contract(self._redis, self._layout)
        self.sentence = why_not_writing(found)
        self._until = time.monotonic() + KNOWN_S
        return found

    async def watch(self) -> None:
        """Look again and again, while it is open.

        Raises:
            ProgramTooOld: It was closed.
        """
        while not self.sentence:
            await asyncio.sleep(_AGAIN_S)
            with suppress(Unreachable):
                await self.look()
        raise ProgramTooOld(self.sentence)

    @property
    def open(self) -> bool:
        """Whether it was read once, and this program may write."""
        return self._until > 0 and not self.sentence

    async def enter_once_known(self) -> None:
        """Let a write pass by what was read last; somebody else looks again.

        Raises:
            As `enter`.
        """
        if not self._until:
            await self.look()
        if self.sentence:
            raise ProgramTooOld(self.sentence)

    async def enter(self) -> None:
        """Let a write pass.

        Raises:
            ProgramTooOld: It may not; nothing was sent.
            RedisUnreachable, RedisRefused: Nobody knows; nothing was sent.
        """
        if self.sentence or time.monotonic() >= self._until:
            await self.look()
        if self.sentence:
            raise ProgramTooOld(self.sentence)
