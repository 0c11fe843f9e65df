"""Standings: one tenant's usage with the rules and what went beyond the limits."""

from __future__ import annotations

from collections.abc import Sequence

from meterdeck.core.adapters.redis_client import (
    Redis,
    from_milliseconds,
    redis_errors,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.limit_rules import PLAIN
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.standing import NOTHING_BEYOND, Standing, UseBeyond
from meterdeck.core.model.usage import Tenant, Usage
from meterdeck.core.services.usage_reading import UsageReader

_FIELDS = ("passed_at", "shadow_calls", "shadow_units")
_LATEST_MS = 253_402_300_799_000  # the end of the year 9999


class Standings:
    """Reads the standings of one context's tenants; writes nothing."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._context = context
        self._reader = UsageReader(redis, context)

    async def of(self, tenant: Tenant) -> tuple[Standing, ...]:
        """Return how the tenant stands with each configured resource now.

        Raises:
            RedisUnreachable, RedisRefused: It could not be read.
        """
        usage = await self._reader.read(tenant)
        rules = [self._context.rule_of(tenant, each.resource) for each in usage]
        # What is beyond a plain limit was not let pass by a rule.
        ruled = [each for each, rule in zip(usage, rules, strict=True) if rule != PLAIN]
        beyond = await self._beyond(tenant, ruled)
        return tuple(
            Standing(each, rule, beyond.get(each.resource, NOTHING_BEYOND))
            for each, rule in zip(usage, rules, strict=True)
        )

    async def _beyond(
        self, tenant: Tenant, usage: Sequence[Usage]
    ) -> dict[str, UseBeyond]:
        if not usage:
            return {}
        layout = self._context.redis.layout
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for each in usage:
                    key = layout.beyond(tenant.id, each.resource, each.period.label)
                    pipe.hmget(key, list(_FIELDS))
                replies = await pipe.execute(raise_on_error=False)
        return {
            each.resource: _read(reply)
            for each, reply in zip(usage, replies, strict=True)
        }


def _read(reply: object) -> UseBeyond:
    """Read what is kept; what makes no sense is taken for nothing."""
    if not isinstance(reply, list):
        return NOTHING_BEYOND
    passed, calls, units = (parse_counter(each or b"") or 0 for each in reply)
    at = from_milliseconds(passed) if 0 < passed <= _LATEST_MS else None
    return UseBeyond(at, max(0, calls), max(0, units))
