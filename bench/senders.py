"""The ways to send meter events that are compared: ours, the SDK's, bare aiohttp."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp
import stripe

from bench.load import Call
from bench.stripe_process import KEY, METER, RunningStripe
from meterdeck.core.adapters.stripe_clock import rfc3339
from meterdeck.core.adapters.stripe_sinks import open_sink
from meterdeck.core.model.context import Mode, Secret, SinkKind, StripeOptions
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.services.sender import Sender

BATCH = 100
_EVENTS = "/v1/billing/meter_events"
_STREAM = "/v2/billing/meter_event_stream"
_SESSION = "/v2/billing/meter_event_session"
_UNLIMITED = 10**9
_INFO = MeterInfo("mtr_bench", METER, METER, "sum", active=True)


class Way(Protocol):
    """Open a way to send one event a call to `to`, so many requests at once."""

    def __call__(
        self, to: RunningStripe, at_once: int
    ) -> AbstractAsyncContextManager[Call]: ...


@dataclass
class Events:
    """Makes events that Stripe has not seen, all of one moment."""

    to: RunningStripe
    at: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(microsecond=0)
    )
    prefix: str = field(default_factory=lambda: f"md1-{uuid4().hex}")
    _numbers: Iterator[int] = field(default_factory=count)

    def next(self, tenant: str, value: str = "1") -> MeterEvent:
        """Return one for a tenant."""
        identifier = f"{self.prefix}-{next(self._numbers)}"
        return MeterEvent(METER, identifier, self.to.customer(tenant), value, self.at)


def ours(kind: SinkKind) -> Way:
    """Return the sender, to one of the sinks."""

    @asynccontextmanager
    async def way(to: RunningStripe, at_once: int) -> AsyncIterator[Call]:
        options = StripeOptions(Secret(KEY), api_base=to.base_url)
        sink = open_sink(kind, options, Mode.TEST, at_once=at_once, meters=_known)
        sender = Sender(
            sink, rate=_UNLIMITED, at_once=at_once, patience_s=20, meters=_known
        )
        events = Events(to)
        until = events.at + timedelta(hours=23)

        async def call(tenant: str, amount: int) -> bool:
            delivery = await sender.deliver(events.next(tenant), until=until)
            return delivery.last.answer.delivered

        yield call
        await sender.close()

    return way


@asynccontextmanager
async def sdk(to: RunningStripe, at_once: int) -> AsyncIterator[Call]:
    """Open Stripe's SDK on its own aiohttp client, as its users call it."""
    stripe.enable_telemetry = False
    async with _session(at_once) as session:
        client = stripe.StripeClient(
            KEY,
            base_addresses={"api": to.base_url},
            http_client=stripe.AIOHTTPClient(session=session),
        )
        events = Events(to)

        async def call(tenant: str, amount: int) -> bool:
            event = events.next(tenant)
            await client.v1.billing.meter_events.create_async(
                {
                    "event_name": event.event_name,
                    "identifier": event.identifier,
                    "timestamp": int(event.timestamp.timestamp()),
                    "payload": _payload(event),
                }
            )
            return True

        yield call


@asynccontextmanager
async def bare(to: RunningStripe, at_once: int) -> AsyncIterator[Call]:
    """Open aiohttp and nothing else: the same requests, and only their status read."""
    headers = {**_HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
    async with _session(at_once) as session:
        events = Events(to)

        async def call(tenant: str, amount: int) -> bool:
            event = events.next(tenant)
            payload = _payload(event).items()
            body = urlencode(
                [
                    ("event_name", event.event_name),
                    ("identifier", event.identifier),
                    ("timestamp", int(event.timestamp.timestamp())),
                    *((f"payload[{key}]", value) for key, value in payload),
                ]
            )
            key = {"Idempotency-Key": f"{event.identifier}.12345678"}
            url = to.base_url + _EVENTS
            async with session.post(url, data=body, headers=headers | key) as answer:
                await answer.read()
                return answer.status == 200

        yield call


@asynccontextmanager
async def bare_stream(to: RunningStripe, at_once: int) -> AsyncIterator[Call]:
    """Open aiohttp to the v2 stream: a call sends a whole batch."""
    headers = {**_HEADERS, "Content-Type": "application/json"}
    async with _session(at_once) as session:
        async with session.post(to.base_url + _SESSION, headers=headers) as answer:
            token = (await answer.json())["authentication_token"]
        headers["Authorization"] = f"Bearer {token}"
        events = Events(to)

        async def call(tenant: str, amount: int) -> bool:
            body = _batch([events.next(tenant) for _ in range(BATCH)])
            key = {"Idempotency-Key": f"mdb-{uuid4().hex}"}
            url = to.base_url + _STREAM
            async with session.post(url, data=body, headers=headers | key) as answer:
                await answer.read()
                return answer.status == 200

        yield call


def _batch(events: Sequence[MeterEvent]) -> str:
    written = [
        {
            "event_name": event.event_name,
            "identifier": event.identifier,
            "timestamp": rfc3339(event.timestamp),
            "payload": _payload(event),
        }
        for event in events
    ]
    return json.dumps({"events": written})


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _payload(event: MeterEvent) -> dict[str, str]:
    return {"stripe_customer_id": event.customer, "value": event.value}


def _known(event_name: str) -> MeterInfo:
    return _INFO


def _session(at_once: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once))


_HEADERS = {
    "Authorization": f"Bearer {KEY}",
    "Stripe-Version": stripe.api_version,
    "User-Agent": f"Stripe/v1 PythonBindings/{stripe.VERSION}",
}
