"""Counting usage: consume it, and read what was used of how much."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from meterdeck.core.adapters.consume_calls import Answer
from meterdeck.core.adapters.redis_client import Redis, enter_write
from meterdeck.core.adapters.script_lanes import lanes_of
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved
from meterdeck.core.adapters.settle_calls import Settling
from meterdeck.core.errors import Refused
from meterdeck.core.model.amounts import check_amounts, check_limits, hold_ms
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import (
    Decision,
    GaugeReading,
    RefusalRecord,
    ResourceDecision,
    Settled,
)
from meterdeck.core.model.names import check_id, tenant_bytes
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.model.usage import Usage as UsageRow
from meterdeck.core.services.asking_again import ask_twice
from meterdeck.core.services.calls import Calls
from meterdeck.core.services.current_periods import CurrentPeriods
from meterdeck.core.services.kind_counting import KindCounting
from meterdeck.core.services.kinds import OneCall
from meterdeck.core.services.refusal_log import RefusalLog
from meterdeck.core.services.reservations import Reservations
from meterdeck.core.services.terms import Form, Terms
from meterdeck.core.services.tracking import TrackedCall, Tracking
from meterdeck.core.services.usage_reading import UsageReader

__all__ = ["CALL_KEPT_S", "Decision", "ResourceDecision", "UsageService"]

CALL_KEPT_S = 600
"""Seconds for which a repeated call id gets the first answer."""

_ROUNDS = 4
_SWEPT_AT_ONCE = 1000


# Not frozen: that would take longer to make, and there is one a call.
@dataclass(slots=True)
class _Wanted:
    """What a caller asks for; see `UsageService.consume` and `reserve`."""

    tenant: str
    amounts: Mapping[str, int]
    call_id: str | None
    limits: Mapping[str, int] | None
    hold_ms: int = 0


class UsageService:
    """Counts usage of one context's tenants."""

    def __init__(self, redis: Redis, context: Context) -> None:
        layout = context.redis.layout
        self._redis = redis
        self._context = context
        self._layout = layout
        self._tagged = layout.tagged
        self._calls = Calls(context, CALL_KEPT_S)
        self._periods = CurrentPeriods(redis, context)
        self._terms = Terms(context, self._periods)
        self._reader = UsageReader(redis, context)
        self._kinds = KindCounting(redis, context, self._periods, CALL_KEPT_S)
        self._tracking = Tracking(redis, context, self._periods, CALL_KEPT_S)
        self._reservations = Reservations(redis, context)
        self._refusal_log = RefusalLog(redis, context)

    async def consume(
        self,
        tenant: str,
        amounts: Mapping[str, int],
        *,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision:
        """Check every limit and count: all of `amounts`, or nothing.

        Calls made in the same turn of the event loop share a round trip. They are sent
        in the order in which they were made; with many at once, two round trips are
        under way and may be decided in either order. A refused call leaves no trace in
        any counter, but a record, see `refusals`. With a `call_id`, repeating the call
        within ten minutes gives the first answer and counts nothing, so a lost answer
        is asked for once more; without one nothing is sent twice. A call that is
        cancelled may have been counted, as one whose answer was lost; it changes
        nothing for other calls.

        Args:
            amounts: Resource → units, 1 to 2^53 each, at most 64 resources.
            limits: Resource → units a period, where nothing else gives a limit.

        Raises:
            BadInput, NotFound: An argument is wrong.
            BrokenCounter: A counter or limit holds no whole number; nothing counted.
            Refused: It would pass 2^53, or the id was used for another call.
            ReadOnly: The context allows no changes.
            RedisUnreachable, RedisRefused: Nothing was counted.
            UnknownOutcome: Counted or not, nobody knows.
        """
        if call_id is None:
            await enter_write(self._redis)
            attempt = self.attempt(tenant, amounts, limits)
            if attempt is not None:
                decision = self.decided(await attempt, tenant)
                if decision is not None:
                    return decision
        return await self._count(_Wanted(tenant, amounts, call_id, limits))

    def attempt(
        self,
        tenant: str,
        amounts: Mapping[str, int],
        limits: Mapping[str, int] | None = None,
    ) -> asyncio.Future[Answer] | None:
        """Send a call without an id, once, as `consume` does first.

        The usual call, without the detours of others: each await costs time. What it
        returns is answered within twice the timeout of the client's Redis, and is for
        `decided`. None where more must be known first: call `consume`.

        Raises:
            BadInput, ReadOnly, RedisUnreachable: As `consume`.
        """
        name = self._checked(tenant, amounts, limits)
        form = self._terms.monthly(tuple(amounts))
        if form is None:
            return None
        call = self._calls.plain(name, form, amounts, limits)
        return lanes_of(self._redis).submit(call)

    def decided(self, answer: Answer, tenant: str) -> Decision | None:
        """Return the decision, or learn why there is none and it must be asked again.

        Nothing was counted then.
        """
        if isinstance(answer, Decision):
            return answer
        match answer:
            case PeriodMoved(now):
                self._periods.learn(now)
            case CycleMoved():
                self._periods.forget_cycle(TenantId(tenant))
        return None

    async def reserve(
        self,
        tenant: str,
        amounts: Mapping[str, int],
        *,
        ttl: timedelta,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision:
        """Count as `consume` does, until the call is confirmed, released, or expires.

        The units are counted at once. When `ttl` is over, by the server's clock, they
        are given back by the next call that touches the counter, or by
        `give_back_expired`; whatever is decided after that moment does not see them.
        The decision's `call_id` names the reservation; one is made where none is given.

        Args:
            ttl: 1 second to 24 hours.

        Raises:
            BadInput: The time is too short or too long; and as `consume`.
        """
        held = hold_ms(ttl)
        if self._tagged:
            await self._periods.now()  # a reservation is announced in its period
        wanted = _Wanted(tenant, amounts, call_id or uuid4().hex, limits, held)
        return await self._count(wanted)

    async def set_gauge(
        self,
        tenant: str,
        resource: str,
        value: int,
        *,
        measured_at: datetime | None = None,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> GaugeReading:
        """Record a gauge's level. It is never refused; the answer says if it is over.

        A reading sets the level, and what `consume` and `release` move after it, they
        move from there; units that are reserved stay on top. An older reading than the
        newest changes nothing, and the answer says so.

        Args:
            value: 0 to 2^53.
            measured_at: When the level was read, by default now. A moment that is later
                than the server's now is taken for now.
            call_id, limits: As in `consume`.

        Raises:
            BadInput, NotFound: An argument is wrong; the resource is no gauge.
            BrokenCounter, Refused, ReadOnly: As `consume`.
            RedisUnreachable, RedisRefused, UnknownOutcome: As `consume`.
        """
        wanted = OneCall(tenant, resource, call_id, limits)
        return await self._kinds.set_gauge(wanted, value, measured_at)

    async def count_unique(
        self,
        tenant: str,
        resource: str,
        members: Collection[str | bytes],
        *,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision:
        """Count distinct members of the period: all of `members`, or none of them.

        A member counts once a period, however often it is named, and is allowed at the
        limit and beyond it, where that is not 0. The count is an estimate with a
        standard error of 0.81 %; a new member may go unnoticed. Limits, refusals and
        `call_id` are as in `consume`.

        Args:
            members: 1 to 1,000, each of 1 to 512 bytes.

        Raises:
            BadInput, NotFound: An argument is wrong; the resource counts no members.
            BrokenCounter, Refused, ReadOnly: As `consume`.
            RedisUnreachable, RedisRefused, UnknownOutcome: As `consume`.
        """
        wanted = OneCall(tenant, resource, call_id, limits)
        return await self._kinds.count_unique(wanted, members)

    async def track(
        self,
        tenant: str,
        resource: str,
        units: int = 1,
        *,
        dimensions: Mapping[str, str] | None = None,
        timestamp: datetime | None = None,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision:
        """Count units and queue a meter event of their own: both, or neither.

        Limits, refusals and `call_id` are as in `consume`; `MeterClient.track` says
        what the arguments are.

        Raises:
            BadInput, NotFound: An argument is wrong; it is not billed by events.
            BrokenCounter, Refused, ReadOnly: As `consume`.
            RedisUnreachable, RedisRefused, UnknownOutcome: As `consume`.
        """
        wanted = OneCall(tenant, resource, call_id, limits)
        return await self._tracking.track(
            TrackedCall(wanted, units, dimensions, timestamp)
        )

    async def confirm(
        self, tenant: str, call_id: str, amounts: Mapping[str, int] | None = None
    ) -> Settled:
        """Make a reservation final, once; repeating it gives the first answer.

        Args:
            amounts: Units that were really used, at most those reserved; the rest is
                given back. A resource that is not named keeps all of it.

        Raises:
            NotFound: There is no such reservation, or it has expired.
            Refused: It was settled otherwise, or the call is no reservation.
            BadInput, ReadOnly, BrokenCounter: As `consume`.
            RedisUnreachable, RedisRefused, UnknownOutcome: As `consume`.
        """
        return await self._reservations.settle(
            Settling.CONFIRM, tenant, call_id, amounts
        )

    async def release(
        self, tenant: str, call_id: str, amounts: Mapping[str, int] | None = None
    ) -> Settled:
        """Give back what a call or a reservation took, once, and never more than that.

        It is given back in the period in which it was counted, and takes no counter
        below 0. The call must have had an id, which is known for ten minutes, of a
        reservation ten minutes longer than it lasts.

        Args:
            amounts: Units to give back, at most those the call took; a resource that
                is not named keeps all. None gives all back.

        Raises:
            NotFound: Nothing is known of the id, the call was refused, or the
                reservation has expired.
            Refused: It was settled before, otherwise.
            BadInput, ReadOnly, BrokenCounter: As `consume`.
            RedisUnreachable, RedisRefused, UnknownOutcome: As `consume`.
        """
        return await self._reservations.settle(
            Settling.RELEASE, tenant, call_id, amounts
        )

    async def give_back_expired(self) -> int:
        """Give back reservations that expired and that no call came across.

        Returns the units; looks at a thousand counters at most.

        Raises:
            ReadOnly: The context allows no changes.
            RedisUnreachable, RedisRefused, UnknownOutcome: It may be done in part.
        """
        return (await self._reservations.give_back_expired(_SWEPT_AT_ONCE)).units

    async def refusals(
        self, tenant: str, *, limit: int = 100
    ) -> tuple[RefusalRecord, ...]:
        """Return the latest refusals of a tenant, newest first; see `RefusalLog`."""
        return await self._refusal_log.latest(tenant, limit)

    async def peek(self, tenant: Tenant | str) -> tuple[UsageRow, ...]:
        """Return what is used and left, without taking any of it; as `usage`."""
        return await self._reader.read(tenant)

    async def usage(self, tenant: Tenant | str) -> tuple[UsageRow, ...]:
        """Return every configured resource's usage in its current period.

        A tenant given by name has the limits of its directory entry. Writes nothing.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        return await self._reader.read(tenant)

    async def _count(self, wanted: _Wanted) -> Decision:
        call_id = wanted.call_id
        name = self._checked(wanted.tenant, wanted.amounts, wanted.limits)
        if call_id is not None:
            check_id("call id", call_id)
            if len(wanted.amounts) > 1:
                return await self._count_in_order(wanted, name)
        return await self._send(wanted, name)

    def _checked(
        self, tenant: str, amounts: Mapping[str, int], limits: Mapping[str, int] | None
    ) -> bytes:
        self._context.check_writable()
        check_amounts(amounts)
        if limits:
            check_limits(limits, amounts)
        return tenant_bytes(tenant, tagged=self._tagged)

    async def _count_in_order(self, wanted: _Wanted, name: bytes) -> Decision:
        """Send the resources by name: in another order it would be another request."""
        asked = wanted.amounts
        wanted.amounts = dict(sorted(asked.items()))
        made = await self._send(wanted, name)
        by_name = {str(each.resource): each for each in made.resources}
        return made._replace(resources=tuple(by_name[each] for each in asked))

    async def _send(self, wanted: _Wanted, name: bytes) -> Decision:
        tenant, call_id = wanted.tenant, wanted.call_id
        await enter_write(self._redis)
        lanes = lanes_of(self._redis)
        for _ in range(_ROUNDS):
            names = tuple(wanted.amounts)
            form = self._terms.monthly(names)
            if form is None:
                form = await self._terms.of(TenantId(tenant), names)
            call = self._calls.plain(name, form, wanted.amounts, wanted.limits)
            if call_id is not None:
                self._calls.identify(call, tenant, call_id, wanted.hold_ms)
            if self._tagged and wanted.hold_ms:
                await self._announce(wanted, form)
            if call_id is None:
                answer = await lanes.submit(call)
            else:
                answer = await ask_twice(partial(lanes.submit, call))
            decision = self.decided(answer, tenant)
            if decision is not None:
                return decision
        raise Refused("the billing period keeps changing; nothing was counted")

    async def _announce(self, wanted: _Wanted, form: Form) -> None:
        ends = await self._periods.now() + timedelta(milliseconds=wanted.hold_ms)
        counters = [
            self._layout.counter(wanted.tenant, each.resource, each.period.label)
            for each in form.terms
        ]
        await self._reservations.announce(counters, ends)
