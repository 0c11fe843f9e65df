"""A client of a server whose user lacks rights."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.model.context import RedisOptions, Secret


@asynccontextmanager
async def restricted(
    redis: Redis, options: RedisOptions, *rights: str
) -> AsyncIterator[Redis]:
    """Open a client that may do everything but for `rights`, such as `-hset`."""
    user = ("reset", "on", ">pw", "~*", "+@all", *rights)
    await ask(redis, "ACL", "SETUSER", "restricted", *user)
    own = replace(options, username="restricted", password=Secret("pw"))
    client = open_redis(own)
    try:
        yield client
    finally:
        await client.aclose()
        await ask(redis, "ACL", "DELUSER", "restricted")
