"""Counting usage: consume it, and read what was used of how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.scripts import (
    ConsumeCall,
    Consumed,
    Counted,
    CycleMoved,
    PeriodMoved,
    Scripts,
    Wanted,
)
from meterdeck.core.errors import (
    BadInput,
    ReadOnly,
    RedisUnreachable,
    Refused,
    UnknownOutcome,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import check_id, check_tenant, name_bytes
from meterdeck.core.model.periods import Period
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Limit, Resource, ResourceName, Tenant, TenantId
from meterdeck.core.model.usage import Usage as UsageRow
from meterdeck.core.services.current_periods import CurrentPeriods, Reckoning
from meterdeck.core.services.usage_reading import UsageReader

CALL_KEPT_S = 600
"""Seconds for which a repeated call id gets the first answer."""

_TRIES = 2
_ROUNDS = 4
_MOST_RESOURCES = 64
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class ResourceDecision:
    """What was decided for one resource of a call.

    Attributes:
        current: The counter after the call; unchanged where the call was refused.
        remaining: Units left, never below 0; None where unlimited.
        refused: Whether this resource is why the call was refused.
    """

    resource: ResourceName
    current: int
    limit: Limit
    remaining: int | None
    period: Period
    refused: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call may go on; `replayed` when its id was answered before."""

    allowed: bool
    resources: tuple[ResourceDecision, ...]
    call_id: str
    replayed: bool


class UsageService:
    """Counts usage of one context's tenants."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._context = context
        self._layout = context.redis.layout
        self._scripts = Scripts(redis)
        self._periods = CurrentPeriods(redis, context)
        self._reader = UsageReader(redis, context)

    async def consume(
        self, tenant: str, amounts: Mapping[str, int], *, call_id: str | None = None
    ) -> Decision:
        """Check every limit and count: all of `amounts`, or nothing.

        A refused call leaves no trace in any counter. With a `call_id`, repeating
        the call within ten minutes gives the first answer and counts nothing, so a
        lost answer is asked for once more; without one nothing is sent twice.

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
        who = check_tenant(tenant, tagged=self._layout.tagged)
        wanted = self._check_amounts(amounts)
        kept = call_id is not None
        call_id = check_id("call id", call_id) if call_id is not None else uuid4().hex
        for _ in range(_ROUNDS):
            reckoning = await self._periods.of(who, [each for each, _ in wanted])
            call = self._call(who, wanted, reckoning, call_id, kept=kept)
            match await self._send(call):
                case PeriodMoved(now):
                    self._periods.learn(now)
                case CycleMoved():
                    self._periods.forget_cycle(who)
                case Consumed() as answer:
                    if not answer.replayed:
                        self._periods.learn(answer.at)
                    return _decision(answer, call_id)
        raise Refused("the billing period keeps changing; nothing was counted")

    async def usage(self, tenant: Tenant | str) -> tuple[UsageRow, ...]:
        """Return every configured resource's usage in its current period.

        A tenant given by name has the limits of its directory entry. Writes nothing.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        return await self._reader.read(tenant)

    def _check_amounts(self, amounts: Mapping[str, int]) -> list[tuple[Resource, int]]:
        if not 1 <= len(amounts) <= _MOST_RESOURCES:
            raise BadInput(f"a call names 1 to {_MOST_RESOURCES} resources")
        for name, amount in amounts.items():
            if type(amount) is not int or not 1 <= amount <= LARGEST:
                raise BadInput(
                    f"{amount!r} {visible(name)} cannot be consumed;"
                    f" an amount is a whole number from 1 to {LARGEST:,}"
                )
        return [(self._context.resource(name), amounts[name]) for name in amounts]

    def _call(
        self,
        tenant: TenantId,
        wanted: list[tuple[Resource, int]],
        reckoning: Reckoning,
        call_id: str,
        *,
        kept: bool,
    ) -> ConsumeCall:
        layout = self._layout
        nobody = Tenant(tenant, "")  # no plan of its own: the default's limits
        return ConsumeCall(
            tenant=name_bytes(tenant),
            entry=layout.tenant(tenant),
            wanted=[
                Wanted(
                    resource=each.name,
                    amount=amount,
                    period=reckoning.periods[each.name],
                    counter=layout.counter(
                        tenant, each.name, reckoning.periods[each.name].label
                    ),
                    override=layout.override(tenant, each.name),
                    default=self._context.limit_of(nobody, each.name),
                )
                for each, amount in wanted
            ],
            call=layout.call(tenant, call_id) if kept else b"",
            call_retention_s=CALL_KEPT_S,
            index=() if layout.tagged else (layout.sequence(), layout.changed()),
            retention_ms=self._context.redis.retention_days * _DAY_MS,
            cycle=reckoning.cycle,
            call_id=call_id,
        )

    async def _send(self, call: ConsumeCall) -> Consumed | PeriodMoved | CycleMoved:
        lost: UnknownOutcome | None = None
        for _ in range(_TRIES if call.call else 1):
            try:
                return await self._scripts.consume(call)
            except UnknownOutcome as error:
                lost = error
            except RedisUnreachable as error:
                # The try before this one may have been carried out.
                raise lost or error from error
        assert lost is not None
        raise lost


def _decision(answer: Consumed, call_id: str) -> Decision:
    return Decision(
        allowed=answer.allowed,
        resources=tuple(_resource_decision(each) for each in answer.counted),
        call_id=call_id,
        replayed=answer.replayed,
    )


def _resource_decision(counted: Counted) -> ResourceDecision:
    units = counted.limit.units
    return ResourceDecision(
        resource=counted.resource,
        current=counted.current,
        limit=counted.limit,
        remaining=None if units is None else max(0, units - counted.current),
        period=counted.period,
        refused=counted.refused,
    )
