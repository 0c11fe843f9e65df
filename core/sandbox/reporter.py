"""The simulated worker: it tells the local Stripe what was used, little by little."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime
from typing import Final

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import Refused, Unreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.events import EventSource, LoggedEvent, MeterEvent
from meterdeck.core.model.quantity import format_quantity
from meterdeck.core.model.subscriptions import Delivered
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.sandbox.roster import Roster
from meterdeck.core.services.delivery_log import DeliveryLog

OWN_IDENTIFIERS: Final = "meterdeck-"

_SHORTEST_GAP_S = 1 / 6
_LONGEST_GAP_S = 0.6
_PAUSE_S = 1.0
# How often an event is sent again as after a lost answer: the log shows a duplicate.
_REPEAT_CHANCE = 1 / 50


class Reporter:
    """Add up usage, and send one counter's sum at a time, the longest waiting first.

    Sends two to six events a second, however much is used.

    Args:
        run_id: Makes the identifiers of this run unlike those of any other.
        roster: Knows the customers; tenants without one are not billed.
    """

    def __init__(
        self,
        *,
        context: Context,
        gateway: StripeGateway,
        log: DeliveryLog,
        roster: Roster,
        run_id: str,
        seed: int,
        now: Callable[[], datetime],
    ) -> None:
        self._context = context
        self._gateway = gateway
        self._log = log
        self._roster = roster
        self._run_id = run_id
        self._chance = random.Random(f"{seed}:reporter")
        self._now = now
        self._waiting: dict[tuple[TenantId, ResourceName], int] = {}
        self._sent = 0

    def used(self, tenant: TenantId, resource: ResourceName, units: int) -> None:
        """Note usage that Stripe has not been told yet."""
        if self._roster.customer_of(tenant):
            counter = tenant, resource
            self._waiting[counter] = self._waiting.get(counter, 0) + units

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            gap_s = self._chance.uniform(_SHORTEST_GAP_S, _LONGEST_GAP_S)
            await asyncio.sleep(gap_s)
            try:
                await self._send_next()
            except (Unreachable, Refused):
                # A fault panel or a developer's experiment: later it works again.
                await asyncio.sleep(_PAUSE_S)

    async def _send_next(self) -> None:
        if not self._waiting:
            return
        tenant, resource = counter = next(iter(self._waiting))
        units = self._waiting.pop(counter)
        event = self._event(tenant, resource, units)
        try:
            answer = await self._gateway.send_meter_event(event)
        except Unreachable:
            # It was surely not counted: it waits for its turn again.
            self.used(tenant, resource, units)
            raise
        await self._note(event, tenant, resource, answer)
        if self._chance.random() < _REPEAT_CHANCE:
            answer = await self._gateway.send_meter_event(event)
            await self._note(event, tenant, resource, answer)

    def _event(self, tenant: TenantId, name: ResourceName, units: int) -> MeterEvent:
        self._sent += 1
        resource = self._context.resource(name)
        return MeterEvent(
            event_name=resource.meter,
            identifier=f"{OWN_IDENTIFIERS}{self._run_id}-{self._sent:07d}",
            customer=self._roster.customer_of(tenant),
            value=format_quantity(units, resource.scale),
            timestamp=self._now(),
        )

    async def _note(
        self,
        event: MeterEvent,
        tenant: TenantId,
        resource: ResourceName,
        answer: Delivered,
    ) -> None:
        await self._log.append(
            LoggedEvent(
                id="",
                at=self._now(),
                source=EventSource.WORKER,
                outcome=answer.outcome,
                tenant=tenant,
                resource=resource,
                event=event,
                message=answer.message,
                request_id=answer.request_id,
                latency_ms=answer.latency_ms,
            )
        )
