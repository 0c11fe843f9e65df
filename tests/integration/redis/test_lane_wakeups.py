"""A lane that was started for nothing is woken by the next call."""

import asyncio
from random import Random

from tests.support.contexts import CALLS, redis_context

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService


async def test_calls_at_any_turn_of_each_other_leave_no_lane_asleep(
    valkey: Valkey,
) -> None:
    """One lane may take a call for which another was started: all go on."""
    context = redis_context(valkey.url)
    random = Random(1)  # noqa: S311  # the same turns in each run

    for _ in range(60):
        redis = open_redis(context.redis)
        usage = UsageService(redis, context)

        async def call(turns: int, usage: UsageService = usage) -> bool:
            for _ in range(turns):
                await asyncio.sleep(0)  # a turn of the loop, not a time
            return (await usage.consume("acme", {CALLS: 1})).allowed

        for _ in range(6):
            allowed = await asyncio.gather(
                *(call(random.randrange(12)) for _ in range(3))
            )
            assert len(allowed) == 3
        await redis.aclose()
