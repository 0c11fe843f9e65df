"""What the sandbox's operators have done before: some overrides, a correction.

So that the lists of overrides and changes are not empty in a demonstration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.sandbox.cast import Character
from meterdeck.core.services.operator_changes import OperatorChanges

Place = tuple[Character, ResourceName]


@dataclass(frozen=True, slots=True)
class Raise:
    """An override to be: so many times the limit, for how long, by whom and why."""

    times: float
    lasts: timedelta
    actor: Actor
    why: str


_ANA, _SAM = Actor("ana", "ssh 10.0.0.5"), Actor("sam", "local")
_RAISES = {
    5: Raise(1.5, timedelta(hours=9), _ANA, "migration until tonight, ticket 4711"),
    6: Raise(2.0, timedelta(days=3, hours=6), _SAM, "goodwill after the outage"),
    8: Raise(1.25, timedelta(days=12), _ANA, "upgrade is signed, not yet in Stripe"),
}
"""By the place among the fullest counters."""
_CORRECTED = 10


async def let_operators_work(
    redis: Redis, context: Context, characters: Sequence[Character]
) -> None:
    """Have two operators change a few limited tenants, the fullest first.

    Raises:
        RedisUnreachable, RedisRefused: They could not.
    """
    desk, places = _Desk(redis, context), _fullest(context, characters)
    for number, wanted in _RAISES.items():
        if number < len(places):
            await desk.raise_limit(places[number], wanted)
    if len(places) > _CORRECTED:
        why = "counted twice by a retry loop"
        await desk.take_back_one(places[_CORRECTED], _SAM, why)


def _fullest(context: Context, characters: Sequence[Character]) -> list[Place]:
    """Return counters with a limit, the fullest first; those of legacy programs not."""
    shares = [
        (character.fixed.get(resource.name, 0) / limit, (character, resource.name))
        for character in characters
        for resource in context.resources
        if not character.legacy and (limit := character.limits.get(resource.name))
    ]
    shares.sort(key=lambda share: -share[0])
    return [place for _, place in shares]


class _Desk:
    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._changes = OperatorChanges(redis, context)

    async def raise_limit(self, place: Place, wanted: Raise) -> None:
        character, resource = place
        limit = character.limits[resource] or 0
        await self._changes.set_override(
            character.company.id,
            resource,
            int(limit * wanted.times),
            expires_at=await server_time(self._redis) + wanted.lasts,
            actor=wanted.actor,
            reason=wanted.why,
            operation_id=_new_id(),
        )

    async def take_back_one(self, place: Place, actor: Actor, why: str) -> None:
        character, resource = place
        await self._changes.adjust(
            Adjustment(
                TenantId(character.company.id),
                resource,
                AdjustKind.SUBTRACT,
                1,
                None,
                Bill.QUOTA_AND_BILL,
                why,
            ),
            actor=actor,
            operation_id=_new_id(),
        )


def _new_id() -> str:
    """Return the id of a change; a Redis that is filled again knows those of before."""
    return f"sandbox-{uuid4().hex}"
