"""Watching while servers are slow, gone or back, and a fleet too large to read."""

import asyncio
import sys
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.watching import (
    CALLS,
    following,
    tenant_of,
    watch_context,
    watched,
)

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.fleet_update import Reach
from meterdeck.core.model.usage import TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.engine import Engine

LARGE = 20_000


async def keys_of(client: Redis, context: Context, tenants: list[str]) -> list[bytes]:
    """Counters of calls in the server's present month."""
    month = (await server_time(client)).strftime("%Y-%m")
    return [context.redis.layout.counter(t, CALLS.name, month) for t in tenants]


async def test_a_killed_server_is_told_and_found_again_with_its_data(
    tmp_path: Path,
) -> None:
    """Down with a sentence and the last time it answered; then fresh values."""
    async with Valkey(data_dir=tmp_path, settings={"appendfsync": "always"}) as server:
        context = watch_context(server.url)
        async with open_redis(context.redis) as client:
            (key,) = await keys_of(client, context, ["acme"])
            await client.set(key, 41)
        async with watched(context) as (_, seen):
            await seen.until(lambda: seen.used("acme") == 41)

            await server.kill()
            await seen.until(lambda: seen.last.redis.reach is Reach.DOWN)
            down = seen.last.redis
            count = len(seen.updates)
            await seen.until(lambda: len(seen.updates) >= count + 3)
            await server.start()
            async with open_redis(context.redis) as client:
                await client.incr(key)
            count = len(seen.updates)
            await seen.until(lambda: seen.last.redis.reach is Reach.OK)
            back = next(u for u in seen.updates[count:] if u.redis.reach is Reach.OK)
            await seen.until(lambda: seen.used("acme") == 42)

    assert down.message
    assert down.last_ok is not None
    assert [list(batch.used) for batch in back.counters] == [[42]]


async def test_a_server_that_is_away_from_the_start_is_no_error(tmp_path: Path) -> None:
    """Updates say so; the counters come when the server does."""
    server = Valkey(data_dir=tmp_path)
    async with server:
        context = watch_context(server.url)
    async with watched(context) as (_, seen):
        await seen.until(lambda: bool(seen.updates))
        await seen.until(lambda: seen.last.redis.reach is Reach.DOWN)
        async with server:
            await seen.until(lambda: seen.last.redis.reach is Reach.OK)
            await seen.until(lambda: seen.last.counters_at is not None)


async def test_a_frozen_server_never_stops_the_updates(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Reads that hang leave updates whose age grows, then a sentence, then values."""
    context = watch_context(valkey.url, redis=RedisOptions(valkey.url, timeout_s=4.0))
    async with watched(context) as (_, seen):
        await seen.until(lambda: seen.last.counters_at is not None)
        seen.gaps.clear()

        await valkey_client.client_pause(3500)
        frozen = seen.last.redis.last_ok
        count = len(seen.updates)
        await seen.until(lambda: len(seen.updates) >= count + 2)
        during = seen.last
        await seen.until(lambda: seen.last.redis.last_ok != during.redis.last_ok)

    assert frozen is not None
    assert during.redis.last_ok is not None
    assert (during.at - during.redis.last_ok).total_seconds() >= 0.5


async def test_another_database_behind_the_same_address_is_read_anew(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """FLUSHALL sets the change index back; counters, log and index go on."""
    context = watch_context(valkey.url)
    async with watched(context) as (engine, seen):
        for _ in range(3):
            await engine.usage.consume("acme", {CALLS.name: 2})
        await seen.until(lambda: seen.used("acme") == 6)
        await valkey_client.flushall()
        await seen.until(lambda: seen.used("acme") is None)
        await engine.usage.consume("acme", {CALLS.name: 1})
        await engine.usage.consume("beta", {CALLS.name: 1})
        await seen.until(lambda: seen.used("acme") == 1)
        await seen.until(lambda: seen.used("beta") == 1)

        # Overrides are read again only where the change index says so.
        await engine.changes.set_override(
            TenantId("beta"), CALLS.name, None,
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            actor=Actor("ada", "local"), reason="until friday", operation_id="op-1",
        )  # fmt: skip
        await seen.until(lambda: any(update.overrides for update in seen.updates))


async def _large(engine: Engine, client: Redis, context: Context) -> list[str]:
    names = [f"tenant-{number:05d}" for number in range(LARGE // 2)]
    await engine.directory.save(tenant_of(name) for name in names)
    keys = await keys_of(client, context, names)
    await client.mset(dict.fromkeys(keys, 1))
    return names


async def test_focus_is_read_every_time_in_a_fleet_too_large_to_sweep(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """With next to no time for the sweep what is on the screen still moves."""
    context = watch_context(valkey.url, sweep_share=0.000001)
    async with Engine(context) as engine:
        names = await _large(engine, valkey_client, context)
        watch = engine.watch()
        async with following(watch, context) as seen:
            await seen.until(lambda: seen.last.counters_at is not None, 60)
            (key,) = await keys_of(valkey_client, context, [names[7777]])
            watch.focus([TenantId(names[7777])])
            for value in (5, 6, 7):
                start = len(seen.updates)
                await valkey_client.set(key, value)
                await seen.until(lambda value=value: seen.used(names[7777]) == value)  # type: ignore[misc]
                assert seen.rounds(start) <= 4


async def test_a_change_by_the_index_is_seen_at_once_in_a_large_fleet(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """consume notes the tenant; the sweep is not waited for."""
    context = watch_context(valkey.url, sweep_share=0.000001)
    async with Engine(context) as engine:
        names = await _large(engine, valkey_client, context)
        async with following(engine.watch(), context) as seen:
            await seen.until(lambda: seen.last.counters_at is not None, 60)
            start = len(seen.updates)
            await engine.usage.consume(names[9000], {CALLS.name: 4})
            await seen.until(lambda: seen.used(names[9000]) == 5)

    assert seen.rounds(start) <= 4


async def test_closing_leaves_no_task_and_no_connection(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Neither a break nor a cancellation leaves anything running."""
    context = watch_context(valkey.url, poll_s=0.01)
    before = asyncio.all_tasks()
    for _ in range(5):
        async with (
            Engine(context) as engine,
            aclosing(engine.watch().updates()) as updates,
        ):
            async for update in updates:
                if update.counters_at is not None:
                    break
        async with watched(context) as (engine, seen):
            await seen.until(lambda: seen.last.counters_at is not None)

    deadline = time.monotonic() + 10
    while asyncio.all_tasks() != before or len(await valkey_client.client_list()) > 1:
        assert time.monotonic() < deadline, asyncio.all_tasks() - before


async def test_usage_imports_neither_stripe_nor_aiohttp(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """An engine with Stripe configured does not import the SDK to read counters."""
    code = f"""
import asyncio, sys
from meterdeck.core.model.context import *
from meterdeck.core.services.engine import Engine
from tests.support.watching import watch_context
stripe = StripeOptions(Secret("sk_test_x"), "http://127.0.0.1:1")
async def main():
    async with Engine(watch_context({valkey.url!r}, stripe=stripe)) as engine:
        await engine.usage.usage("acme")
asyncio.run(main())
print(sorted({{"stripe", "aiohttp", "pydantic"}} & set(sys.modules)))
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", code, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()

    assert output.decode().strip() == "[]"
