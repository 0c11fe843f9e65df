"""Programs that run until they are killed."""

import asyncio
import itertools
import os
from pathlib import Path

from tests.support.contexts import CALLS
from tests.support.metering import library_context

from meterdeck.core.client import MeterClient

_CALLERS = 8


async def spool(url: str, root: Path, told: Path) -> None:
    """Count without an end; write down each call's id before it is made and after."""
    out = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    context = library_context(url, root, circuit_failures=1)

    async def caller(meter: MeterClient, number: int) -> None:
        for turn in itertools.count():
            call_id = f"{os.getpid()}-{number}-{turn}"
            os.write(out, f"asked {call_id}\n".encode())
            answer = await meter.consume("acme", {CALLS: 1}, call_id=call_id)
            if answer.allowed:
                os.write(out, f"answered {call_id}\n".encode())

    async with MeterClient.open(context) as meter:
        await asyncio.gather(*(caller(meter, number) for number in range(_CALLERS)))


async def replay(url: str, root: Path) -> None:
    """Count what others left, and wait."""
    async with MeterClient.open(library_context(url, root)):
        await asyncio.Event().wait()
