"""One SDK client with its connections: the only place that calls the SDK.

Answers stay plain JSON: turning a page of 100 subscriptions into the SDK's own
objects takes 73 ms, parsing its JSON 5 ms, and a whole fleet is read this way.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from meterdeck.core.adapters.stripe_errors import Fault, FaultKind, fault_of
from meterdeck.core.model.context import StripeOptions

if TYPE_CHECKING:
    import aiohttp
    import stripe

CONNECTIONS = 16
_CONNECT_S = 10.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its JSON object, Stripe's id of the request, its Date."""

    body: Json
    request_id: str
    date: str = ""


class RequestFailed(Exception):
    """A request without a result; `fault` says what that means.

    It never leaves the adapters.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault.message)


class _PlainSession:
    """The session the SDK is given: it follows no redirect.

    A redirect would carry the API key's request to an address nobody configured.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(
        self, method: str, url: str, **arguments: Any
    ) -> aiohttp.ClientResponse:
        return await self._session.request(
            method, url, allow_redirects=False, **arguments
        )


class StripeTransport:
    """Requests to one Stripe account; belongs to the event loop that opened it."""

    def __init__(
        self,
        client: stripe.StripeClient,
        session: aiohttp.ClientSession,
        api_base: str,
    ) -> None:
        self._client = client
        self._session = session
        self._api_base = api_base

    @classmethod
    async def open(cls, options: StripeOptions, connections: int = CONNECTIONS) -> Self:
        """Import the SDK and build its client; nothing is sent yet.

        Importing takes half a second and is done in a thread.
        """
        tls = await asyncio.to_thread(_import_sdk)
        import aiohttp  # noqa: PLC0415  # costs 0.2 s: imported when first used

        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        deadline = aiohttp.ClientTimeout(
            total=options.timeout_s, sock_connect=min(_CONNECT_S, options.timeout_s)
        )
        client = await asyncio.to_thread(_build_client, options, session, deadline)
        return cls(client, session, options.api_base)

    async def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        *,
        key: str = "",
        token: str = "",
        base: str = "api",
    ) -> Answer:
        """Send one request, once.

        Args:
            key: Its Idempotency-Key; the SDK makes one of its own where there is none.
            token: Sent in place of the API key.
            base: Which of Stripe's addresses: "api" or "meter_events".

        Raises:
            RequestFailed: No usable answer came.
        """
        options = {"idempotency_key": key or None, "api_key": token or None}
        try:
            answer = await self._client.raw_request_async(
                method, path, **params, **options, base=base
            )
        except Exception as error:
            # The SDK lets its transport's errors through while it reads a body, and
            # trips over JSON that is no object: everything it raises is sorted.
            raise RequestFailed(fault_of(error, self._api_base)) from error
        if not isinstance(answer.data, dict):
            raise RequestFailed(self._foreign())
        date = answer.headers.get("date", "")
        return Answer(answer.data, answer.request_id or "", date)

    def _foreign(self) -> Fault:
        what = f"{self._api_base} answered something that is not Stripe's"
        return Fault(FaultKind.LOST, what)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


def _import_sdk() -> ssl.SSLContext:
    import aiohttp  # noqa: F401, PLC0415  # here, so that it is imported in the thread
    import stripe  # noqa: PLC0415  # costs half a second: imported when first used

    # It would write a file in the home directory and report timings to Stripe.
    stripe.enable_telemetry = False
    return ssl.create_default_context(cafile=stripe.ca_bundle_path)


def _build_client(
    options: StripeOptions,
    session: aiohttp.ClientSession,
    deadline: aiohttp.ClientTimeout,
) -> stripe.StripeClient:
    import stripe  # noqa: PLC0415  # costs half a second: imported when first used

    return stripe.StripeClient(
        options.api_key.reveal(),
        base_addresses={
            "api": options.api_base,
            "meter_events": options.meter_events_base,
            "files": options.api_base,
            "connect": options.api_base,
        },
        # Retries are ours: the SDK's ignore Retry-After and leave a 429 alone.
        max_network_retries=0,
        http_client=stripe.AIOHTTPClient(
            timeout=deadline, session=_PlainSession(session)
        ),
    )
