"""Many callers of one service, and what its lanes do meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.support.contexts import CALLS
from tests.support.raw import of_each_server

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.usage import UsageService

PLENTY = "limit:api_calls"
IN_FLIGHT = 128
"""Calls of one resource that fill both lanes."""


@pytest.fixture
async def client(redis: Redis, context: Context) -> AsyncIterator[Redis]:
    """A client beside `redis`, which looks on; acme and globex may use a lot."""
    for tenant in ("acme", "globex"):
        await redis.hset(context.redis.layout.tenant(tenant), PLENTY, str(10**9))
    made = open_redis(context.redis)
    yield made
    await made.aclose()


@pytest.fixture
async def service(client: Redis, context: Context) -> UsageService:
    """A service whose two connections are made, and that knows the time."""
    usage = UsageService(client, context)
    await asyncio.gather(*(usage.consume("warm", {CALLS: 1}) for _ in range(200)))
    return usage


async def counted(redis: Redis, layout: KeyLayout, tenant: str = "acme") -> int:
    """Return a tenant's API calls, asked directly."""
    label = calendar_month(await server_time(redis)).label
    return int(await redis.get(layout.counter(tenant, CALLS, label)) or 0)


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop turn until `condition` holds; fail after 10 s."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)


async def until_connections(redis: Redis, count: int) -> None:
    """Wait until the server has `count` connections."""
    async with asyncio.timeout(10):
        while len(await redis.client_list()) != count:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.001)


@asynccontextmanager
async def frozen(redis: Redis) -> AsyncIterator[None]:
    """Let the server take scripts, and answer them only afterwards."""
    await of_each_server(redis, "CLIENT", "PAUSE", 60_000, "WRITE")
    try:
        yield
    finally:
        await of_each_server(redis, "CLIENT", "UNPAUSE")


def calls(service: UsageService, count: int) -> list[asyncio.Task[Decision]]:
    """Start `count` calls of one unit at once."""
    return [
        asyncio.create_task(service.consume("acme", {CALLS: 1})) for _ in range(count)
    ]
