"""Reading usage: counters, limits and overrides of one tenant, without a write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.adapters.redis_client import (
    Redis,
    clock_time,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.holding import holding
from meterdeck.core.model.limit_rules import LimitRule, read_rule
from meterdeck.core.model.names import check_tenant, name_text
from meterdeck.core.model.periods import Cycle, Period, current_period
from meterdeck.core.model.quantity import LARGEST, parse_counter
from meterdeck.core.model.usage import (
    Broken,
    Limit,
    LimitSource,
    Resource,
    ResourceName,
    Tenant,
    TenantId,
    Usage,
)
from meterdeck.core.services.current_periods import CYCLE_FIELDS, read_cycle

_LIMIT, _RULE = b"limit", b"rule"


@dataclass(frozen=True, slots=True)
class _Override:
    limit: Limit
    ends_ms: int | None


Override = _Override | Broken | None


@dataclass(frozen=True, slots=True)
class _Held:
    """What Redis holds of one resource.

    Attributes:
        reservations: Units and the ms at which they are given back.
    """

    used: int | Broken
    override: Override
    reservations: Sequence[tuple[int, float]]


_BAD_OVERRIDE = Broken("an override that is not a whole number")
_BAD_LIMIT = Broken("a plan's limit that is not a whole number")


@dataclass(frozen=True, slots=True)
class Look:
    """One tenant's usage, the server's time at it, and the entry it is read by."""

    now: datetime
    tenant: Tenant
    usage: tuple[Usage, ...]


class UsageReader:
    """Reads the usage of one context's tenants."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._context = context
        self._layout = context.redis.layout

    async def read(self, tenant: Tenant | str) -> tuple[Usage, ...]:
        """Return every configured resource's usage in its current period.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        if not isinstance(tenant, Tenant):
            return (await self.look(tenant)).usage
        now, _ = await self._clock_and_entry(tenant.id)
        (found,) = await self._read([tenant], now)
        return found

    async def look(self, tenant: str) -> Look:
        """Return what `read` does of a tenant given by name, and what it is read by.

        Raises:
            BadInput, RedisUnreachable, RedisRefused: As `read`.
        """
        who = check_tenant(tenant, tagged=self._layout.tagged)
        now, entry = await self._clock_and_entry(who)
        known, wrong = _tenant(who, entry)
        (found,) = await self._read([known], now, wrong)
        return Look(now, known, found)

    async def read_many(self, tenants: Sequence[Tenant]) -> list[tuple[Usage, ...]]:
        """Return what `read` does of each tenant, all of them in one round trip.

        Raises:
            RedisUnreachable, RedisRefused: They could not be read.
        """
        return await self._read(tenants, await server_time(self._redis))

    async def _read(
        self,
        tenants: Sequence[Tenant],
        now: datetime,
        wrong: frozenset[ResourceName] = frozenset(),
    ) -> list[tuple[Usage, ...]]:
        resources = self._context.resources
        periods = [
            [_period(each, tenant.cycle, now) for each in resources]
            for tenant in tenants
        ]
        wanted = [
            (tenant.id, each.name, period)
            for tenant, own in zip(tenants, periods, strict=True)
            for each, period in zip(resources, own, strict=True)
        ]
        values = iter(await self._values(wanted))
        return [
            tuple(
                self._usage(
                    tenant,
                    resource,
                    period,
                    held=next(values),
                    now=now,
                    wrong=wrong,
                )
                for resource, period in zip(resources, own, strict=True)
            )
            for tenant, own in zip(tenants, periods, strict=True)
        ]

    async def _clock_and_entry(
        self, tenant: TenantId
    ) -> tuple[datetime, Mapping[bytes, bytes]]:
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.time()
                pipe.hgetall(self._layout.tenant(tenant))
                clock, entry = await pipe.execute()
        return clock_time(clock), entry

    async def _values(
        self, wanted: Sequence[tuple[TenantId, ResourceName, Period]]
    ) -> list[_Held]:
        layout = self._layout
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for tenant, name, period in wanted:
                    key = layout.counter(tenant, name, period.label)
                    pipe.get(key)
                    pipe.type(key)
                    pipe.hmget(layout.override(tenant, name), ["units", "expires_at"])
                    reserved = layout.reserved(tenant, name, period.label)
                    pipe.zrange(reserved, 0, -1, withscores=True)
                replies = await pipe.execute(raise_on_error=False)
                _check_replies(replies)
        each = zip(*(replies[at::4] for at in range(4)), strict=True)
        return [
            _Held(_used(value, kind), _override(override), _reservations(reserved))
            for value, kind, override, reserved in each
        ]

    def _usage(
        self,
        tenant: Tenant,
        resource: Resource,
        period: Period,
        *,
        held: _Held,
        now: datetime,
        wrong: frozenset[ResourceName],
    ) -> Usage:
        used, override = held.used, held.override
        now_ms = to_milliseconds(now)
        reserved = sum(units for units, ends in held.reservations if ends > now_ms)
        if isinstance(used, int):
            expired = sum(units for units, _ in held.reservations) - reserved
            used -= min(expired, max(0, used))
        limit = self._context.limit_of(tenant, resource.name)
        if isinstance(override, Broken):
            used = override
        elif override is not None and not _expired(override, now):
            limit = override.limit
        elif resource.name in wrong:
            used = _BAD_LIMIT
        return Usage(tenant.id, resource.name, period, used, limit, reserved)


def _check_replies(replies: Sequence[object]) -> None:
    for reply in replies:
        if isinstance(reply, Exception) and "WRONGTYPE" not in str(reply):
            raise reply


def _used(value: object, kind: bytes) -> int | Broken:
    if value is None:
        return 0
    if not isinstance(value, bytes):
        return Broken(holding(kind.decode()))
    used = parse_counter(value)
    if used is None or abs(used) > LARGEST:
        return Broken(holding("string", value[:64]))
    return used


def _reservations(reply: object) -> list[tuple[int, float]]:
    if not isinstance(reply, list):
        return []
    found = ((parse_counter(member.rpartition(b":")[2]), at) for member, at in reply)
    return [(units, at) for units, at in found if units is not None]


def _override(reply: object) -> Override:
    if not isinstance(reply, list):
        return _BAD_OVERRIDE
    units, expires_at = reply
    if units is None:
        return None
    known, limit = _units(units)
    if not known:
        return _BAD_OVERRIDE
    ends = parse_counter(expires_at or b"")
    return _Override(Limit(limit, LimitSource.OVERRIDE), ends)


def _expired(override: _Override, now: datetime) -> bool:
    return override.ends_ms is not None and override.ends_ms <= to_milliseconds(now)


def _tenant(
    tenant: TenantId, entry: Mapping[bytes, bytes]
) -> tuple[Tenant, frozenset[ResourceName]]:
    limits: dict[ResourceName, int | None] = {}
    rules: dict[ResourceName, LimitRule] = {}
    wrong = set()
    for field, value in entry.items():
        kind, _, name = field.partition(b":")
        resource = ResourceName(name_text(name))
        if kind == _RULE and (rule := read_rule(name_text(value))):
            rules[resource] = rule
        if kind != _LIMIT:
            continue
        known, units = _units(value)
        if known:
            limits[resource] = units
        else:
            wrong.add(resource)
    cycle = read_cycle([entry.get(field.encode()) for field in CYCLE_FIELDS])
    found = Tenant(tenant, tenant, limits=limits, rules=rules, cycle=cycle)
    return found, frozenset(wrong)


def _units(text: bytes) -> tuple[bool, int | None]:
    if text == b"unlimited":
        return True, None
    units = parse_counter(text)
    return units is not None and 0 <= units <= LARGEST, units


def _period(resource: Resource, cycle: Cycle | None, now: datetime) -> Period:
    return current_period(resource.period, cycle, now)
