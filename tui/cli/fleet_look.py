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
RATE_S = 5.0
"""Seconds that a counter is watched at least, to say how fast it moves."""


async def whole_fleet(context: Context, *, moving: bool = False) -> Fleet:
    """Watch until every counter was read once; Stripe is asked nothing.

    After one look nobody knows how fast counters move.

    Args:
        moving: Watch some seconds longer, to know that as well.

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
                whole = update.counters_at is not None and update.swept >= 1.0
                if whole and (not moving or _knows_rates(fleet)):
                    break
    except TimeoutError:
        raise RedisUnreachable(
            f"Redis did not give the whole fleet in {_DEADLINE_S:g} s"
        ) from None
    return fleet


def _knows_rates(fleet: Fleet) -> bool:
    ages = [fleet.before(column)[1] for column in range(len(fleet.columns))]
    return all(age >= RATE_S for age in ages)
