"""Takes Stripe's signed notifications: a small HTTP server in the caller's loop."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from meterdeck.core.adapters.webhook_signature import check_signature
from meterdeck.core.errors import BadInput, ConfigError, MeterdeckError
from meterdeck.core.model.context import Secret

PATH = "/stripe"
_LONGEST_BODY = 256 * 1024
_LONGEST_ID = 255
_GRACE_S = 1


@dataclass(frozen=True, slots=True)
class Notification:
    """What Stripe notifies of: an event to be fetched; the body has no more."""

    id: str
    type: str


Handler = Callable[[Notification], Awaitable[None]]


def webhook_app(
    secret: Secret, handler: Handler, *, now_s: Callable[[], float] = time.time
) -> Starlette:
    """Return an application that gives each genuine notification to `handler`.

    It answers 200 when the handler is done, 400 to what is not Stripe's, and 503 where
    the handler cannot do its part now, so that Stripe sends it again.
    """

    async def receive(request: Request) -> PlainTextResponse:
        try:
            body = await _body(request)
            if body is None:
                return PlainTextResponse("too large\n", 413)
            header = request.headers.get("stripe-signature", "")
            check_signature(header, body, secret.reveal(), now_s())
            notification = _read(body)
        except (BadInput, ClientDisconnect) as error:
            return PlainTextResponse(f"{error}\n", 400)
        try:
            await handler(notification)
        except MeterdeckError:
            return PlainTextResponse("not now; send it again\n", 503)
        return PlainTextResponse("ok\n")

    return Starlette(routes=[Route(PATH, receive, methods=["POST"])])


async def _body(request: Request) -> bytes | None:
    """Return the raw body; None where it is larger than any notification."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            return None
    return bytes(body)


def _read(body: bytes) -> Notification:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput("the body is not JSON") from error
    if not isinstance(found, dict):
        raise BadInput("the body is not a JSON object")
    event_id, kind = found.get("id"), found.get("type")
    if not isinstance(event_id, str) or not isinstance(kind, str):
        raise BadInput("the body has no id and type")
    if not 0 < len(event_id) <= _LONGEST_ID:
        raise BadInput("the event's id is empty or too long")
    return Notification(event_id, kind)


class _Server(uvicorn.Server):
    """Leave signals to the program the server runs in."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Install nothing."""
        yield


class WebhookServer:
    """Serves an application from `__aenter__` to `__aexit__`.

    Args:
        port: 0 for any free one; `port` is then which.
    """

    def __init__(self, app: Starlette, *, host: str, port: int) -> None:
        self._host = host
        self.port = port
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Bind and serve.

        Raises:
            ConfigError: The address cannot be bound.
        """
        bound = self._bind()
        self.port = bound.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[bound]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(0.001)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, idle connections at once, requests in flight after a second."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self._host, self.port))
        except OSError as error:
            bound.close()
            raise ConfigError(
                "delivery.webhook_port",
                f"{self._host}:{self.port} cannot be bound ({error.strerror or error})",
                "choose another port, or 0 for none",
            ) from error
        return bound
