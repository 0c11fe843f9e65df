"""Redis out of reach, and what a process left that died meanwhile: for the library."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tests.support.contexts import CALLS
from tests.support.metering import replayed, spooled, until
from tests.support.proxy import Proxy

from meterdeck.core.adapters.spool import SpoolFolder
from meterdeck.core.adapters.spool_records import encode
from meterdeck.core.adapters.spool_root import found_spools, open_root
from meterdeck.core.client import MeterClient
from meterdeck.core.model.context import Context
from meterdeck.core.model.degraded import SpooledCall
from meterdeck.core.model.usage import TenantId

NOWHERE = "redis://127.0.0.1:1/0"


def elsewhere(context: Context, url: str) -> Context:
    """Return `context` on another server."""
    return replace(context, redis=replace(context.redis, url=url))


@asynccontextmanager
async def through_a_proxy(
    context: Context,
) -> AsyncIterator[tuple[Proxy, MeterClient]]:
    """Open a client that reaches its server through a proxy."""
    async with (
        Proxy(context.redis.url) as proxy,
        MeterClient.open(elsewhere(context, proxy.url)) as meter,
    ):
        # The answer to its first look must not be the one that is lost.
        await until(lambda: meter._recovery._look_at > 0)
        yield proxy, meter


def spooled_call(
    at: datetime, *, call_id: str = "req-1", **more: object
) -> SpooledCall:
    """Return a call of acme's, of one API call unless told otherwise."""
    plain = SpooledCall(call_id, TenantId("acme"), ((CALLS, 1),), at, True, False)
    return replace(plain, **more)  # type: ignore[arg-type]  # by name


def left_behind(
    root: Path, *calls: SpooledCall, begun_at: datetime | None = None
) -> None:
    """Leave what a process leaves that died; with `begun_at`, while it counted."""
    open_root(root)
    folder = SpoolFolder.create(root)
    folder.append(b"".join(map(encode, calls)))
    if begun_at is not None:
        folder.begin(folder.next_batch(100), begun_at)
    folder.close()


async def settled(context: Context) -> int:
    """Let a client replay what was left, and return how many calls it put aside."""
    async with MeterClient.open(context) as meter:
        await until(lambda: spooled(meter).replayed + spooled(meter).unsettled > 0)
        await replayed(meter)
        await until(lambda: len(found_spools(spooled(meter).directory)) == 1)
        return spooled(meter).unsettled
