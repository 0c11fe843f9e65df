"""Work until somebody says it is enough: a signal, or the end of the input."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


async def until_ended(
    work: Coroutine[None, None, None], *, with_input: bool = False
) -> None:
    """Run `work` until it ends, or cancel it on SIGTERM, SIGINT or SIGHUP.

    Whatever `work` does to clean up is waited for; a second signal does not hurry
    it. A signal that this process was started to ignore (`nohup`, a background job)
    stays ignored.

    Args:
        with_input: Also end when the standard input ends: its other side is gone.
    """
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in _SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            loop.add_signal_handler(signum, end.set)
    if with_input:
        _on_end_of_input(loop, end)
    task = asyncio.create_task(work)
    ended = asyncio.create_task(end.wait())
    try:
        await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()
        if not task.done():
            task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        if not end.is_set():
            raise


def _on_end_of_input(loop: asyncio.AbstractEventLoop, end: asyncio.Event) -> None:
    descriptor = sys.stdin.fileno()

    def look() -> None:
        try:
            more = os.read(descriptor, 4096)
        except OSError:
            more = b""
        if not more:
            loop.remove_reader(descriptor)
            end.set()

    loop.add_reader(descriptor, look)
