"""Settling calls: releasing them, confirming reservations, giving expired ones back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.adapters.settle_calls import SettleScript, Settling
from meterdeck.core.errors import (
    ReadOnly,
    RedisRefused,
    RedisUnreachable,
    Refused,
    UnknownOutcome,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Settled
from meterdeck.core.model.names import check_id, check_tenant

_TRIES = 2
_SWEPT_AT_ONCE = 1000
_DAY_MS = 86_400_000


class Reservations:
    """Ends what calls of one context's tenants began."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._context = context
        self._layout = context.redis.layout
        retention_ms = context.redis.retention_days * _DAY_MS
        self._script = SettleScript(redis, self._layout, retention_ms)

    async def settle(
        self,
        how: Settling,
        tenant: str,
        call_id: str,
        amounts: Mapping[str, int] | None,
    ) -> Settled:
        """Settle a call once; a lost answer is asked for once more."""
        if self._context.read_only:
            raise ReadOnly(f"context {self._context.name} is read-only")
        check_tenant(tenant, tagged=self._layout.tagged)
        check_id("call id", call_id)
        lost: UnknownOutcome | None = None
        for _ in range(_TRIES):
            try:
                return await self._script.settle(how, tenant, call_id, amounts)
            except UnknownOutcome as error:
                lost = error
            except (RedisUnreachable, RedisRefused) as error:
                # The try before this one may have been carried out.
                raise lost or error from error
        assert lost is not None
        raise lost

    async def give_back_expired(self) -> int:
        """Give back reservations that expired and that no call came across.

        Returns the units. Where keys are tagged for a cluster there is no index of
        reservations: there only calls give them back.

        Raises:
            ReadOnly: The context allows no changes.
            RedisUnreachable, RedisRefused, UnknownOutcome: It may be done in part.
        """
        if self._context.read_only:
            raise ReadOnly(f"context {self._context.name} is read-only")
        if self._layout.tagged:
            return 0
        now = to_milliseconds(await server_time(self._redis))
        with redis_errors():
            due = await self._redis.zrangebyscore(
                self._layout.reserving(), "-inf", now, start=0, num=_SWEPT_AT_ONCE
            )
        units = 0
        for counter in cast("list[bytes]", due):
            found = self._layout.parse_counter(counter)
            if found is None:
                continue
            try:
                units += await self._script.give_back(counter, found)
            except Refused:
                continue  # a broken counter keeps no other from getting its units
        return units
