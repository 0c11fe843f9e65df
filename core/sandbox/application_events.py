"""Meter events that other programs send to the local Stripe, for the delivery log."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from meterdeck.core.errors import Refused, Unreachable
from meterdeck.core.local_stripe.ingested import ReceivedMeterEvent
from meterdeck.core.model.context import Context
from meterdeck.core.model.events import (
    EventOutcome,
    EventSource,
    LoggedEvent,
    MeterEvent,
)
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.sandbox.roster import Roster
from meterdeck.core.services.delivery_log import DeliveryLog

_MOST_WAITING: Final = 10_000
_PAUSE_S = 1.0
# Of the worker's events, and of test events.
_OWN_IDENTIFIERS: Final = ("md1-", "meterdeck-")


class ApplicationEvents:
    """Log the meter events of programs that are not meterdeck's.

    A developer's own program sends to the local Stripe with an official SDK; this
    makes its events, and why they were refused, visible beside meterdeck's own.
    """

    def __init__(self, *, context: Context, roster: Roster, log: DeliveryLog) -> None:
        self._roster = roster
        self._log = log
        self._resources = {each.meter: each.name for each in context.resources}
        self._received: asyncio.Queue[ReceivedMeterEvent] = asyncio.Queue(_MOST_WAITING)

    def received(self, event: ReceivedMeterEvent) -> None:
        """Take note of an event; beyond a bound the newest are not logged."""
        if _is_own(event) or self._received.full():
            return
        self._received.put_nowait(event)

    async def run(self) -> None:
        """Log until cancelled; an event that Redis does not take is not logged."""
        while True:
            event = await self._received.get()
            try:
                await self._log.append(await self._line(event))
            except Unreachable:
                # Twice in the log would be wrong; missing while Redis is away is not.
                await asyncio.sleep(_PAUSE_S)

    async def _line(self, event: ReceivedMeterEvent) -> LoggedEvent:
        resource = self._resources.get(event.event_name)
        return LoggedEvent(
            id="",
            at=event.at,
            source=EventSource.APPLICATION,
            outcome=_outcome(event),
            tenant=await self._tenant(event.customer or ""),
            resource=resource or ResourceName(event.event_name),
            event=MeterEvent(
                event_name=event.event_name,
                identifier=event.identifier,
                customer=event.customer or "",
                value=event.value or "",
                timestamp=event.timestamp,
            ),
            message=event.message,
            request_id=event.request_id,
        )

    async def _tenant(self, customer: str) -> TenantId:
        if customer and self._roster.tenant_of(customer) is None:
            # Perhaps it was created a moment ago.
            with suppress(Unreachable, Refused):
                await self._roster.refresh()
        return self._roster.tenant_of(customer) or TenantId("")


def _outcome(event: ReceivedMeterEvent) -> EventOutcome:
    if event.accepted:
        return EventOutcome.ACCEPTED
    # Stripe gives this refusal no code, only its words.
    if f"already exists with identifier {event.identifier}" in event.message:
        return EventOutcome.DUPLICATE
    return EventOutcome.REFUSED


def _is_own(event: ReceivedMeterEvent) -> bool:
    """Tell whether meterdeck sent this event: then its sender logs it."""
    return "meterdeck" in event.user_agent or event.identifier.startswith(
        _OWN_IDENTIFIERS
    )
