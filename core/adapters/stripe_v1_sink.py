"""Stripe's v1 meter events: one a request, and most of what is wrong said at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote_plus

from meterdeck.core.adapters.stripe_attempts import Posting, fresh_key
from meterdeck.core.adapters.stripe_errors import Fault, FaultKind
from meterdeck.core.adapters.stripe_payload import Meters, payload_of
from meterdeck.core.adapters.stripe_requests import StripeRequests
from meterdeck.core.adapters.stripe_transport import Json, Posted, RequestFailed
from meterdeck.core.model.context import Mode
from meterdeck.core.model.delivery import Attempt
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.subscriptions import MeterInfo

_PATH = "/v1/billing/meter_events"
_FOREIGN = "the answer is not the meter event that was sent"
# Nearly every name and number: there is nothing to quote in it.
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*", re.ASCII).fullmatch


class V1Sink:
    """Sends each event in a request of its own, once.

    Attributes:
        rate: Events a second that Stripe takes in this mode.
        serial: Two events of one customer and meter at once would lock each other out.
    """

    name = "v1"
    batch = 1
    serial = True

    def __init__(self, requests: StripeRequests, mode: Mode, meters: Meters) -> None:
        self._requests = requests
        self._meters = meters
        self.rate = 1_000 if mode is Mode.LIVE else 25

    @property
    def skew_s(self) -> float | None:
        """Seconds Stripe's clock is ahead of ours; None before an answer."""
        return self._requests.clock.skew_s

    async def send(self, events: Sequence[MeterEvent]) -> list[Attempt]:
        """Send each event once, one after another; one attempt for each."""
        return [await self._one(event) for event in events]

    async def close(self) -> None:
        """Close the connections."""
        await self._requests.close()

    async def _one(self, event: MeterEvent) -> Attempt:
        await self._requests.open()  # half a second that is not Stripe's latency
        posting = Posting(fresh_key(event.identifier), self._requests.clock.own())
        body = _form(event, self._meters(event.event_name))
        try:
            answer = await self._requests.post(Posted(_PATH, body, posting.key))
        except RequestFailed as failure:
            return posting.failed(failure.fault, event.identifier)
        if not _is_event(answer.body, event.identifier):
            fault = Fault(FaultKind.LOST, _FOREIGN, 200, request_id=answer.request_id)
            return posting.failed(fault, event.identifier)
        return posting.accepted(answer.request_id)


def _is_event(body: Json, identifier: str) -> bool:
    """Tell whether this is the event that was sent; a 200 alone may be a proxy's."""
    same = body.get("identifier", identifier) == identifier
    return same and body.get("object") == "billing.meter_event"


def _form(event: MeterEvent, meter: MeterInfo | None) -> bytes:
    """Write a form as `urlencode` does, in a quarter of its time."""
    words = [
        f"event_name={_quoted(event.event_name)}",
        f"&identifier={_quoted(event.identifier)}",
        f"&timestamp={int(event.timestamp.timestamp())}",
    ]
    words += [
        f"&payload[{_quoted(key)}]={_quoted(value)}"
        for key, value in payload_of(event, meter).items()
    ]
    return "".join(words).encode()


def _quoted(text: str) -> str:
    return text if _PLAIN(text) else quote_plus(text)
