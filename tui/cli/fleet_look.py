"""One look at the whole fleet, for commands."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from meterdeck.core.errors import RedisUnreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.fleet_update import Reach
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.fleet import Fleet

_DEADLINE_S = 60.0


async def whole_fleet(context: Context) -> Fleet:
    """Watch until every counter was read once; Stripe is asked nothing.

    After one look nobody knows how fast counters move.

    Raises:
        RedisUnreachable: Redis is away, or too slow for the deadline.
    """
    fleet = Fleet(context)
    try:
        async with (
            asyncio.timeout(_DEADLINE_S),
            Engine(replace(context, stripe=None)) as engine,
            aclosing(engine.watch().updates()) as updates,
        ):
            async for update in updates:
                if update.redis.reach is Reach.DOWN:
                    raise RedisUnreachable(update.redis.message)
                fleet.apply(update)
                if update.counters_at is not None and update.swept >= 1.0:
                    break
    except TimeoutError:
        raise RedisUnreachable(
            f"Redis did not give the whole fleet in {_DEADLINE_S:g} s"
        ) from None
    return fleet
