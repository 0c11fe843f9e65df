"""A limit goes on where a billing cycle changes: what was used is carried, once."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import Reply, Script
from meterdeck.core.errors import MeterdeckError, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import name_bytes, name_text
from meterdeck.core.model.periods import Period, PeriodKind
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, ResourceKind, TenantId
from meterdeck.core.services.current_periods import CYCLE_FIELDS, read_cycle
from meterdeck.core.services.cycle_change import (
    CYCLE_BEFORE,
    Carry,
    carries,
    prolonged,
)

_log = logging.getLogger(__name__)
_ACTOR, _ORIGIN = "meterdeck", "directory"
_AT_ONCE = 20
_ROUNDS = 4
_DAY_MS = 86_400_000
_STRIPE_WINDOW_DAYS = 35  # as of every billing record


@dataclass(frozen=True, slots=True)
class _Due:
    """A tenant's entry as it was read, and what it asks for."""

    tenant: TenantId
    noted: bytes
    cycle: bytes
    steps: Sequence[tuple[Resource, Carry]]
    prolonged: Sequence[Period]


class Carrying:
    """Carries what tenants used before their billing cycles changed.

    One script call a tenant: counters, audit entries, and that it was done. Any number
    of processes may do it at once, and again after a crash.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout
        self._retention_days = context.redis.retention_days
        self._resources = [
            each
            for each in context.resources
            if each.period is PeriodKind.BILLING_CYCLE
        ]
        self._script = Script("checks", "reserved", "trail", "carry")
        self._failed: set[TenantId] = set()

    async def carry(self, due: set[TenantId]) -> None:
        """Carry for these tenants and take them out of `due`.

        Those for whom it fails stay in; the log says why, once. Raises nothing.
        """
        waiting = sorted(due)
        for start in range(0, len(waiting), _AT_ONCE):
            batch = waiting[start : start + _AT_ONCE]
            done = await asyncio.gather(*map(self._try, batch))
            due -= {name for name, yes in zip(batch, done, strict=True) if yes}
        self._failed &= due

    async def _try(self, tenant: TenantId) -> bool:
        try:
            await self._carry(tenant)
        except MeterdeckError as error:
            if tenant not in self._failed:
                _log.warning(
                    "usage_not_carried_yet tenant=%s reason=%r",
                    visible(tenant),
                    visible(str(error)),
                )
            self._failed.add(tenant)
            return False
        self._failed.discard(tenant)
        return True

    async def _carry(self, tenant: TenantId) -> None:
        for _ in range(_ROUNDS):
            due = await self._read(tenant)
            if due is None:
                return  # somebody else has carried it
            await self._prolong(due)
            reply = await self._send(due)
            if reply[0] == b"ok":
                _tell(due, reply)
                return
        raise Refused("the billing cycle keeps changing; nothing was carried")

    async def _read(self, tenant: TenantId) -> _Due | None:
        with redis_errors():
            reply = await self._redis.hmget(
                self._layout.tenant(tenant), [CYCLE_BEFORE, *CYCLE_FIELDS]
            )
        noted, *fields = cast("list[bytes | None]", reply)
        if noted is None:
            return None
        cycle = read_cycle(fields)
        found = carries(noted, cycle)
        return _Due(
            tenant,
            noted,
            b" ".join(field or b"" for field in fields),
            [(resource, each) for each in found for resource in self._resources],
            prolonged(noted, cycle),
        )

    async def _prolong(self, due: _Due) -> None:
        """Let counters live as long as their period, which is longer than it was.

        Nothing is ever made to end earlier, and what has no expiry gets none.
        """
        if not due.prolonged:
            return
        layout, tenant = self._layout, due.tenant
        async with self._redis.pipeline(transaction=False) as pipe:
            for period in due.prolonged:
                ends, bill_ends = self._expiries(period)
                for resource in self._resources:
                    names = (tenant, resource.name, period.label)
                    for key in (layout.counter, layout.reserved, layout.beyond):
                        pipe.pexpireat(key(*names), ends, gt=True)
                    pipe.pexpireat(layout.members(*names), ends, gt=True)
                    pipe.pexpireat(layout.billing(*names), bill_ends, gt=True)
            with redis_errors():
                await pipe.execute()

    def _expiries(self, period: Period) -> tuple[int, int]:
        """Return the ms at which a counter and its billing record expire."""
        ends = to_milliseconds(period.end) + self._retention_days * _DAY_MS
        return ends, ends + _STRIPE_WINDOW_DAYS * _DAY_MS

    async def _send(self, due: _Due) -> Reply:
        layout = self._layout
        keys = [layout.tenant(due.tenant), layout.audit(due.tenant)]
        arguments: list[Argument] = [
            0 if layout.tagged else 1,
            name_bytes(due.tenant),
            due.noted,
            due.cycle,
            _ACTOR,
            _ORIGIN,
        ]
        for resource, carry in due.steps:
            keys += self._keys(due.tenant, resource, carry)
            arguments += self._arguments(due, resource, carry)
        if not layout.tagged:
            keys += [layout.audited(), layout.sequence(), layout.changed()]
        elif due.steps:
            await self._index(due.tenant)
        return await self._script.run(
            self._redis,
            keys,
            arguments,
            what="carrying usage into another period",
            operation_id=f"carry {visible(due.tenant)}",
        )

    def _keys(self, tenant: TenantId, resource: Resource, carry: Carry) -> list[bytes]:
        layout, name = self._layout, resource.name
        old, new = carry.old.label, carry.new.label
        return [
            layout.counter(tenant, name, old),
            layout.counter(tenant, name, new),
            layout.billing(tenant, name, old),
            layout.billing(tenant, name, new),
            layout.reserved(tenant, name, old),
            layout.members(tenant, name, old),
            layout.members(tenant, name, new),
        ]

    def _arguments(self, due: _Due, resource: Resource, carry: Carry) -> list[Argument]:
        ends, bill_ends = self._expiries(carry.new)
        return [
            resource.name,
            resource.scale,
            1 if resource.kind is ResourceKind.UNIQUE else 0,
            carry.old.label,
            carry.new.label,
            ends,
            bill_ends,
            f"{carry.what}: ",
            f" used since {_day(carry.old)} go on in the period from {_day(carry.new)}",
            _operation(resource, carry),
        ]

    async def _index(self, tenant: TenantId) -> None:
        """Name the tenant among those that have a trail, as `ChangeCalls` does."""
        at = to_milliseconds(await server_time(self._redis))
        with redis_errors():
            await self._redis.zadd(
                self._layout.audited(), {name_bytes(tenant): at}, gt=True
            )


def _day(period: Period) -> str:
    return period.start.strftime("%Y-%m-%d")


def _operation(resource: Resource, carry: Carry) -> str:
    """Return an id that no other change of this tenant's cycle has."""
    parts = (resource.name, carry.old.label, carry.new.label, carry.at.isoformat())
    text = "\n".join(parts).encode()
    return f"carry-{hashlib.sha1(text, usedforsecurity=False).hexdigest()[:24]}"


def _tell(due: _Due, reply: Reply) -> None:
    """Log what could not be carried: it is not tried again."""
    for (resource, carry), became, about in zip(
        due.steps, reply[1::2], reply[2::2], strict=True
    ):
        if became in (b"broken", b"foreign", b"overflow"):
            _log.warning(
                "usage_not_carried tenant=%s resource=%s from=%s to=%s"
                " reason=%s key=%s",
                visible(due.tenant),
                resource.name,
                carry.old.label,
                carry.new.label,
                became.decode(),
                visible(name_text(about)),
            )
