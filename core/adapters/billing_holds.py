"""Holds: counters that are not billed until somebody has looked at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    from_milliseconds,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import OLDEST_EVENT
from meterdeck.core.model.names import name_bytes, name_text
from meterdeck.core.model.periods import Period
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.usage import CounterId

HELD_FOR = timedelta(days=365)
"""So long at most: it is ended by a repair, or by somebody."""

LOWER_FOR = timedelta(hours=1)
"""So long what an operator said of a lower counter holds."""

HOLD_BILLING = ("checks", "billing", "hold_billing")
_LONGEST_REASON = 500
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a counter is held; empty where it is not.

    Attributes:
        number: Of the counter's newest event, as whoever holds it knows; else 0.
        lower_until: Until then it may be lower than what was billed; None: not so.
    """

    reason: str
    number: int
    lower_until: datetime | None = None

    def allows_lower(self, at: datetime) -> bool:
        """Tell whether an operator said that a lower counter is right."""
        return self.lower_until is not None and at < self.lower_until


class BillingHolds:
    """Holds counters of one context; each call may be repeated.

    Every method raises RedisUnreachable, RedisRefused and, where it writes,
    UnknownOutcome.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout
        self._kept = timedelta(days=context.redis.retention_days) + OLDEST_EVENT
        self._script = Script(*HOLD_BILLING)

    async def hold(
        self,
        counter: CounterId,
        period: Period,
        reason: str,
        *,
        number: int = 0,
        withdrawn: str = "",
    ) -> bool:
        """Keep a counter from being billed; tell whether its event is out of flight.

        Args:
            number: Of the newest event that is known, where the record may not.
            withdrawn: Identifier of an event that was claimed and is not sent.
        """
        words = name_bytes(reason[:_LONGEST_REASON])
        ends = 0 if period.endless else to_milliseconds(period.end + self._kept)
        for_ms = HELD_FOR // _MILLISECOND
        reply = await self._run(counter, [words, for_ms, withdrawn, ends, number, 0])
        return reply == b"1"

    async def release(
        self, counter: CounterId, number: int = 0, *, lower: bool = False
    ) -> None:
        """Let a counter be billed again; one that is not held stays as it is.

        The number of its next event is above `number`, and above that of the hold.

        Args:
            lower: The counter is right, though it is lower than what was billed: for
                `LOWER_FOR` the difference may be billed back.
        """
        lower_ms = LOWER_FOR // _MILLISECOND if lower else 0
        await self._run(counter, ["", 0, "", 0, number, lower_ms])

    async def read(self, counter: CounterId) -> Hold:
        """Return whether and why a counter is held."""
        with redis_errors():
            reply = await self._redis.hmget(
                self._record(counter), ["held", "held_seq", "lower_until"]
            )
        reason, number, lower = cast("list[bytes | None]", reply)
        until = parse_counter(lower or b"") or 0
        return Hold(
            name_text(reason or b""),
            parse_counter(number or b"") or 0,
            from_milliseconds(until) if until > 0 else None,
        )

    async def _run(self, counter: CounterId, arguments: list[Argument]) -> bytes:
        tagged = self._layout.tagged
        reply = await self._script.run(
            self._redis,
            [self._record(counter), *([] if tagged else [self._layout.unsettled()])],
            [0 if tagged else 1, *arguments],
            what="holding a counter back from billing",
            operation_id=f"{counter.resource}:{counter.period}",
        )
        return reply[2]

    def _record(self, counter: CounterId) -> bytes:
        return self._layout.billing(counter.tenant, counter.resource, counter.period)
