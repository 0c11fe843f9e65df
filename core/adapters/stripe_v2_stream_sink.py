"""Stripe's v2 event stream: a hundred events a request, live mode only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import uuid4

from meterdeck.core.adapters.stripe_attempts import Posting, unsent
from meterdeck.core.adapters.stripe_clock import rfc3339
from meterdeck.core.adapters.stripe_errors import Fault, FaultKind
from meterdeck.core.adapters.stripe_payload import Meters, payload_of
from meterdeck.core.adapters.stripe_requests import StripeRequests
from meterdeck.core.adapters.stripe_transport import Posted, RequestFailed
from meterdeck.core.adapters.stripe_v2_session import StreamSession
from meterdeck.core.model.context import Mode
from meterdeck.core.model.delivery import Answer, Attempt
from meterdeck.core.model.events import MeterEvent

MOST_EVENTS = 100
_PATH = "/v2/billing/meter_event_stream"
_FOREIGN = "the answer to the meter events is not Stripe's"


class V2StreamSink:
    """Sends up to a hundred events in a request; what is wrong with one is told later.

    Attributes:
        rate: Events a second that Stripe takes in live mode. Elsewhere it has no
            stream: there it is what the general limit would carry.
    """

    name = "v2_stream"
    batch = MOST_EVENTS
    serial = False

    def __init__(self, requests: StripeRequests, mode: Mode, meters: Meters) -> None:
        self._requests = requests
        self._meters = meters
        self._session = StreamSession(requests)
        self.rate = 10_000 if mode is Mode.LIVE else 25 * MOST_EVENTS

    @property
    def skew_s(self) -> float | None:
        """Seconds Stripe's clock is ahead of ours; None before an answer."""
        return self._requests.clock.skew_s

    async def send(self, events: Sequence[MeterEvent]) -> list[Attempt]:
        """Send events together, once; one attempt for each.

        A batch that is refused is sent again in halves, until what is wrong stands
        alone. All events of a request share its Idempotency-Key, `mdb-<32 hex>`.
        """
        attempts = await self._together(events)
        if len(events) == 1 or attempts[0].answer is not Answer.REFUSED:
            return attempts
        middle = len(events) // 2
        first = await self.send(events[:middle])
        return first + await self.send(events[middle:])

    async def close(self) -> None:
        """Close the connections."""
        await self._requests.close()

    async def _together(
        self, events: Sequence[MeterEvent], expired: str = ""
    ) -> list[Attempt]:
        """Send one request; a second one, once, where the token has expired."""
        posting = Posting(f"mdb-{uuid4().hex}", self._requests.clock.own())
        try:
            token = await self._session.token(expired)
        except RequestFailed as failure:
            return [unsent(failure.fault, posting.at)] * len(events)
        try:
            answer = await self._requests.post(self._posted(events, posting.key, token))
        except RequestFailed as failure:
            # If not the token has expired but the key is bad, a new one will not come.
            if failure.fault.status == 401 and not expired:
                return await self._together(events, expired=token)
            return self._failed(posting, failure.fault, events)
        if "error" in answer.body or not answer.request_id:
            # Its answer is an empty object, which others write, too; not its header.
            fault = Fault(FaultKind.LOST, _FOREIGN, 200, request_id=answer.request_id)
            return self._failed(posting, fault, events)
        return [posting.accepted(answer.request_id)] * len(events)

    def _failed(
        self, posting: Posting, fault: Fault, events: Sequence[MeterEvent]
    ) -> list[Attempt]:
        alone = events[0].identifier if len(events) == 1 else ""
        return [posting.failed(fault, alone)] * len(events)

    def _posted(self, events: Sequence[MeterEvent], key: str, token: str) -> Posted:
        written = [
            {
                "event_name": event.event_name,
                "identifier": event.identifier,
                "timestamp": rfc3339(event.timestamp),
                "payload": payload_of(event, self._meters(event.event_name)),
            }
            for event in events
        ]
        body = json.dumps({"events": written}, separators=(",", ":"))
        return Posted(_PATH, body.encode(), key, json=True, token=token, to_stream=True)
