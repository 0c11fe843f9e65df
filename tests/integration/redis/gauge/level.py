"""The key of acme's level, and what is read of it."""

from typing import cast

from tests.support.contexts import DISK

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import Usage
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


def level_key() -> bytes:
    """Name acme's level."""
    return LAYOUT.counter("acme", DISK, "now")


async def keys(redis: Redis) -> set[bytes]:
    """Return every key there is."""
    return set(cast("list[bytes]", await redis.keys("*")))


async def row(usage: UsageService) -> Usage:
    """Return what is read of acme's disk."""
    return next(each for each in await usage.usage("acme") if each.resource == DISK)
