"""Taking a database to the Redis contract of this program: forward, online, again.

Each step only adds what programs of the older contract do not look at, so they go on
while it runs; cut short, it is run again and does what is left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from meterdeck.core.adapters.contract_calls import read_contract, write_contract
from meterdeck.core.adapters.redis_client import (
    Redis,
    execute_write,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.errors import Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.contract import OURS, UNSTORED, Contract
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.sync.share import read_workers

_SILENT_S = 30.0
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """What an upgrade would do now.

    Attributes:
        found: What the database says.
        version: The contract that it gets.
        writers: The oldest contract whose programs may write then.
        trails: Tenants whose audit trail no index names yet.
        older: Workers that are alive and of a contract that could not write then.
    """

    found: Contract
    version: int
    writers: int
    trails: tuple[TenantId, ...]
    older: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        """Whether the database is so already."""
        same = (self.found.version, self.found.writers) == (self.version, self.writers)
        return same and not self.trails and not self.found.upgrading


class Upgrade:
    """Plans an upgrade and makes it; of one context."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._context = context
        self._layout = context.redis.layout

    async def plan(self, *, shut_out_older: bool = False) -> UpgradePlan:
        """Say what is to be done; changes nothing.

        Args:
            shut_out_older: Let programs of older contracts only read from then on.

        Raises:
            Refused: The database is of a newer contract than this program.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        found = await read_contract(self._redis, self._layout)
        if found.version > OURS:
            raise Refused(
                f"this database is of Redis contract {found.version}, and this program"
                f" knows {OURS}: upgrade with the newer meterdeck"
            )
        writers = OURS if shut_out_older else found.writers
        trails = [each async for each in self._unnamed_trails()]
        older = await self._older_workers(writers)
        return UpgradePlan(found, OURS, writers, tuple(trails), older)

    async def apply(self, plan: UpgradePlan) -> None:
        """Do it; what was done before is not done again.

        Raises:
            ReadOnly: The context allows no changes.
            Refused: Workers that could not write then are alive; says which.
            RedisUnreachable, RedisRefused, UnknownOutcome: Run it again.
        """
        self._context.check_writable()
        if plan.older:
            raise Refused(
                f"workers of a contract before {plan.writers} are alive:"
                f" {', '.join(plan.older)}; end or upgrade them first,"
                " nothing was changed"
            )
        await self._store(upgrading=plan.version)
        for tenant in plan.trails:
            await self._name_trail(tenant)
        at = to_milliseconds(await server_time(self._redis))
        await self._store(
            version=plan.version, writers=plan.writers, upgraded_at=at, upgrading=0
        )

    async def _store(self, **fields: int) -> None:
        await write_contract(self._redis, self._layout, **fields)

    async def _unnamed_trails(self) -> AsyncIterator[TenantId]:
        """Yield the tenants that have a trail and are not in the index of trails."""
        redis, layout = cast("Any", self._redis), self._layout
        seen: dict[bytes, TenantId] = {}
        with redis_errors():
            async for key in redis.scan_iter(match=layout.audit_glob(), count=1000):
                if (tenant := layout.parse_audit(key)) is not None:
                    seen[key] = tenant
                if len(seen) >= _AT_ONCE:
                    for each in await self._unnamed(seen):
                        yield each
                    seen.clear()
            for each in await self._unnamed(seen):
                yield each

    async def _unnamed(self, trails: Mapping[bytes, TenantId]) -> list[TenantId]:
        """Return whose trails are some and not in the index; one round trip."""
        if not trails:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for key, tenant in trails.items():
                pipe.type(key)
                pipe.zscore(self._layout.audited(), name_bytes(tenant))
            with redis_errors():
                replies = await pipe.execute()
        pairs = zip(replies[::2], replies[1::2], strict=True)
        return [
            tenant
            for tenant, (kind, at) in zip(trails.values(), pairs, strict=True)
            if kind == b"stream" and at is None
        ]

    async def _name_trail(self, tenant: TenantId) -> None:
        layout = self._layout
        with redis_errors():
            newest = await cast("Any", self._redis).xrevrange(
                layout.audit(tenant), count=1
            )
        if not newest:
            return
        at = int(newest[0][0].partition(b"-")[0])
        await execute_write(
            self._redis,
            # A change that is made meanwhile names a later moment, which stays.
            *("ZADD", layout.audited(), "GT", at, name_bytes(tenant)),
            what="the index of audit trails",
            operation_id="",
        )

    async def _older_workers(self, writers: int) -> tuple[str, ...]:
        now = await server_time(self._redis)
        found = await read_workers(self._redis, self._layout.workers())
        return tuple(
            seen.id
            for seen in found
            if (now - seen.at).total_seconds() < _SILENT_S
            and _contract_of(seen.facts.get("contract")) < writers
        )


def _contract_of(said: object) -> int:
    # Those of version 1 do not say.
    return said if isinstance(said, int) else UNSTORED
