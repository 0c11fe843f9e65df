"""What the middleware leaves alone: other protocols, bodies, exempt routes."""

from typing import Literal

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from tests.integration.middleware.applications import (
    PATIENT_S,
    client_of,
    counted,
    plain_app,
    served,
    tenant_header,
)
from tests.support.contexts import CALLS

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.middleware import HEALTH, UsageMiddleware
from meterdeck.core.middleware.asgi import App, Message, Receive, Scope, Send
from meterdeck.core.services.usage import UsageService

MODES: tuple[Literal["check", "count"], ...] = ("check", "count")


def counting(
    app: App, usage: UsageService, mode: Literal["check", "count"]
) -> UsageMiddleware:
    """Return `app` with its requests counted."""
    return UsageMiddleware(
        app,
        usage=usage,
        tenant=tenant_header,
        resource=CALLS,
        mode=mode,
        deadline_s=PATIENT_S,
        give_back_from=500 if mode == "check" else None,
    )


async def calls(redis: Redis) -> dict[str, int]:
    """Return how often the server was sent each command since RESETSTAT."""
    stats = await redis.info("commandstats")
    own = {"cmdstat_info", "cmdstat_config|resetstat"}
    return {name: each["calls"] for name, each in stats.items() if name not in own}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["websocket", "lifespan", "something-new"])
async def test_other_protocols_get_the_very_same_objects(
    usage: UsageService, mode: Literal["check", "count"], kind: str
) -> None:
    """Scope, receive and send are passed on, neither copied nor wrapped."""
    got: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got.extend((scope, receive, send))

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        pass

    scope: Scope = {"type": kind, "path": "/", "headers": [(b"x-tenant", b"acme")]}
    before = dict(scope)
    await counting(app, usage, mode)(scope, receive, send)

    assert [id(each) for each in got] == [id(scope), id(receive), id(send)]
    assert scope == before


@pytest.mark.parametrize("mode", MODES)
async def test_a_websocket_talks_as_without_it_and_is_not_counted(
    usage: UsageService, valkey_client: Redis, mode: Literal["check", "count"]
) -> None:
    """Every message of a Starlette echo is the same with and without."""

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text.upper())

    async def talk(app: App) -> list[Message]:
        coming: list[Message] = [
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": "one"},
            {"type": "websocket.receive", "text": "two"},
            {"type": "websocket.disconnect", "code": 1000},
        ]
        sent: list[Message] = []

        async def receive() -> Message:
            return coming.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"x-tenant", b"acme")]
        await app({"type": "websocket", "path": "/", "headers": headers}, receive, send)
        return sent

    bare = Starlette(routes=[WebSocketRoute("/", echo)])
    without, behind = await talk(bare), await talk(counting(bare, usage, mode))

    assert without == behind
    assert [each.get("text") for each in behind] == [None, "ONE", "TWO"]
    assert await valkey_client.keys("*") == []


@pytest.mark.parametrize("mode", MODES)
async def test_an_application_starts_and_stops_through_it(
    usage: UsageService, mode: Literal["check", "count"]
) -> None:
    """A server's lifespan reaches the application, with its state."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        for _ in range(2):
            message = await receive()
            seen.append(message["type"])
            await send({"type": f"{message['type']}.complete"})

    async with served(counting(app, usage, mode)):
        assert seen == ["lifespan.startup"]

    assert seen == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_request_gets_the_same_scope_and_receive(
    usage: UsageService, valkey_client: Redis, mode: Literal["check", "count"]
) -> None:
    """Nothing is written into the scope, and the body is not read."""
    got: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got.extend((scope, receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        raise AssertionError("the middleware read the body")

    async def send(message: Message) -> None:
        pass

    headers = [(b"x-tenant", b"acme")]
    scope: Scope = {"type": "http", "method": "GET", "path": "/x", "headers": headers}
    before = dict(scope)
    await counting(app, usage, mode)(scope, receive, send)

    assert [id(each) for each in got] == [id(scope), id(receive)]
    assert scope == before
    assert await counted(valkey_client) == 1


@pytest.mark.parametrize("mode", MODES)
async def test_bodies_stream_through_in_both_directions(
    usage: UsageService, mode: Literal["check", "count"]
) -> None:
    """Two megabytes up and down over a real server arrive as they were."""

    async def echo(request: Request) -> PlainTextResponse:
        parts = [part async for part in request.stream()]
        assert len(parts) > 2
        return PlainTextResponse(b"".join(parts))

    app = Starlette(routes=[Route("/", echo, methods=["POST"])])
    body = bytes(range(256)) * 8192
    async with (
        served(counting(app, usage, mode)) as address,
        httpx.AsyncClient(timeout=PATIENT_S) as client,
    ):
        answer = await client.post(address, content=body, headers={"x-tenant": "acme"})

    assert answer.content == body


@pytest.mark.parametrize("mode", MODES)
async def test_health_routes_and_exempt_methods_ask_redis_nothing(
    usage: UsageService, valkey_client: Redis, mode: Literal["check", "count"]
) -> None:
    """The server's own statistics show no command; another path shows one."""
    async with client_of(counting(plain_app(), usage, mode)) as client:
        await client.get("/v1")  # the script is loaded, the clock is known
        await valkey_client.config_resetstat()
        for path in HEALTH:
            assert (await client.get(path)).status_code == 200
        await client.options("/v1")
        await client.head("/v1")
        assert await calls(valkey_client) == {}

        await client.get("/healthy")

    assert (await calls(valkey_client))["cmdstat_evalsha"] == 1
