"""What is kept of Stripe's late error reports: how far they were read, and which."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    execute_write,
    from_milliseconds,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.quantity import parse_counter

KEPT = timedelta(days=31)
"""Stripe lists reports for 30 days; so long it is known which were handled."""

TAKE_TURN = ("checks", "take_turn")
_CURSOR = "late_errors_until"


class LateErrorCalls:
    """Reads and writes them; each call may be repeated.

    Every method raises RedisUnreachable, RedisRefused and, where it writes,
    UnknownOutcome.
    """

    def __init__(self, redis: Redis, layout: KeyLayout) -> None:
        self._redis = redis
        self._layout = layout
        self._take_turn = Script(*TAKE_TURN)

    async def read_until(self) -> datetime | None:
        """Return up to when reports were read; None before the first time."""
        with redis_errors():
            found = await self._redis.hget(self._layout.syncing(), _CURSOR)
        value = parse_counter(cast("bytes", found)) if found else None
        return None if value is None else from_milliseconds(value)

    async def note_until(self, moment: datetime) -> None:
        """Remember up to when reports were read."""
        await execute_write(
            self._redis,
            *("HSET", self._layout.syncing(), _CURSOR, to_milliseconds(moment)),
            what="how far late errors were read",
            operation_id=_CURSOR,
        )

    async def take_turn(self, what: str, number: int) -> bool:
        """Take turn `number` of what several workers share; False: it is taken.

        A turn that is over is never taken: one that is numbered higher was.
        """
        reply = await self._take_turn.run(
            self._redis,
            [self._layout.syncing()],
            [what, number],
            what="taking a turn",
            operation_id=f"{what}-{number}",
        )
        return reply[1] == b"1"

    async def is_handled(self, report: str) -> bool:
        """Tell whether a report was handled before, by whomever."""
        with redis_errors():
            found = await self._redis.zscore(self._layout.reports(), name_bytes(report))
        return found is not None

    async def note_handled(self, report: str, at: datetime) -> bool:
        """Remember that a report was handled; tell whether this is the first time."""
        key = self._layout.reports()
        added = await execute_write(
            self._redis,
            *("ZADD", key, "NX", to_milliseconds(at), name_bytes(report)),
            what="that a late error report was handled",
            operation_id=report,
        )
        await execute_write(
            self._redis,
            *("ZREMRANGEBYSCORE", key, "-inf", to_milliseconds(at - KEPT)),
            what="forgetting old late error reports",
            operation_id=report,
        )
        return added == 1
