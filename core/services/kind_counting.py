"""Counting what is no sum: a gauge's readings, and distinct members."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping
from datetime import datetime

from meterdeck.core.adapters.kind_calls import KindCall, KindScripts, OneLimit
from meterdeck.core.adapters.redis_client import Redis, to_milliseconds
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved
from meterdeck.core.errors import BadInput, ReadOnly, Refused
from meterdeck.core.model.amounts import check_limits
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision, GaugeReading
from meterdeck.core.model.names import check_id, name_bytes, tenant_bytes
from meterdeck.core.model.periods import ENDLESS
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import (
    Limit,
    LimitSource,
    Resource,
    ResourceKind,
    Tenant,
    TenantId,
)
from meterdeck.core.services.asking_again import ask_twice
from meterdeck.core.services.current_periods import CurrentPeriods, Reckoning
from meterdeck.core.services.kinds import check_kind

_ROUNDS = 4
_DAY_MS = 86_400_000
_MOST_MEMBERS = 1000
_LONGEST_MEMBER = 512
_NOBODY = Tenant(TenantId(""), "")  # no plan of its own: the default's limits


class KindCounting:
    """Sets gauges and counts distinct members of one context's tenants.

    Args:
        keep_s: How long a repeated call id gets the first answer.
    """

    def __init__(
        self, redis: Redis, context: Context, periods: CurrentPeriods, keep_s: int
    ) -> None:
        self._context = context
        self._layout = context.redis.layout
        self._periods = periods
        self._keep_s = keep_s
        self._scripts = KindScripts(redis)
        self._retention_ms = context.redis.retention_days * _DAY_MS

    async def set_gauge(
        self,
        tenant: str,
        resource: str,
        value: int,
        measured_at: datetime | None,
        *,
        call_id: str | None,
        limits: Mapping[str, int] | None,
    ) -> GaugeReading:
        """Record a reading; see `UsageService.set_gauge`."""
        found = self._checked(tenant, resource, call_id, limits, ResourceKind.GAUGE)
        if type(value) is not int or not 0 <= value <= LARGEST:
            raise BadInput(
                f"{value!r} is no reading of {found.name};"
                f" it is a whole number from 0 to {LARGEST:,}"
            )
        if measured_at is not None and measured_at.tzinfo is None:
            raise BadInput("the time of the reading has no time zone; give one")
        layout, name, label = self._layout, found.name, ENDLESS.label
        keys = [
            layout.tenant(tenant),
            layout.counter(tenant, name, label),
            layout.override(tenant, name),
            layout.beyond(tenant, name, label),
            layout.reserved(tenant, name, label),
            layout.measured(tenant, name),
        ]
        call = self._call(tenant, found, keys, call_id, limits)
        at = None if measured_at is None else max(0, to_milliseconds(measured_at))
        if call_id is None:
            return await self._scripts.set_gauge(call, value, at)
        return await ask_twice(lambda: self._scripts.set_gauge(call, value, at))

    async def count_unique(
        self,
        tenant: str,
        resource: str,
        members: Collection[str | bytes],
        call_id: str | None,
        limits: Mapping[str, int] | None,
    ) -> Decision:
        """Count distinct members; see `UsageService.count_unique`."""
        found = self._checked(tenant, resource, call_id, limits, ResourceKind.UNIQUE)
        raw = member_bytes(members)
        who = TenantId(tenant)
        for _ in range(_ROUNDS):
            reckoning = await self._periods.of(who, [found])
            label = reckoning.periods[found.name].label
            keys = self._unique_keys(tenant, found, label)
            call = self._call(tenant, found, keys, call_id, limits)
            answer = await self._ask(call, reckoning, raw)
            match answer:
                case Decision():
                    return answer
                case PeriodMoved(now):
                    self._periods.learn(now)
                case CycleMoved():
                    self._periods.forget_cycle(who)
        raise Refused("the billing period keeps changing; nothing was counted")

    async def _ask(
        self, call: KindCall, reckoning: Reckoning, members: list[bytes]
    ) -> Decision | PeriodMoved | CycleMoved:
        period, kept_ms = reckoning.periods[call.term.resource], self._retention_ms

        def send() -> Awaitable[Decision | PeriodMoved | CycleMoved]:
            return self._scripts.count_unique(
                call, period, reckoning.cycle, kept_ms, members
            )

        return await (ask_twice(send) if call.call_id else send())

    def _unique_keys(self, tenant: str, resource: Resource, label: str) -> list[bytes]:
        layout, name = self._layout, resource.name
        return [
            layout.tenant(tenant),
            layout.counter(tenant, name, label),
            layout.override(tenant, name),
            layout.beyond(tenant, name, label),
            layout.refusals(tenant),
            layout.members(tenant, name, label),
            layout.trying(tenant, name, label),
        ]

    def _checked(
        self,
        tenant: str,
        resource: str,
        call_id: str | None,
        limits: Mapping[str, int] | None,
        kind: ResourceKind,
    ) -> Resource:
        if self._context.read_only:
            raise ReadOnly(f"context {self._context.name} is read-only")
        tenant_bytes(tenant, tagged=self._layout.tagged)
        found = self._context.resource(resource)
        check_kind(found, kind)
        if call_id is not None:
            check_id("call id", call_id)
        check_limits(limits, {resource: 1})
        return found

    def _call(
        self,
        tenant: str,
        resource: Resource,
        keys: list[bytes],
        call_id: str | None,
        limits: Mapping[str, int] | None,
    ) -> KindCall:
        layout = self._layout
        return KindCall(
            tenant=name_bytes(tenant),
            term=self._term(resource, limits),
            keys=keys,
            call=b"" if call_id is None else layout.call(tenant, call_id),
            index=() if layout.tagged else (layout.sequence(), layout.changed()),
            call_id=call_id or "",
            keep_s=self._keep_s,
        )

    def _term(self, resource: Resource, limits: Mapping[str, int] | None) -> OneLimit:
        name = resource.name
        limit = self._context.limit_of(_NOBODY, name)
        if limits and limit.source is LimitSource.NONE:
            limit = Limit(limits[name], LimitSource.ARGUMENT)
        rule = self._context.default_rule(name)
        return OneLimit(name, limit, rule.text if rule else "")


def member_bytes(members: Collection[str | bytes]) -> list[bytes]:
    """Return a call's members as they are counted, each once, in a fixed order.

    In another order it would be another request.

    Raises:
        BadInput: Not 1 to 1,000 members of 1 to 512 bytes.
    """
    if isinstance(members, str | bytes):
        raise BadInput("members are a list or a set; one alone is a list of one")
    if not 1 <= len(members) <= _MOST_MEMBERS:
        raise BadInput(
            f"a call names 1 to {_MOST_MEMBERS:,} members, this one {len(members):,}"
        )
    return sorted({_member(each) for each in members})


def _member(member: str | bytes) -> bytes:
    if not isinstance(member, str | bytes):
        raise BadInput(f"{member!r} is no member; it is a text or bytes")
    raw = name_bytes(member) if isinstance(member, str) else member
    if not 1 <= len(raw) <= _LONGEST_MEMBER:
        raise BadInput(
            f"a member has 1 to {_LONGEST_MEMBER} bytes, this one has {len(raw)}"
        )
    return raw
