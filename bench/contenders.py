"""The ways to count that are compared: ours, the legacy one, one of a library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol

import redis.asyncio as redis_py
from limits import RateLimitItemPerMonth
from limits.aio.storage import RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import FixedWindowRateLimiter

from bench.load import TENANTS, Call, tenant
from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.client import MeterClient
from meterdeck.core.model.context import Context, Mode, RedisOptions
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import Plan, PlanName, Resource, ResourceName
from meterdeck.core.services.usage import UsageService

RESOURCE = ResourceName("api_calls")
PLAN = PlanName("pro")
FAR = 10**12
"""A limit that no measurement reaches."""

_CONNECTIONS = 400  # one for each caller: nobody waits for the pool
_LEGACY_TTL_S = 35 * 86_400
_LAYOUT = KeyLayout()


class Contender(Protocol):
    """Open a way to count against the server at `url`, with one limit for all."""

    def __call__(self, url: str, limit: int) -> AbstractAsyncContextManager[Call]: ...


def counter(name: str) -> str:
    """Return the key of a tenant's counter in this month."""
    month = calendar_month(datetime.now(UTC)).label
    return _LAYOUT.counter(name, RESOURCE, month).decode()


def context(url: str, limit: int) -> Context:
    """Return a context with one resource and one plan, without Stripe."""
    return Context(
        name="bench",
        mode=Mode.SANDBOX,
        read_only=False,
        redis=RedisOptions(url=url, timeout_s=30.0),
        stripe=None,
        resources=(Resource(RESOURCE, "API calls", "call"),),
        plans={PLAN: Plan(PLAN, "Pro", {RESOURCE: limit})},
        default_plan=PLAN,
    )


def directory_entry(limit: int) -> list[str]:
    """Return what the directory keeps of a tenant with a plan: field, value, …"""
    texts = "name Tenant customer cus_bench subscription sub_bench status active"
    return [*texts.split(), "plan", PLAN, f"limit:{RESOURCE}", str(limit)]


async def prepare(url: str, limit: int) -> None:
    """Empty the server and write the directory entries of all tenants."""
    async with redis_py.Redis.from_url(url) as client:
        await client.flushall()
        pipeline = client.pipeline(transaction=False)
        for index in range(TENANTS):
            key = _LAYOUT.tenant(tenant(index)).decode()
            pipeline.hset(key, items=directory_entry(limit))
        await pipeline.execute()


@asynccontextmanager
async def ours(url: str, limit: int) -> AsyncIterator[Call]:
    """Count by `UsageService.consume`."""
    settings = context(url, limit)
    client = open_redis(settings.redis)
    service = UsageService(client, settings)

    async def call(name: str, amount: int) -> bool:
        return (await service.consume(name, {RESOURCE: amount})).allowed

    try:
        yield call
    finally:
        await client.aclose()


@asynccontextmanager
async def library(url: str, limit: int) -> AsyncIterator[Call]:
    """Count as applications do: by `MeterClient.consume`, with circuit and deadline."""
    async with MeterClient.open(context(url, limit)) as meter:

        async def call(name: str, amount: int) -> bool:
            return (await meter.consume(name, {RESOURCE: amount})).allowed

        yield call


@asynccontextmanager
async def legacy(url: str, limit: int) -> AsyncIterator[Call]:
    """Count as applications do by hand: add, look, take back."""
    async with redis_py.Redis.from_url(url, max_connections=_CONNECTIONS) as client:

        async def call(name: str, amount: int) -> bool:
            key = counter(name)
            pipeline = client.pipeline(transaction=False)
            pipeline.incrby(key, amount)
            pipeline.expire(key, _LEGACY_TTL_S)
            current, _ = await pipeline.execute()
            if current <= limit:
                return True
            await client.decrby(key, amount)
            return False

        yield call


@asynccontextmanager
async def fixed_window(url: str, limit: int) -> AsyncIterator[Call]:
    """Count by the `limits` package's asynchronous fixed window, on redis-py."""
    storage = RedisStorage(
        f"async+{url.replace('unix:', 'redis+unix:', 1)}",
        implementation="redispy",
        max_connections=_CONNECTIONS,
    )
    limiter, item = FixedWindowRateLimiter(storage), RateLimitItemPerMonth(limit)

    async def call(name: str, amount: int) -> bool:
        return await limiter.hit(item, name, cost=amount)

    try:
        yield call
    finally:
        assert isinstance(storage.bridge, RedispyBridge)
        await storage.bridge.storage.aclose()
