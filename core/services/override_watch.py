"""Which overrides came, went or changed since the last look."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.changes import Override
from meterdeck.core.model.context import Context
from meterdeck.core.model.fleet_update import OverrideChange
from meterdeck.core.model.usage import Limit, LimitSource, TenantId
from meterdeck.core.services.override_list import OverrideList

_WHOLE_S = 30.0
_WHOLE_UNINDEXED_S = 3.0  # without the index only a whole read finds a change
_ONE_BY_ONE = 5


class OverrideWatch:
    """Reads overrides again only where the change index or an expiry says so."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout
        self._list = OverrideList(redis, context)
        self._known: dict[tuple[TenantId, str], Override] = {}
        self._whole_at = float("-inf")

    def forget_time(self) -> None:
        """Read all of them with the next look: it may be another database."""
        self._whole_at = float("-inf")

    async def look(
        self, changed: Sequence[TenantId], at: datetime
    ) -> tuple[OverrideChange, ...]:
        """Return what is different now; `changed` tenants are looked at again.

        Raises:
            RedisUnreachable: The next look finds it instead.
        """
        every_s = _WHOLE_UNINDEXED_S if self._layout.tagged else _WHOLE_S
        try:
            tenants = await self._due(changed, at)
            old = time.monotonic() - self._whole_at > every_s
            if old or len(tenants) > _ONE_BY_ONE:
                self._whole_at = time.monotonic()
                return self._compare(await self._list.read(), self._known)
            changes: list[OverrideChange] = []
            for tenant in tenants:
                known = [key for key in self._known if key[0] == tenant]
                changes += self._compare(await self._list.read(tenant), known)
            return tuple(changes)
        except RedisRefused:
            return ()  # no right to read them, or a key of another type

    async def _due(
        self, changed: Sequence[TenantId], at: datetime
    ) -> frozenset[TenantId]:
        ended = {
            tenant
            for (tenant, _), override in self._known.items()
            if override.expires_at is not None and override.expires_at <= at
        }
        if not changed:
            return frozenset(ended)
        names = [name.encode("utf-8", "surrogateescape") for name in changed]
        with redis_errors():
            answer = await self._redis.smismember(self._layout.overridden(), names)
        flags = cast("list[int]", answer)
        found = (name for name, flag in zip(changed, flags, strict=True) if flag)
        return frozenset(ended).union(found)

    def _compare(
        self, found: Iterable[Override], looked_at: Iterable[tuple[TenantId, str]]
    ) -> tuple[OverrideChange, ...]:
        now = {(o.tenant, str(o.resource)): o for o in found}
        gone = [key for key in looked_at if key not in now]
        changes = [OverrideChange(tenant, name, None) for tenant, name in gone]
        for key in gone:
            del self._known[key]
        for key, override in now.items():
            if self._known.get(key) != override:
                self._known[key] = override
                limit = Limit(override.units, LimitSource.OVERRIDE)
                changes.append(OverrideChange(*key, limit, override.expires_at))
        return tuple(changes)
