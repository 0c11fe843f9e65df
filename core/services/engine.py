"""The engine: the services of one context on one Redis client and one gateway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from meterdeck.core.adapters.redis_client import (
    guard_writes,
    open_redis,
    server_time,
)
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.request_rules import Changes
from meterdeck.core.services.contract_door import ContractDoor
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.watch import Watch
from meterdeck.core.services.watch_loop import Sources

if TYPE_CHECKING:
    from meterdeck.core.adapters.billing_calls import BillingRecords
    from meterdeck.core.adapters.sandbox_control import SandboxControl
    from meterdeck.core.model.acl.roles import Role
    from meterdeck.core.model.request_answers import RequestAnswer
    from meterdeck.core.services.acl.redis_users import RedisUsers
    from meterdeck.core.services.alerting.alerts import Alerts
    from meterdeck.core.services.bulk_overrides import BulkOverrides
    from meterdeck.core.services.catalogue import CatalogueService
    from meterdeck.core.services.costs import Costs
    from meterdeck.core.services.doctor.check import Places
    from meterdeck.core.services.doctor.doctor import Doctor
    from meterdeck.core.services.event_changes import EventChanges
    from meterdeck.core.services.fire import TestEvents
    from meterdeck.core.services.handoff import Gathered
    from meterdeck.core.services.health import HealthService, Seen
    from meterdeck.core.services.history import History
    from meterdeck.core.services.ledger import Ledger
    from meterdeck.core.services.operator_changes import OperatorChanges
    from meterdeck.core.services.reconcile.desk import DriftDesk
    from meterdeck.core.services.reconcile.reconciliation import Reconciliation
    from meterdeck.core.services.requests.desk import RequestDesk
    from meterdeck.core.services.requests.requested_changes import RequestedBulk
    from meterdeck.core.services.requests.serving import RequestServer
    from meterdeck.core.services.standings import Standings
    from meterdeck.core.services.stripe_history import StripeHistory
    from meterdeck.core.services.upgrade import Upgrade
    from meterdeck.core.services.usage import UsageService


class Engine:
    """Everything that can be done in a context; an async context manager.

    Opening it asks no server anything: one that is away shows when it is used. The
    Stripe SDK is imported by the first call that needs it. Belongs to the event loop
    it is used in first.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._redis = open_redis(context.redis, reads_only=context.read_only)
        self.gateway = (
            StripeGateway(context.stripe, context.mode, reads_only=context.read_only)
            if context.stripe
            else None
        )
        self.contract = ContractDoor(self._redis, context.redis.layout)
        guard_writes(self._redis, self.contract)
        self.directory = Directory(self._redis, context, self.gateway)
        self.events = DeliveryLog(self._redis, context)

    # What follows is made when it is used first: the console shows its first counters
    # before it needs any of that.

    @cached_property
    def usage(self) -> UsageService:
        """What counts calls against their limits."""
        from meterdeck.core.services.usage import UsageService  # noqa: PLC0415

        return UsageService(self._redis, self.context)

    @cached_property
    def standings(self) -> Standings:
        """What looks closely at how tenants stand."""
        from meterdeck.core.services.standings import Standings  # noqa: PLC0415

        return Standings(self._redis, self.context)

    @cached_property
    def changes(self) -> OperatorChanges:
        """What changes counters and limits, or asks for it."""
        if self.context.changes is Changes.DIRECT:
            from meterdeck.core.services.operator_changes import (  # noqa: PLC0415
                OperatorChanges,
            )

            return OperatorChanges(self._redis, self.context)
        from meterdeck.core.services.requests.requested_changes import (  # noqa: PLC0415
            RequestedChanges,
        )

        return RequestedChanges(self._redis, self.context)

    @cached_property
    def records(self) -> BillingRecords:
        """What Stripe was told of each counter."""
        from meterdeck.core.adapters.billing_calls import (  # noqa: PLC0415
            BillingRecords,
        )
        from meterdeck.core.services.sync.share import worker_name  # noqa: PLC0415

        return BillingRecords(self._redis, self.context, worker_name())

    @cached_property
    def test_events(self) -> TestEvents:
        """What sends meter events that nobody has caused."""
        from meterdeck.core.services.fire import TestEvents  # noqa: PLC0415

        return TestEvents(self._redis, self.context, self.gateway, self.events)

    @cached_property
    def ledger(self) -> Ledger:
        """What knows of each meter event what became of it."""
        from meterdeck.core.services.event_bodies import EventBodies  # noqa: PLC0415
        from meterdeck.core.services.ledger import Ledger  # noqa: PLC0415

        return Ledger(
            self._redis,
            self.context,
            log=self.events,
            directory=self.directory,
            bodies=EventBodies(self.context, self.gateway),
        )

    @cached_property
    def event_changes(self) -> EventChanges:
        """What replays, cancels and settles meter events, or asks for it."""
        from meterdeck.core.services.cancelling import Cancelling  # noqa: PLC0415
        from meterdeck.core.services.letters import Letters  # noqa: PLC0415

        letters = Letters(self._redis, self.context)
        return self._kind_of_event_changes()(
            self._redis,
            self.context,
            ledger=self.ledger,
            log=self.events,
            letters=letters,
            cancelling=Cancelling(self.context, self.gateway, letters),
        )

    def _kind_of_event_changes(self) -> type[EventChanges]:
        if self.context.changes is Changes.DIRECT:
            from meterdeck.core.services.event_changes import (  # noqa: PLC0415
                EventChanges,
            )

            return EventChanges
        from meterdeck.core.services.requests.event_requests import (  # noqa: PLC0415
            RequestedEventChanges,
        )

        return RequestedEventChanges

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to both servers; watching has to end before."""
        try:
            if self.gateway is not None:
                await self.gateway.close()
        finally:
            await self._redis.aclose()

    async def now(self) -> datetime:
        """Return the Redis server's time.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        return await server_time(self._redis)

    @property
    def catalogue(self) -> CatalogueService:
        """Meters, products and prices of the context's Stripe account."""
        # Rare, and the console's start should not pay for it.
        from meterdeck.core.services.catalogue import CatalogueService  # noqa: PLC0415

        return CatalogueService(self.context, self.gateway)

    @property
    def bulk(self) -> BulkOverrides | RequestedBulk:
        """What sets the overrides of many tenants, or asks for them."""
        if self.context.changes is Changes.REQUEST:
            from meterdeck.core.services.requests.requested_changes import (  # noqa: PLC0415
                RequestedBulk,
            )

            return RequestedBulk(self._redis, self.context)
        # Rare, and the console's start should not pay for it.
        from meterdeck.core.services.bulk_overrides import BulkOverrides  # noqa: PLC0415

        return BulkOverrides(self.changes)

    @cached_property
    def requests(self) -> RequestDesk:
        """What shows requests, and approves them."""
        # Rare, and the console's start should not pay for it.
        from meterdeck.core.services.requests.desk import RequestDesk  # noqa: PLC0415

        return RequestDesk(self._redis, self.context)

    def request_server(self, told: Callable[[RequestAnswer], None]) -> RequestServer:
        """Return what serves requests; `told` hears of each answer.

        It needs a Redis user that may do what it is asked for.
        """
        from meterdeck.core.services.requests.serving import (  # noqa: PLC0415
            RequestServer,
        )
        from meterdeck.core.services.requests.worth import Worth  # noqa: PLC0415

        worth = Worth(self.context, self.costs) if self.gateway else None
        return RequestServer(self._redis, self.context, worth=worth, told=told)

    def watch(self) -> Watch:
        """Return a watch on this context; it starts with `updates`."""
        return Watch(
            Sources(
                self._redis, self.context, self.directory, self.gateway, self.events
            )
        )

    @cached_property
    def costs(self) -> Costs:
        """What reckons what tenants' running periods cost."""
        # The console's start should not pay for it.
        from meterdeck.core.services.costs import Costs  # noqa: PLC0415

        return Costs(
            self._redis,
            self.context,
            self.gateway,
            records=self.records,
            usage=self.usage,
        )

    @cached_property
    def health(self) -> HealthService:
        """What looks at everything this context depends on."""
        # The console's start should not pay for it.
        from meterdeck.core.services.health import HealthService  # noqa: PLC0415

        return HealthService(self._redis, self.context, self.gateway, self.ledger)

    @cached_property
    def history(self) -> History:
        """What reads what tenants used before, and how fast."""
        # The console's start should not pay for it.
        from meterdeck.core.services.history import History  # noqa: PLC0415

        return History(self._redis, self.context)

    @cached_property
    def stripe_history(self) -> StripeHistory | None:
        """What completes a history by what Stripe has; None in a context without it."""
        from meterdeck.core.services.stripe_history import (  # noqa: PLC0415
            StripeHistory,
        )

        return StripeHistory(self.context, self.gateway) if self.gateway else None

    async def gather_handoff(
        self, since: datetime, seen: Seen | None = None
    ) -> Gathered:
        """Read what a shift hands over, but for the fleet; see `handoff.gather`."""
        # Rare, and the console's start should not pay for it.
        from meterdeck.core.services.handoff import gather  # noqa: PLC0415

        return await gather(self, since, seen)

    @property
    def redis_users(self) -> RedisUsers:
        """What makes the Redis users of roles."""
        # Rare, and the console's start should not pay for it.
        from meterdeck.core.services.acl.redis_users import RedisUsers  # noqa: PLC0415

        return RedisUsers(self._redis, self.context)

    @cached_property
    def alerts(self) -> Alerts:
        """The context's alerts, for operators."""
        # The console's start should not pay for it.
        from meterdeck.core.services.alerting.alerts import Alerts  # noqa: PLC0415

        return Alerts(self._redis, self.context)

    def reconciliation(self) -> Reconciliation:
        """Return what compares this context's counters with Stripe.

        Raises:
            Refused: The context has no Stripe.
        """
        from meterdeck.core.services.reconcile.reconciliation import (  # noqa: PLC0415
            Reconciliation,
        )

        if self.gateway is None:
            raise Refused(f"context {self.context.name} has no Stripe to compare with")
        return Reconciliation(self._redis, self.context, self.gateway)

    def drift(self) -> DriftDesk:
        """Return what compares and repairs for somebody who watches.

        Raises:
            Refused: The context has no Stripe.
        """
        from meterdeck.core.services.reconcile.desk import DriftDesk  # noqa: PLC0415
        from meterdeck.core.services.reconcile.kept_pass import (  # noqa: PLC0415
            KeptPass,
        )

        kept = KeptPass(self._redis, self.context.redis.layout)
        return DriftDesk(self.context, self.reconciliation(), self.directory, kept)

    def upgrade(self) -> Upgrade:
        """Return what takes the database to this program's Redis contract."""
        # Rare, and the console's start should not pay for it.
        from meterdeck.core.services.upgrade import Upgrade  # noqa: PLC0415

        return Upgrade(self._redis, self.context)

    def faults(self) -> SandboxControl:
        """Return the fault panel of this context's Stripe.

        Raises:
            Refused: Its Stripe is not a sandbox's.
        """
        from meterdeck.core.adapters.sandbox_control import (  # noqa: PLC0415
            sandbox_control,
        )

        return sandbox_control(self.context)

    def doctor(
        self,
        places: Places,
        *,
        key_problem: str = "",
        whole: bool = False,
        role: Role | None = None,
        limit_s: float | None = None,
    ) -> Doctor:
        """Return what examines this context.

        Args:
            places: Files of this machine.
            key_problem: Why Stripe's key cannot be used; empty where it can.
            whole: Look at every audit trail and every customer, not at some.
            role: What the Stripe key is for; None: by the context.
            limit_s: Seconds that one check may take; None: as many as is usual.
        """
        # Rare, and the console's start should not pay for it.
        from meterdeck.core.services.doctor.check import Patient  # noqa: PLC0415
        from meterdeck.core.services.doctor.doctor import (  # noqa: PLC0415
            LIMIT_S,
            Doctor,
        )

        patient = Patient(
            self._redis,
            self.context,
            places=places,
            gateway=self.gateway,
            key_problem=key_problem,
            whole=whole,
            role=role,
        )
        return Doctor(patient, limit_s=limit_s or LIMIT_S)
