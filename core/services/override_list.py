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
from meterdeck.core.model.quantity import LARGEST, parse_counter
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
        if tenant is not None:
            tenants = [check_tenant(tenant, tagged=self._layout.tagged)]
        else:
            with redis_errors():
                names = await self._redis.smembers(self._layout.overridden())
            tenants = sorted(
                TenantId(name_text(name)) for name in cast("set[bytes]", names)
            )
        return await self.of(tenants)

    async def of(self, tenants: Sequence[TenantId]) -> tuple[Override, ...]:
        """Return the overrides in force of these tenants, in their order; as `read`."""
        found: list[Override] = []
        for start in range(0, len(tenants), _CHUNK):
            found += await self._read_chunk(tenants[start : start + _CHUNK])
        return tuple(found)

    async def _read_chunk(self, tenants: Sequence[TenantId]) -> list[Override]:
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
            read_override(tenant, resource, fields)
            for (tenant, resource), fields in zip(places, hashes, strict=True)
            if isinstance(fields, dict)
        )
        return [each for each in read if each is not None and _in_force(each, now)]


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
