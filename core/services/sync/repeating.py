"""Work that is done again and again, and what keeps it from being done."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.services.sync import journal

IDLE_S = 0.1
"""Seconds before a look for more work, where there was none."""
TRY_AGAIN_S = 0.5
"""Seconds before another attempt, where a server is away."""


def survived(
    name: str, duty: Callable[[], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    """Return a duty whose own mistakes are written down: deliveries go on."""

    async def attempt() -> None:
        try:
            await duty()
        except MeterdeckError:
            raise
        except Exception as error:  # a bug there must not keep anything from Stripe
            trace = traceback.format_exc(limit=-4)
            journal.error("duty_failed", duty=name, error=repr(error), trace=trace)

    return attempt


class Complaints:
    """What does not work now; each sentence goes into the journal once."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def complain(self, name: str, error: MeterdeckError) -> None:
        """Note why some work cannot be done."""
        text = str(error)
        if self._said.get(name) != text:
            self._said[name] = text
            journal.say(logging.WARNING, f"{name}_waits", reason=text)

    def fine(self, name: str) -> None:
        """Note that it was done."""
        if self._said.pop(name, None) is not None:
            journal.info(f"{name}_goes_on")

    @property
    def first(self) -> str:
        """The oldest one; empty where there is none."""
        return next(iter(self._said.values()), "")


class Repeating:
    """Repeats work until it is cancelled; servers that are away are waited for."""

    def __init__(self, complaints: Complaints, ready: asyncio.Event) -> None:
        self._complaints = complaints
        self._ready = ready

    async def every(
        self, seconds: float, name: str, work: Callable[[], Awaitable[None]]
    ) -> None:
        """Do `work` again and again, whatever it answers; once all is ready."""
        await self._ready.wait()
        while True:
            try:
                await work()
            except MeterdeckError as error:
                self._complaints.complain(name, error)
            else:
                self._complaints.fine(name)
            await asyncio.sleep(seconds)

    async def while_any(self, name: str, work: Callable[[], Awaitable[bool]]) -> None:
        """Do `work` as long as there is any, and look again a moment later."""
        await self._ready.wait()
        while True:
            try:
                if not await work():
                    await asyncio.sleep(IDLE_S)
                    continue
            except MeterdeckError as error:
                self._complaints.complain(name, error)
                await asyncio.sleep(TRY_AGAIN_S)
            else:
                self._complaints.fine(name)

    async def paced(self, name: str, work: Callable[[], Awaitable[float]]) -> None:
        """Do `work` again and again; it answers how many seconds to rest."""
        await self._ready.wait()
        while True:
            try:
                rest_s = await work()
            except MeterdeckError as error:
                self._complaints.complain(name, error)
                rest_s = TRY_AGAIN_S
            else:
                self._complaints.fine(name)
            await asyncio.sleep(rest_s)
