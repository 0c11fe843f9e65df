"""Standings: one tenant's usage with the rules and what went beyond the limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from meterdeck.core.adapters.redis_client import (
    Redis,
    from_milliseconds,
    redis_errors,
)
from meterdeck.core.errors import Refused
from meterdeck.core.model.amounts import check_amounts
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import (
    Beyond,
    Decision,
    Refusal,
    ResourceDecision,
)
from meterdeck.core.model.limit_rules import PLAIN
from meterdeck.core.model.names import check_id
from meterdeck.core.model.quantity import LARGEST, parse_counter
from meterdeck.core.model.standing import NOTHING_BEYOND, Standing, UseBeyond
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Broken, Tenant, Usage
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
        return await self._stand(tenant, await self._reader.read(tenant))

    async def foresee(
        self, tenant: str, amounts: Mapping[str, int], *, call_id: str | None = None
    ) -> Decision:
        """Return what a call would be told now; it may be told otherwise later.

        Counters are as they are, before the call. A counter that holds no number is
        left out, and refuses the call.

        Raises:
            BadInput, NotFound: An argument is wrong.
            Refused: A counter would pass 2^53.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        check_amounts(amounts)
        if call_id is not None:
            check_id("call id", call_id)
        look = await self._reader.look(tenant)
        standings = await self._stand(look.tenant, look.usage)
        by_name = {each.usage.resource: each for each in standings}
        resources = []
        for name, units in amounts.items():
            standing = by_name[self._context.resource(name).name]
            used = standing.usage.used
            if not isinstance(used, Broken):
                resources.append(_foreseen(standing, used, units, look.now))
        refused = any(each.refused for each in resources)
        allowed = len(resources) == len(amounts) and not refused
        return Decision(allowed, tuple(resources), "", replayed=False)

    async def _stand(
        self, tenant: Tenant, usage: Sequence[Usage]
    ) -> tuple[Standing, ...]:
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


def _foreseen(
    standing: Standing, used: int, units: int, now: datetime
) -> ResourceDecision:
    usage, told = standing.usage, standing.verdict(units, now)
    reason = told if isinstance(told, Refusal) else None
    if reason is None and used > LARGEST - units:
        raise Refused(
            f"the counter of {visible(usage.resource)} would pass 2^53,"
            " beyond which counting is not exact"
        )
    return ResourceDecision(
        resource=usage.resource,
        current=used,
        limit=usage.limit,
        remaining=usage.remaining,
        period=usage.period,
        refused=reason is not None,
        reason=reason,
        beyond=told if isinstance(told, Beyond) else None,
    )


def _read(reply: object) -> UseBeyond:
    """Read what is kept; what makes no sense is taken for nothing."""
    if not isinstance(reply, list):
        return NOTHING_BEYOND
    passed, calls, units = (parse_counter(each or b"") or 0 for each in reply)
    at = from_milliseconds(passed) if 0 < passed <= _LATEST_MS else None
    return UseBeyond(at, max(0, calls), max(0, units))
