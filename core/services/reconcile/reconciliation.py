"""Reconciliation of one context: compare, plan a repair, carry it out, settle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.billing_holds import BillingHolds
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.context import Context
from meterdeck.core.model.usage import Resource
from meterdeck.core.services.audit_view import AuditView
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.reconcile.corrections import Corrections
from meterdeck.core.services.reconcile.facts import Sources
from meterdeck.core.services.reconcile.lives import Lives
from meterdeck.core.services.reconcile.log_index import LogIndex
from meterdeck.core.services.reconcile.queued_ledger import QueuedLedger
from meterdeck.core.services.reconcile.reconciler import Reconciler
from meterdeck.core.services.reconcile.repairs import Repairs
from meterdeck.core.services.reconcile.summaries import Summaries
from meterdeck.core.services.usage_reading import UsageReader

_NAME = "reconcile"  # claims nothing, so that it needs no id of its own


class Reconciliation:
    """Everything that compares and mends; asks no server until it is used.

    Args:
        now: The clock that ages are measured by; the Redis server's unless given.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        gateway: StripeGateway,
        *,
        now: Callable[[], Awaitable[datetime]] | None = None,
    ) -> None:
        async def clock() -> datetime:
            return await server_time(redis)

        self._context = context
        self._redis = redis
        self._gateway = gateway
        self.now = now or clock
        self.records = BillingRecords(redis, context, _NAME)
        self.letters = Letters(redis, context)
        self.holds = BillingHolds(redis, context)
        self.changes = OperatorChanges(redis, context)
        self.lives = Lives(redis, context)

    def reconciler(self) -> Reconciler:
        """Return what compares, with an own look at log and meters."""
        sources = Sources(
            self.records,
            self.letters,
            self.holds,
            UsageReader(self._redis, self._context),
            LogIndex(self._redis, self._context),
            QueuedLedger(EventQueue(self._redis, self._context, _NAME)),
            Summaries(self._gateway, self._context),
            Corrections(AuditView(self._redis, self._context)),
            self.now,
            shared_meters(self._context.resources),
        )
        return Reconciler(sources, writes=not self._context.read_only)

    def repairs(self) -> Repairs:
        """Return what carries a plan out."""
        return Repairs(self.records, self.letters, self.changes, self.holds)


def shared_meters(resources: Iterable[Resource]) -> frozenset[str]:
    """Return the event names that more than one resource has."""
    names = Counter(each.meter for each in resources if each.meter)
    return frozenset(name for name, count in names.items() if count > 1)
