"""Takes Stripe's signed notifications: a small web application."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from meterdeck.core.adapters.webhook_signature import check_signature
from meterdeck.core.errors import BadInput, MeterdeckError
from meterdeck.core.model.context import Secret
from meterdeck.core.model.destinations import WEBHOOK_PATH, Notification

_LONGEST_BODY = 256 * 1024
_LONGEST_ID = 255


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

    return Starlette(routes=[Route(WEBHOOK_PATH, receive, methods=["POST"])])


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
