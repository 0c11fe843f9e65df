"""Counting usage: consume it, and read what was used of how much."""

from __future__ import annotations

from collections.abc import Mapping

from meterdeck.core.adapters.consume_calls import Answer, ConsumeCall, Head
from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.script_lanes import ScriptLanes, lanes_of
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved
from meterdeck.core.errors import (
    BadInput,
    ReadOnly,
    RedisUnreachable,
    Refused,
    UnknownOutcome,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision, ResourceDecision
from meterdeck.core.model.names import check_id, tenant_bytes
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.model.usage import Usage as UsageRow
from meterdeck.core.services.current_periods import CurrentPeriods
from meterdeck.core.services.terms import Around, Place, Terms
from meterdeck.core.services.usage_reading import UsageReader

__all__ = ["CALL_KEPT_S", "Decision", "ResourceDecision", "UsageService"]

CALL_KEPT_S = 600
"""Seconds for which a repeated call id gets the first answer."""

_TRIES = 2
_ROUNDS = 4
_MOST_RESOURCES = 64
_DAY_MS = 86_400_000


class UsageService:
    """Counts usage of one context's tenants."""

    def __init__(self, redis: Redis, context: Context) -> None:
        layout = context.redis.layout
        self._redis = redis
        self._context = context
        self._layout = layout
        self._tagged = layout.tagged
        self._head = Head(
            index=() if layout.tagged else (layout.sequence(), layout.changed()),
            call_retention_s=CALL_KEPT_S,
            retention_ms=context.redis.retention_days * _DAY_MS,
        )
        self._entry = Around.of(layout.tenant)
        self._periods = CurrentPeriods(redis, context)
        self._terms = Terms(context, self._periods)
        self._reader = UsageReader(redis, context)

    async def consume(
        self, tenant: str, amounts: Mapping[str, int], *, call_id: str | None = None
    ) -> Decision:
        """Check every limit and count: all of `amounts`, or nothing.

        Calls made in the same turn of the event loop share a round trip. They are sent
        in the order in which they were made; with many at once, two round trips are
        under way and may be decided in either order. A refused call leaves no trace in
        any counter. With a `call_id`, repeating the call within ten minutes gives the
        first answer and counts nothing, so a lost answer is asked for once more;
        without one nothing is sent twice. A call that is cancelled may have been
        counted, as one whose answer was lost; it changes nothing for other calls.

        Args:
            amounts: Resource → units, 1 to 2^53 each, at most 64 resources.

        Raises:
            BadInput, NotFound: An argument is wrong.
            BrokenCounter: A counter or limit holds no whole number; nothing counted.
            Refused: It would pass 2^53, or the id was used for another call.
            ReadOnly: The context allows no changes.
            RedisUnreachable, RedisRefused: Nothing was counted.
            UnknownOutcome: Counted or not, nobody knows.
        """
        if self._context.read_only:
            raise ReadOnly(f"context {self._context.name} is read-only")
        name = tenant_bytes(tenant, tagged=self._tagged)
        _check_amounts(amounts)
        if call_id is not None:
            check_id("call id", call_id)
        lanes = lanes_of(self._redis)
        for _ in range(_ROUNDS):
            call = self._monthly_call(tenant, name, amounts, call_id)
            if call is None:
                call = await self._cycled_call(tenant, name, amounts, call_id)
            if call_id is None:
                answer = await lanes.submit(call)
            else:
                answer = await _send_twice(lanes, call)
            match answer:
                case Decision():
                    return answer
                case PeriodMoved(now):
                    self._periods.learn(now)
                case CycleMoved():
                    self._periods.forget_cycle(TenantId(tenant))
        raise Refused("the billing period keeps changing; nothing was counted")

    async def usage(self, tenant: Tenant | str) -> tuple[UsageRow, ...]:
        """Return every configured resource's usage in its current period.

        A tenant given by name has the limits of its directory entry. Writes nothing.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        return await self._reader.read(tenant)

    def _monthly_call(
        self, tenant: str, name: bytes, amounts: Mapping[str, int], call_id: str | None
    ) -> ConsumeCall | None:
        """Return the call; None if not all resources are counted by calendar month."""
        monthly = self._terms.monthly()
        try:
            places = [monthly[resource] for resource in amounts]
        except KeyError:
            return None
        return self._call(tenant, name, amounts, places, cycle=b"", call_id=call_id)

    async def _cycled_call(
        self, tenant: str, name: bytes, amounts: Mapping[str, int], call_id: str | None
    ) -> ConsumeCall:
        terms = await self._terms.of(TenantId(tenant), amounts)
        places = [terms.places[resource] for resource in amounts]
        return self._call(
            tenant, name, amounts, places, cycle=terms.cycle, call_id=call_id
        )

    def _call(
        self,
        tenant: str,
        name: bytes,
        amounts: Mapping[str, int],
        places: list[Place],
        *,
        cycle: bytes,
        call_id: str | None,
    ) -> ConsumeCall:
        keys = [
            self._entry.before + name + self._entry.after,
            *[each.counter.before + name + each.counter.after for each in places],
            *[each.override.before + name + each.override.after for each in places],
        ]
        if call_id is not None:
            keys.append(self._layout.call(tenant, call_id))
        return ConsumeCall(
            self._head,
            # On a cluster a script call has one tenant: its keys lie in one slot.
            (self._head, name) if self._tagged else self._head,
            name,
            keys,
            [place.term for place in places],
            list(amounts.values()),
            cycle,
            call_id or "",
        )


def _check_amounts(amounts: Mapping[str, int]) -> None:
    if not 1 <= len(amounts) <= _MOST_RESOURCES:
        raise BadInput(f"a call names 1 to {_MOST_RESOURCES} resources")
    for name, amount in amounts.items():
        if type(amount) is not int or not 1 <= amount <= LARGEST:
            raise BadInput(
                f"{amount!r} {visible(name)} cannot be consumed;"
                f" an amount is a whole number from 1 to {LARGEST:,}"
            )


async def _send_twice(lanes: ScriptLanes, call: ConsumeCall) -> Answer:
    lost: UnknownOutcome | None = None
    for _ in range(_TRIES):
        try:
            return await lanes.submit(call)
        except UnknownOutcome as error:
            lost = error
        except RedisUnreachable as error:
            # The try before this one may have been carried out.
            raise lost or error from error
    assert lost is not None
    raise lost
