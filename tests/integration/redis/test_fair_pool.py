"""The pool: whoever waits longest is served first, and nobody's turn is lost."""

import asyncio

import pytest
from tests.support.contexts import CALLS, redis_context

from meterdeck.core.adapters.fair_pool import FairPool
from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.errors import RedisUnreachable
from meterdeck.core.model.context import RedisOptions
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService


async def test_connections_go_to_those_who_wait_longest(valkey: Valkey) -> None:
    """Ten callers, one connection: they take turns, round after round."""
    client = open_redis(RedisOptions(url=valkey.url, timeout_s=10.0), connections=1)
    pool = client.connection_pool
    served: list[int] = []

    async def caller(number: int) -> None:
        for _ in range(5):
            connection = await pool.get_connection()  # type: ignore[no-untyped-call]
            served.append(number)
            await pool.release(connection)

    try:
        await asyncio.gather(*(caller(number) for number in range(10)))
    finally:
        await client.aclose()

    assert served == [*range(10)] * 5


async def test_two_hundred_readers_at_once_are_all_answered(valkey: Valkey) -> None:
    """Reading shares few connections among many; none is refused."""
    client = open_redis(RedisOptions(url=valkey.url, timeout_s=10.0), connections=4)
    service = UsageService(client, redis_context(valkey.url))
    try:
        rows = await asyncio.gather(*(service.usage(f"t{at}") for at in range(200)))
    finally:
        await client.aclose()

    assert {row[0].resource for row in rows} == {CALLS}


async def test_who_gives_up_waiting_takes_nobodys_turn(valkey: Valkey) -> None:
    """Cancelled while waiting, and cancelled while connecting: the rest is served."""
    client = open_redis(RedisOptions(url=valkey.url, timeout_s=10.0), connections=1)
    try:
        calls = [asyncio.create_task(server_time(client)) for _ in range(20)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        async with asyncio.timeout(10):
            done = await asyncio.gather(*calls, return_exceptions=True)
        await server_time(client)
    finally:
        await client.aclose()

    cancelled = [isinstance(each, asyncio.CancelledError) for each in done]
    assert cancelled == [True, False] * 10


async def test_who_waits_too_long_is_told_so(valkey: Valkey) -> None:
    """The wait for a connection has an end, and the next one is served again."""
    pool: FairPool = FairPool.from_url(valkey.url, max_connections=1, wait_s=0.05)
    client = Redis.from_pool(pool)
    try:
        held = await pool.get_connection()
        with pytest.raises(RedisUnreachable, match="No connection available"):
            await server_time(client)
        await pool.release(held)
        await server_time(client)
    finally:
        await client.aclose()
