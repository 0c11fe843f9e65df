"""What a request to Stripe carries of a meter event, literally."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.adapters.stripe_payload import payload_of
from meterdeck.core.errors import Refused, Unreachable
from meterdeck.core.model.context import Context, SinkKind
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.subscriptions import MeterInfo


class EventBodies:
    """Writes events as the context's sink sends them.

    The keys that a meter of its own reads are asked of Stripe once; where it does not
    answer, they are taken to be Stripe's usual ones.
    """

    def __init__(self, context: Context, gateway: StripeGateway | None) -> None:
        self._gateway = gateway
        self._sink = context.delivery.sink
        self._meters: Mapping[str, MeterInfo] | None = None

    async def of(self, event: MeterEvent) -> dict[str, object]:
        """Return the body of the request that sends an event."""
        timestamp: object = int(event.timestamp.timestamp())
        if self._sink is SinkKind.V2_STREAM:
            timestamp = event.timestamp.astimezone(UTC).isoformat()
        meters = await self._known()
        return {
            "event_name": event.event_name,
            "identifier": event.identifier,
            "timestamp": timestamp,
            "payload": payload_of(event, meters.get(event.event_name)),
        }

    async def _known(self) -> Mapping[str, MeterInfo]:
        if self._meters is None and self._gateway is not None:
            with suppress(Unreachable, Refused):
                found = await self._gateway.meters()
                self._meters = {meter.event_name: meter for meter in found}
        return self._meters or {}
