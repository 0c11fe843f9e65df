"""Programs that run until they are killed: `python doomed.py spool|replay URL ROOT`."""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from tests.support.contexts import CALLS
from tests.support.metering import library_context

from meterdeck.core.client import MeterClient

_CALLERS = 8


async def spool(url: str, root: Path) -> None:
    """Count without an end; print each call's id before it is made and after."""
    context = library_context(url, root, circuit_failures=1)

    async def caller(meter: MeterClient, number: int) -> None:
        for turn in itertools.count():
            call_id = f"{os.getpid()}-{number}-{turn}"
            os.write(1, f"asked {call_id}\n".encode())
            answer = await meter.consume("acme", {CALLS: 1}, call_id=call_id)
            if answer.allowed:
                os.write(1, f"answered {call_id}\n".encode())

    async with MeterClient.open(context) as meter:
        await asyncio.gather(*(caller(meter, number) for number in range(_CALLERS)))


async def replay(url: str, root: Path) -> None:
    """Count what others left, and wait."""
    async with MeterClient.open(library_context(url, root)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    work = {"spool": spool, "replay": replay}[sys.argv[1]]
    asyncio.run(work(sys.argv[2], Path(sys.argv[3])))
