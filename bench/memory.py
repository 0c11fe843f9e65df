"""What a counter costs in the server's memory: bytes, which no load changes."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Awaitable, Callable

import redis.asyncio as redis_py

from bench.contenders import (
    FAR,
    RESOURCE,
    context,
    counter,
    directory_entry,
)
from bench.machine import taken_on, versions
from bench.report import Row, Section, Target, spread
from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.services.usage import UsageService

COUNTERS = 20_000
"""So many at once: what the server holds for itself is then no part of the figure."""

_TTL_S = 35 * 86_400
_AT_ONCE = 500
_LAYOUT = KeyLayout()
Step = Callable[[str], Awaitable[object]]


async def run(url: str, *, rounds: int) -> Section:
    """Fill an empty server step by step, and see what each step added."""
    rows: dict[str, list[float]] = {}
    for _ in range(rounds):
        async with redis_py.Redis.from_url(url, max_connections=_AT_ONCE) as client:
            await _legacy(client, rows)
            await _counted(client, url, rows)
    targets = {
        _EXTRA: Target(200, at_most=True, unit="B"),
        _READ: Target(0, at_most=True),
    }
    return Section(
        "memory",
        f"{taken_on()}; {versions('redis')}. {COUNTERS:,} tenants with names of 13"
        f" characters and one counter each, {rounds} rounds; `used_memory` before and"
        " after, divided by the number of counters.",
        [
            Row(
                what,
                spread(values),
                "keys" if what == _READ else "B",
                target=targets.get(what),
            )
            for what, values in rows.items()
        ],
    )


_PLAIN = "legacy counter, by `INCR` and `EXPIRE`"
_READ = "… what reading its usage adds to it"
_OURS = "counter, by `consume`"
_EXTRA = "… what it costs more than the legacy one"
_CALL = "answer kept for a call with an id, for ten minutes"
_ENTRY = "tenant's directory entry"


async def _legacy(client: redis_py.Redis, rows: dict[str, list[float]]) -> None:
    await _empty(client)

    async def count(name: str) -> None:
        pipeline = client.pipeline(transaction=False)
        pipeline.incr(counter(name))
        pipeline.expire(counter(name), _TTL_S)
        await pipeline.execute()

    rows.setdefault(_PLAIN, []).append(await _added(client, count))


async def _counted(
    client: redis_py.Redis, url: str, rows: dict[str, list[float]]
) -> None:
    settings = context(url, FAR)
    ours = open_redis(settings.redis)
    service = UsageService(ours, settings)
    try:
        await service.consume("warm", {RESOURCE: 1})
        keys = await client.dbsize()
        await _added(client, service.usage)
        rows.setdefault(_READ, []).append(await client.dbsize() - keys)
        await _empty(client)

        async def consume(name: str) -> None:
            await service.consume(name, {RESOURCE: 1})

        async def repeatable(name: str) -> None:
            await service.consume(name, {RESOURCE: 1}, call_id=f"call-{name}")

        async def enter(name: str) -> None:
            key = _LAYOUT.tenant(name).decode()
            await client.hset(key, items=directory_entry(FAR))

        counted = await _added(client, consume)
        rows.setdefault(_OURS, []).append(counted)
        rows.setdefault(_EXTRA, []).append(counted - rows[_PLAIN][-1])
        rows.setdefault(_CALL, []).append(await _added(client, repeatable))
        rows.setdefault(_ENTRY, []).append(await _added(client, enter))
    finally:
        await ours.aclose()


async def _added(client: redis_py.Redis, step: Step) -> float:
    """Take the step for every tenant; return the bytes it added for each."""
    before = await _used(client)
    for first in range(0, COUNTERS, _AT_ONCE):
        names = [f"t{index:012d}" for index in range(first, first + _AT_ONCE)]
        await gather(*(step(name) for name in names))
    return (await _used(client) - before) / COUNTERS


async def _used(client: redis_py.Redis) -> int:
    about = await client.info("memory")
    on_their_way = ("mem_clients_normal", "mem_aof_buffer")
    return int(about["used_memory"]) - sum(int(about[name]) for name in on_their_way)


async def _empty(client: redis_py.Redis) -> None:
    # In the background it would still be emptied while the next step is measured.
    await client.execute_command("FLUSHALL", "SYNC")  # type: ignore[no-untyped-call]
