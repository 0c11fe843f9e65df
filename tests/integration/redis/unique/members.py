"""The keys of acme's members, and what is in them."""

from collections.abc import Iterable

from tests.support.contexts import USERS
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month

LAYOUT = KeyLayout()
STANDARD_ERROR = 0.0081


def named(numbers: Iterable[int]) -> list[str]:
    """Name members."""
    return [f"user-{number}" for number in numbers]


async def counter_key(redis: Redis) -> bytes:
    """Name the counter of acme's users this month."""
    label = calendar_month(await server_time(redis)).label
    return LAYOUT.counter("acme", USERS, label)


async def members_key(redis: Redis) -> bytes:
    """Name the HyperLogLog beside it."""
    label = calendar_month(await server_time(redis)).label
    return LAYOUT.members("acme", USERS, label)


async def held(redis: Redis) -> dict[bytes, bytes]:
    """Return counter and members as they are, byte by byte."""
    keys = (await counter_key(redis), await members_key(redis))
    return {key: await ask(redis, "GET", key) or b"" for key in keys}


async def limit_to(redis: Redis, units: int) -> None:
    """Give acme's plan a limit."""
    await redis.hset(LAYOUT.tenant("acme"), f"limit:{USERS}", str(units))


def current(made: Decision) -> int:
    """Return the count that a decision told."""
    return made.resources[0].current
