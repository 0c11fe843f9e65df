"""Test meter events: an operator or developer tries the way to Stripe."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from meterdeck.core.adapters.redis_client import Redis, enter_write, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import BadInput, Refused
from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.events import STATE_OF, EventSource, LoggedEvent, MeterEvent
from meterdeck.core.model.names import check_id
from meterdeck.core.model.quantity import LARGEST, format_quantity
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, ResourceKind, Tenant
from meterdeck.core.services.delivery_log import DeliveryLog, line_time
from meterdeck.core.services.kinds import check_kind
from meterdeck.core.services.standings import Standings
from meterdeck.core.services.usage import Decision, UsageService

IDENTIFIER_PREFIX = "meterdeck-test-"
_LONGEST_IDENTIFIER = 100  # Stripe's limit


class TestEvents:
    """Sends test events; never in a live context, never in a read-only one."""

    __test__ = False  # pytest takes every Test… for tests

    def __init__(
        self,
        redis: Redis,
        context: Context,
        gateway: StripeGateway | None,
        log: DeliveryLog,
    ) -> None:
        self._redis = redis
        self._context = context
        self._gateway = gateway
        self._log = log
        self._usage = UsageService(redis, context)
        self._standings = Standings(redis, context)

    async def fire(
        self,
        tenant: Tenant,
        resource: str,
        quantity: int,
        *,
        count: bool = False,
        operation_id: str,
    ) -> LoggedEvent:
        """Send one meter event to Stripe and return its line in the delivery log.

        Stripe counts it at most once per `operation_id` within 24 hours: a repeat
        is logged as a duplicate.

        Args:
            quantity: In the resource's smallest unit, 1 to 2^53.
            count: Also consume it, before sending, as the application would. At
                most once per `operation_id` within ten minutes.

        Raises:
            ReadOnly, Refused: The context does not allow it, the tenant or resource
                cannot be billed, or counting would pass the limit; nothing is sent.
            BadInput, NotFound: The quantity, operation id or resource is wrong.
            StripeUnreachable: It was surely not sent; it is not logged.
            RedisUnreachable, RedisRefused: Without the log nothing is sent. After
                sending: the line is missing, and a repeat writes it.
            UnknownOutcome: The count or the line may have been written.
        """
        gateway = self._allowed()
        await enter_write(self._redis)  # before Stripe is told anything
        wanted = self._context.resource(resource)
        began = await server_time(self._redis)
        event = _event(tenant, wanted, quantity, operation_id, began)
        if count:
            await self._count(tenant, wanted, quantity, event.identifier)
        delivered = await gateway.send_meter_event(event)
        logged = LoggedEvent(
            id="",
            at=event.timestamp,
            source=EventSource.TEST,
            outcome=delivered.outcome,
            state=STATE_OF[delivered.outcome],
            tenant=tenant.id,
            resource=wanted.name,
            event=event,
            message=delivered.message,
            request_id=delivered.request_id,
            latency_ms=delivered.latency_ms,
            first_sent_at=began,
            sent_at=began,
        )
        line = await self._log.append(logged)
        return replace(logged, id=line, at=line_time(line))

    async def foresee(
        self,
        tenant: Tenant,
        resource: str,
        quantity: int,
        *,
        count: bool = False,
        operation_id: str,
    ) -> MeterEvent:
        """Return the event that `fire` would send now; sends and counts nothing.

        Raises:
            As `fire`, but for what only Stripe's or a script's answer tells.
        """
        self._allowed()
        wanted = self._context.resource(resource)
        now = await server_time(self._redis)
        event = _event(tenant, wanted, quantity, operation_id, now)
        if count:
            check_kind(wanted, ResourceKind.COUNTER, ResourceKind.GAUGE)
            foreseen = await self._standings.foresee(
                tenant.id, {wanted.name: quantity}, call_id=event.identifier
            )
            _check_counted(foreseen, tenant, wanted)
        return event

    def _allowed(self) -> StripeGateway:
        context = self._context
        context.check_writable()
        if context.mode is Mode.LIVE:
            raise Refused(
                f"context {context.name} is live: a test event would be on an invoice"
            )
        if self._gateway is None:
            raise Refused(f"context {context.name} has no Stripe to send to")
        return self._gateway

    async def _count(
        self, tenant: Tenant, resource: Resource, quantity: int, call_id: str
    ) -> None:
        decision = await self._usage.consume(
            tenant.id, {resource.name: quantity}, call_id=call_id
        )
        _check_counted(decision, tenant, resource)


def _check_counted(decision: Decision, tenant: Tenant, resource: Resource) -> None:
    if not decision.allowed:
        raise Refused(
            f"{visible(tenant.name)} has reached its limit of {resource.label};"
            " nothing was counted or sent"
        )


def _event(
    tenant: Tenant,
    resource: Resource,
    quantity: int,
    operation_id: str,
    at: datetime,
) -> MeterEvent:
    identifier = IDENTIFIER_PREFIX + check_id("operation id", operation_id)
    if len(identifier) > _LONGEST_IDENTIFIER:
        most = _LONGEST_IDENTIFIER - len(IDENTIFIER_PREFIX)
        raise BadInput(f"an operation id has at most {most} characters here")
    if not 1 <= quantity <= LARGEST:
        raise BadInput(f"{quantity} cannot be sent; a quantity is 1 to {LARGEST:,}")
    if not resource.meter:
        raise Refused(f"{resource.label} has no meter in Stripe: set its `meter`")
    if not tenant.customer:
        raise Refused(f"{visible(tenant.name)} is not a customer in Stripe")
    value = format_quantity(quantity, resource.scale)
    whole = at.replace(microsecond=0)  # all that Stripe takes
    return MeterEvent(resource.meter, identifier, tenant.customer, value, whole)
