"""Reading overrides: those in force, of one tenant or of the fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    clock_time,
    from_milliseconds,
    redis_errors,
)
from meterdeck.core.model.changes import Override
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import check_tenant, name_text
from meterdeck.core.model.override_ends import FoundOverride
from meterdeck.core.model.quantity import LARGEST, parse_counter
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import ResourceName, TenantId

_CHUNK = 500


class OverrideList:
    """Reads the overrides of one context."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout

    async def read(self, tenant: str | None = None) -> tuple[Override, ...]:
        """Return the overrides in force, ordered by tenant and resource.

        One that holds no limit, written by something else, is left out here and
        shown as broken in the tenant's usage.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: They could not be read.
        """
        return await self.of(await self._meant(tenant))

    async def of(self, tenants: Sequence[TenantId]) -> tuple[Override, ...]:
        """Return the overrides in force of these tenants, in their order; as `read`."""
        found = await self._found(tenants)
        return tuple(each.override for each in found if each.override and each.in_force)

    async def found(self, tenant: str | None = None) -> tuple[FoundOverride, ...]:
        """Return every override, ordered by tenant and resource.

        Also those that are over and still there, and what is no override.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: They could not be read.
        """
        return tuple(await self._found(await self._meant(tenant)))

    async def _meant(self, tenant: str | None) -> list[TenantId]:
        if tenant is not None:
            return [check_tenant(tenant, tagged=self._layout.tagged)]
        return await self._overridden()

    async def _overridden(self) -> list[TenantId]:
        with redis_errors():
            names = await self._redis.smembers(self._layout.overridden())
        return sorted(TenantId(name_text(name)) for name in cast("set[bytes]", names))

    async def _found(self, tenants: Sequence[TenantId]) -> list[FoundOverride]:
        found: list[FoundOverride] = []
        for start in range(0, len(tenants), _CHUNK):
            found += await self._read_chunk(tenants[start : start + _CHUNK])
        return found

    async def _read_chunk(self, tenants: Sequence[TenantId]) -> list[FoundOverride]:
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for tenant in tenants:
                    pipe.hkeys(self._layout.overrides(tenant))
                resources = await pipe.execute()
            places = [
                (tenant, ResourceName(name_text(name)))
                for tenant, names in zip(tenants, resources, strict=True)
                for name in sorted(names)
            ]
            async with self._redis.pipeline(transaction=False) as pipe:
                for tenant, resource in places:
                    pipe.hgetall(self._layout.override(tenant, resource))
                pipe.time()
                *hashes, clock = await pipe.execute(raise_on_error=False)
            now = clock_time(clock)
        read = (
            _found_at(tenant, resource, fields, now)
            for (tenant, resource), fields in zip(places, hashes, strict=True)
        )
        return [each for each in read if each is not None]


def _found_at(
    tenant: TenantId, resource: ResourceName, fields: object, now: datetime
) -> FoundOverride | None:
    """Return what stands at an override's key; None where nothing does any more."""
    if not isinstance(fields, dict):
        why = "its key holds something else: calls that need it fail"
        return FoundOverride(tenant, resource, None, problem=why)
    if not fields:
        return None  # it has ended by itself; the tenant's list still names it
    override = read_override(tenant, resource, fields)
    if override is None:
        why = _no_limit(fields.get(b"units"))
        return FoundOverride(tenant, resource, None, problem=why)
    return FoundOverride(tenant, resource, override, not _in_force(override, now))


def _no_limit(units: bytes | None) -> str:
    if units is None:
        return "it holds no limit: the plan's counts"
    return f"its limit is {visible(name_text(units), 40)}: calls that need it fail"


def _in_force(override: Override, now: datetime) -> bool:
    # The key expires by itself; another program may have taken its expiry away.
    return override.expires_at is None or now < override.expires_at


def read_override(
    tenant: TenantId, resource: ResourceName, fields: Mapping[bytes, bytes]
) -> Override | None:
    """Read an override's hash; None where it holds no limit."""
    text = fields.get(b"units", b"")
    units = parse_counter(text)
    if text != b"unlimited" and (units is None or not 0 <= units <= LARGEST):
        return None
    created = parse_counter(fields.get(b"created_at", b"")) or 0
    expires = parse_counter(fields.get(b"expires_at", b""))
    return Override(
        tenant=tenant,
        resource=resource,
        units=units,
        actor=name_text(fields.get(b"actor", b"")),
        reason=name_text(fields.get(b"reason", b"")),
        created_at=from_milliseconds(created),
        expires_at=None if expires is None else from_milliseconds(expires),
    )
