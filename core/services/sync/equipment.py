"""What a worker works with: its connections, its clock, and what they carry."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.billing_holds import BillingHolds
from meterdeck.core.adapters.redis_client import guard_writes, open_redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.adapters.stripe_sinks import open_sink
from meterdeck.core.errors import ConfigError, ReadOnly
from meterdeck.core.model.context import Context, StripeOptions
from meterdeck.core.model.reconciliation import SUMMARY_LAG
from meterdeck.core.services.audit_view import AuditView
from meterdeck.core.services.claim_guard import ClaimGuard
from meterdeck.core.services.contract_door import ContractDoor
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.reconcile.corrections import Corrections
from meterdeck.core.services.reconcile.reconciliation import Reconciliation
from meterdeck.core.services.reconcile.witness import Witness
from meterdeck.core.services.sender import Sender
from meterdeck.core.services.server_clock import ServerClock
from meterdeck.core.services.sync.billable import Billables
from meterdeck.core.services.sync.observer import NoObserver, Observer
from meterdeck.core.services.sync.share import Share, worker_name
from meterdeck.core.services.sync.vitals import Vitals
from meterdeck.core.services.timing import Timing

_CONNECTIONS = 24
# Of the lease: when it is over, a request that has no answer is given up, so that two
# workers never send an event at once.
_PATIENCE = 0.7
_LONGEST_BEAT_S = 2.0
_ROUNDS, _MOST_ON_THE_WAY = 12, 2_000


class Equipment:
    """One worker's own; belongs to one event loop, and `close` ends it.

    Opening it asks no server anything.

    Attributes:
        lease_s: Seconds for which what was claimed or taken is this worker's.
        beat_s: Seconds between two signs of life.
        on_the_way: Events that may be claimed and not settled at once.
        most_rate: Events a second at most.
        vitals: What was delivered in the last minute.

    Raises:
        ConfigError: The context has no Stripe.
        ReadOnly: The context allows no changes.
    """

    def __init__(
        self,
        context: Context,
        name: str = "",
        observer: Observer | None = None,
        *,
        summary_lag: timedelta = SUMMARY_LAG,
    ) -> None:
        stripe = _required_stripe(context)
        options, layout = context.delivery, context.redis.layout
        self.context = context
        self.name = name or worker_name()
        self.observer = self.vitals = Vitals(observer or NoObserver())
        self.server_clock = ServerClock()
        self.meters_doubted = asyncio.Event()
        """Set when Stripe refused an event: its meter may not be what it was."""
        self.lease_s = options.takeover_s
        self.beat_s = min(_LONGEST_BEAT_S, options.takeover_s / 5)
        self.redis = open_redis(context.redis, connections=_CONNECTIONS)
        self.door = ContractDoor(self.redis, layout)
        guard_writes(self.redis, self.door)
        self.gateway = StripeGateway(stripe, context.mode)
        self.billables = Billables(context)
        self.share = Share(self.redis, layout, self.name, 3 * self.beat_s)
        self.records = BillingRecords(self.redis, context, self.name)
        self.queue = EventQueue(self.redis, context, self.name)
        self.reconciliation = Reconciliation(
            self.redis, context, self.gateway, now=self._now
        )
        self.witness = Witness(
            self.redis,
            context,
            self.reconciliation,
            self.billables.tenant,
            summary_lag,
        )
        self.guard = ClaimGuard(
            DeliveryLog(self.redis, context),
            Corrections(AuditView(self.redis, context)),
            BillingHolds(self.redis, context),
        )
        sink = open_sink(
            options.sink,
            stripe,
            context.mode,
            at_once=options.at_once,
            meters=self.billables.meter,
            clock=self.now,
        )
        rate = self.most_rate = options.events_per_second or sink.rate
        self.sender = Sender(
            sink,
            rate=rate,
            at_once=options.at_once,
            patience_s=options.takeover_s * _PATIENCE,
            meters=self.billables.meter,
            observer=self.observer,
            timing=Timing(now=self.now),
        )
        # More would only wait for their turn, with leases running.
        requests = options.at_once * sink.batch
        self.on_the_way = min(_ROUNDS * requests, _MOST_ON_THE_WAY)

    def now(self) -> datetime:
        """Return the Redis server's time; this host's until it was learned."""
        return self.server_clock.now()

    async def learn(self) -> None:
        """Read what others have sent, and whether the server has begun anew.

        Raises:
            RedisUnreachable, RedisRefused: The next call goes on where this one ended.
        """
        await self.witness.look()
        await self.guard.begin(self.now())

    async def _now(self) -> datetime:
        return self.now()

    async def close(self) -> None:
        """Close all connections; requests on their way are waited for."""
        for close in (self.sender.close, self.gateway.close, self.redis.aclose):
            with suppress(OSError):
                await close()


def _required_stripe(context: Context) -> StripeOptions:
    if context.stripe is None:
        raise ConfigError(
            f"contexts.{context.name}.stripe",
            "is missing: there is nothing to deliver to",
            "give an api_key there",
        )
    if context.read_only:
        raise ReadOnly(
            f"context {context.name} is read-only: a worker writes billing records"
        )
    return context.stripe
