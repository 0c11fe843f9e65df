"""What a client opens on a context, besides itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.usage import OnFault
from meterdeck.core.services.spooling import Spool
from meterdeck.core.settings import spool_directory


def hurried(context: Context) -> RedisOptions:
    """Return how an application's own calls reach Redis: with little patience."""
    # Half of the deadline: a lost answer can be asked for again within it, and a
    # connection that was never made is told from a call that was lost.
    most_s = context.library.call_timeout_s / 2
    return replace(context.redis, timeout_s=min(context.redis.timeout_s, most_s))


async def open_spool(context: Context) -> Spool | None:
    """Open the context's spool; None where nothing can be in it.

    Raises:
        ConfigError: Its directory cannot be used.
    """
    root = spool_directory(context)
    fails_open = any(each.on_fault is OnFault.FAIL_OPEN for each in context.resources)
    # Without such a resource there may still be what was spooled when there was one.
    if not fails_open and not root.is_dir():
        return None
    spool = Spool(root, context.library.spool_bytes)
    await spool.open()
    return spool


async def end(task: asyncio.Task[None]) -> None:
    """Stop a task and wait until it has."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
