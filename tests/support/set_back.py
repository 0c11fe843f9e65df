"""A Redis that comes back with older data: a copy that is put back, and works."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.support.contexts import CALLS
from tests.support.delivering import Bench

from meterdeck.core.adapters.redis_client import to_milliseconds
from meterdeck.core.model.context import Context
from meterdeck.core.model.usage import BilledBy
from meterdeck.core.services.sync.worker import Worker

LONG_AGO = timedelta(hours=6)
NOT_LATE = timedelta(0)
"""Stripe's summaries show what was sent before a server began to run."""
Copy = dict[bytes | str, bytes]


async def work(bench: Bench, summary_lag: timedelta = NOT_LATE) -> Worker:
    """Send all that is unsent by a worker that has just begun; return it, ended."""
    async with Worker(bench.context, hasty=True, summary_lag=summary_lag) as worker:
        await worker.run_once(lambda text: None)
    return worker


async def copy_of(bench: Bench) -> Copy:
    """Take a backup."""
    keys = await bench.redis.keys("*")
    found = {key: await bench.redis.dump(key) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


async def put_back(bench: Bench, copy: Copy) -> None:
    """Have nothing but the copy: of long ago, in a life of its own."""
    layout = bench.context.redis.layout
    await bench.redis.flushall()
    for key, value in copy.items():
        await bench.redis.restore(key, 0, value)
    lines = await bench.redis.xrange(layout.events()) or []
    await bench.redis.delete(layout.events())
    at = to_milliseconds(await bench.now() - LONG_AGO)
    for number, (_, fields) in enumerate(lines, 1):
        line: dict[Any, Any] = {**(fields or {})}
        await bench.redis.xadd(layout.events(), line, id=f"{at}-{number}")
    await bench.redis.hset(layout.syncing().decode(), "compared_in", "another life")


async def queued_ago(bench: Bench, hours: dict[str, int]) -> None:
    """Let each tenant's event have waited in the queue for so many hours."""
    queue = bench.context.redis.layout.queue("")
    entries = await bench.redis.xrange(queue) or []
    await bench.redis.delete(queue)
    lines = {(fields or {})[b"tenant"]: fields for _, fields in entries}
    for tenant, ago in sorted(hours.items(), key=lambda each: -each[1]):
        at = to_milliseconds(await bench.now() - timedelta(hours=ago))
        line: dict[Any, Any] = {**(lines[tenant.encode()] or {})}
        await bench.redis.xadd(queue, line, id=f"{at}-0")


def by_events(context: Context) -> Context:
    """Return the same, whose calls are billed by events of their own."""
    resources = tuple(
        replace(each, billed_by=BilledBy.EVENTS) if each.name == CALLS else each
        for each in context.resources
    )
    return replace(context, resources=resources)
