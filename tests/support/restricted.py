"""A client of a server whose user lacks rights."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.model.context import RedisOptions, Secret
from meterdeck.core.sandbox.valkey import Valkey


@asynccontextmanager
async def restricted(
    redis: Redis, server: Valkey, *rights: str
) -> AsyncIterator[Redis]:
    """Open a client that may do everything but for `rights`, such as `-hset`."""
    user = ("reset", "on", ">pw", "~*", "+@all", *rights)
    await ask(redis, "ACL", "SETUSER", "restricted", *user)
    client = open_redis(
        RedisOptions(
            url=server.url, username="restricted", password=Secret("pw"), timeout_s=10.0
        )
    )
    try:
        yield client
    finally:
        await client.aclose()
        await ask(redis, "ACL", "DELUSER", "restricted")
