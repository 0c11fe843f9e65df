"""One SDK client with its connections: the only place that calls the SDK.

Answers stay plain JSON: turning a page of 100 subscriptions into the SDK's own
objects takes 73 ms, parsing its JSON 5 ms, and a whole fleet is read this way.

Meter events, of which there may be a thousand a second, are written by us and sent by
the SDK's HTTP client: the SDK's way to it costs half as much again as the request.
"""

from __future__ import annotations

import asyncio
import json
import platform
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from meterdeck.core.adapters.stripe_errors import (
    Fault,
    FaultKind,
    fault_answered,
    fault_of,
)
from meterdeck.core.model.context import StripeOptions

if TYPE_CHECKING:
    import aiohttp
    import stripe

CONNECTIONS = 16
_CONNECT_S = 10.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its JSON object, Stripe's id of the request, its Date.

    Attributes:
        version: Of the API, as the answer's header says; empty where it does not.
    """

    body: Json
    request_id: str
    date: str = ""
    version: str = ""


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


@dataclass(frozen=True, slots=True)
class Posted:
    """A request whose body is written already: a form, or JSON for a v2 path.

    Attributes:
        key: Its Idempotency-Key.
        token: Sent in place of the API key; empty for that.
        to_stream: To the address of the meter event stream.
    """

    path: str
    body: bytes
    key: str
    json: bool = False
    token: str = ""
    to_stream: bool = False


class StripeTransport:
    """Requests to one Stripe account; belongs to the event loop that opened it."""

    def __init__(
        self,
        options: StripeOptions,
        client: stripe.StripeClient,
        http: stripe.AIOHTTPClient,
        session: aiohttp.ClientSession,
    ) -> None:
        self._options = options
        self._client = client
        self._http = http
        self._session = session
        self._api_base = options.api_base
        self._headers = {
            as_json: _headers(as_json=as_json) for as_json in (True, False)
        }

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
        http = _http_client(session, deadline)
        try:
            client = await asyncio.to_thread(_build_client, options, http)
        except BaseException:
            await session.close()  # who waited may have been cancelled meanwhile
            raise
        return cls(options, client, http, session)

    async def request(
        self, method: str, path: str, params: Mapping[str, Any]
    ) -> Answer:
        """Send one request, once.

        Raises:
            RequestFailed: No usable answer came.
        """
        try:
            answer = await self._client.raw_request_async(method, path, **params)
        except Exception as error:
            # The SDK lets its transport's errors through while it reads a body, and
            # trips over JSON that is no object: everything it raises is sorted.
            raise RequestFailed(fault_of(error, self._api_base)) from error
        if not isinstance(answer.data, dict):
            raise RequestFailed(self._foreign())
        found = answer.headers
        return Answer(
            answer.data,
            answer.request_id or "",
            found.get("date", ""),
            found.get("stripe-version", ""),
        )

    @property
    def version(self) -> str:
        """The version of the API that is asked for: the SDK's own."""
        return self._headers[False]["Stripe-Version"]

    async def post(self, posted: Posted) -> Answer:
        """Send one request that is written already, once.

        Raises:
            RequestFailed: No usable answer came.
        """
        options = self._options
        base = options.meter_events_base if posted.to_stream else options.api_base
        headers = {
            **self._headers[posted.json],
            "Authorization": f"Bearer {posted.token or options.api_key.reveal()}",
            "Idempotency-Key": posted.key,
        }
        try:
            content, status, found = await self._http.request_async(
                "post", base + posted.path, headers, posted.body
            )
        except Exception as error:
            # As above: also what its transport raises while a body is read.
            raise RequestFailed(fault_of(error, base)) from error
        body = _read(content)
        if not 200 <= status < 300 or not isinstance(body, dict):
            raise RequestFailed(fault_answered(status, found, body, base))
        return Answer(body, found.get("request-id", ""), found.get("date", ""))

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


def _http_client(
    session: aiohttp.ClientSession, deadline: aiohttp.ClientTimeout
) -> stripe.AIOHTTPClient:
    import stripe  # noqa: PLC0415  # costs half a second: imported when first used

    return stripe.AIOHTTPClient(timeout=deadline, session=_PlainSession(session))


def _build_client(
    options: StripeOptions, http: stripe.AIOHTTPClient
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
        http_client=http,
    )


def _headers(*, as_json: bool) -> dict[str, str]:
    """Return what the SDK says of itself with each request."""
    import stripe  # noqa: PLC0415  # costs half a second: imported when first used

    agent = {
        "bindings_version": stripe.VERSION,
        "lang": "python",
        "httplib": "aiohttp",
        "lang_version": platform.python_version(),
    }
    kind = "json" if as_json else "x-www-form-urlencoded"
    return {
        "Content-Type": f"application/{kind}",
        "Stripe-Version": stripe.api_version,
        "User-Agent": f"Stripe/v{2 if as_json else 1} PythonBindings/{stripe.VERSION}",
        "X-Stripe-Client-User-Agent": json.dumps(agent),
    }


def _read(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
