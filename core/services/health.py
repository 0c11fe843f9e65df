"""Looks at everything a context depends on, in bounded time: one picture of it all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from meterdeck.core.adapters.late_error_calls import LateErrorCalls
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.sentinel_reading import read_sentinels
from meterdeck.core.adapters.server_reading import (
    is_routed,
    ping_ms,
    read_servers,
    read_user,
    script_ms,
)
from meterdeck.core.adapters.spool_glance import glance
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import (
    MeterdeckError,
    RedisRefused,
    RedisUnreachable,
)
from meterdeck.core.model.acl.own_rights import RedisUser
from meterdeck.core.model.context import Context
from meterdeck.core.model.degraded import SpoolSight
from meterdeck.core.model.fleet_update import Health, Reach
from meterdeck.core.model.health import (
    FleetHealth,
    RedisHealth,
    Sending,
    StripeHealth,
    Waiting,
    newest_trouble,
)
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.ledger import Ledger
from meterdeck.core.services.reconcile.kept_pass import KeptPass
from meterdeck.core.services.reconcile.lives import Lives
from meterdeck.core.services.sending import read_sending
from meterdeck.core.settings import spool_directory

LETTERS_LOOKED_AT = 1000

_LONGEST_S = 5.0
_NAME = "health"  # claims nothing, so that it needs no id of its own

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """What whoever watches has seen already, so that nobody is asked twice.

    Attributes:
        letters: How many need somebody, of `LETTERS_LOOKED_AT` at most.
        faults: What a sandbox's Stripe does wrong on purpose, in words.
        user: Who asks Redis; None: not known.
    """

    stripe: Health
    spool: SpoolSight | None
    letters: int
    faults: tuple[str, ...] = ()
    user: RedisUser | None = None


class HealthService:
    """Looks at one context; changes nothing."""

    def __init__(
        self,
        redis: Redis,
        context: Context,
        gateway: StripeGateway | None,
        ledger: Ledger,
    ) -> None:
        self._redis = redis
        self._context = context
        self._layout = context.redis.layout
        self._gateway = gateway
        self._ledger = ledger
        self._queue = EventQueue(redis, context, _NAME)
        self._kept = KeptPass(redis, self._layout)
        self._lives = Lives(redis, context)
        self._reports = LateErrorCalls(redis, self._layout)

    async def sending(self) -> Sending:
        """Return what is not yet at Stripe.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        return await read_sending(self._redis, self._layout)

    async def queued(self) -> int:
        """Return how many events of `track()` are not settled.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        return await self._queue.length()

    async def user(self) -> RedisUser | None:
        """Return who asks Redis here, and what that user may; None: not told.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        return await read_user(self._redis, self._layout)

    async def look(self, seen: Seen | None = None) -> FleetHealth:
        """Look at everything; what does not answer is part of the picture.

        Takes no longer than a few seconds, whatever the servers do.

        Args:
            seen: What is known already; None: Stripe and this machine's disk are asked,
                too.
        """
        try:
            async with asyncio.timeout(_LONGEST_S):
                at = await server_time(self._redis)
                redis, waiting, sending, reports = await asyncio.gather(
                    self._look_at_redis(seen),
                    self._waiting(seen),
                    _or_none(self.sending()),
                    _or_none(self._reports.read_until()),
                )
        except (RedisUnreachable, RedisRefused) as error:
            return await self._without_redis(str(error), seen)
        except TimeoutError:
            slow = f"Redis did not answer within {_LONGEST_S:.0f} s"
            return await self._without_redis(slow, seen)
        stripe = await self._look_at_stripe(seen, sending, reports)
        return FleetHealth(at, redis, stripe, sending, waiting)

    async def _without_redis(self, problem: str, seen: Seen | None) -> FleetHealth:
        stripe = await self._look_at_stripe(seen, None, None)
        redis = RedisHealth(problem=problem, cluster=is_routed(self._redis))
        return FleetHealth(datetime.now(UTC), redis, stripe, None, None)

    async def _look_at_redis(self, seen: Seen | None) -> RedisHealth:
        ping = await ping_ms(self._redis)
        script = await script_ms(self._redis, self._layout.tenant(_NAME))
        servers, sentinels, user = await asyncio.gather(
            read_servers(self._redis),
            read_sentinels(self._redis, self._context.redis),
            self._user(seen),
        )
        return RedisHealth(
            ping_ms=ping,
            script_ms=script,
            servers=servers,
            cluster=is_routed(self._redis),
            sentinels=sentinels,
            user=user,
        )

    async def _user(self, seen: Seen | None) -> RedisUser | None:
        return seen.user if seen is not None and seen.user else await self.user()

    async def _look_at_stripe(
        self, seen: Seen | None, sending: Sending | None, reports: datetime | None
    ) -> StripeHealth | None:
        if self._gateway is None:
            return None
        health = seen.stripe if seen is not None else await self._asked()
        workers = sending.workers if sending is not None else ()
        own = self._gateway.trouble
        return StripeHealth(
            reach=health.reach,
            latency_ms=health.latency_ms,
            problem=health.message,
            trouble=newest_trouble([own, *(each.trouble for each in workers)]),
            reports_read_at=reports,
            faults=seen.faults if seen is not None else (),
        )

    async def _asked(self) -> Health:
        assert self._gateway is not None
        try:
            async with asyncio.timeout(_LONGEST_S):
                return Health(Reach.OK, await self._gateway.ping())
        except TimeoutError:
            slow = f"Stripe did not answer within {_LONGEST_S:.0f} s"
            return Health(Reach.DOWN, message=slow)
        except MeterdeckError as error:
            return Health(Reach.DOWN, message=str(error))

    async def _waiting(self, seen: Seen | None) -> Waiting:
        queued, last_pass, life = await asyncio.gather(
            _or_none(self._queue.length()),
            _or_none(self._kept.read()),
            _or_none(self._lives.look()),
        )
        if seen is not None:
            letters, spool = seen.letters, seen.spool
        else:
            letters = await _or_none(self._ledger.needing(LETTERS_LOOKED_AT)) or 0
            spool = await self._spool()
        return Waiting(
            letters=letters,
            letters_more=letters >= LETTERS_LOOKED_AT,
            queued=queued or 0,
            spool=spool,
            last_pass=last_pass,
            older_since=life.older_since if life else None,
        )

    async def _spool(self) -> SpoolSight | None:
        root = spool_directory(self._context)
        try:
            return await asyncio.to_thread(
                glance, root, self._context.library.spool_bytes
            )
        except OSError:
            return None  # another user's: doctor says so


async def _or_none(asking: Awaitable[T]) -> T | Any:
    """Return an answer; None where this user may not ask."""
    try:
        return await asking
    except RedisRefused:
        return None
