"""Counting after the application: which answers, when, and how often."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from tests.integration.middleware.applications import (
    PATIENT_S,
    client_of,
    counted,
    limited,
    plain_app,
    served,
    tenant_header,
    until,
    until_counted,
)
from tests.support.contexts import CALLS, IMAGES, redis_context

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.middleware import (
    Exchange,
    Tally,
    UsageMiddleware,
    by_route,
    number_from_answer,
)
from meterdeck.core.middleware.asgi import App, Message, Receive, Scope, Send
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService


def counting(app: App, usage: UsageService, **options: object) -> UsageMiddleware:
    """Return `app` with its answers counted as API calls."""
    given: dict[str, object] = {
        "usage": usage,
        "tenant": tenant_header,
        "resource": CALLS,
        "mode": "count",
    } | options
    return UsageMiddleware(app, **given)  # type: ignore[arg-type]  # options


class Story:
    """An application that streams: one part, then it waits, then the rest."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.ended = False
        self.app = Starlette(routes=[Route("/", self._answer)])

    async def _answer(self, request: Request) -> StreamingResponse:
        return StreamingResponse(self._parts())

    async def _parts(self) -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await self.go_on.wait()
            yield b" last"
        finally:
            self.ended = True


@pytest.mark.parametrize(
    ("status", "wanted"), [(200, 1), (204, 1), (304, 1), (399, 1), (400, 0), (500, 0)]
)
async def test_answers_below_400_are_counted(
    usage: UsageService, valkey_client: Redis, status: int, wanted: int
) -> None:
    """Redirects count, refusals and failures do not; the answer is untouched."""
    tally = Tally()
    async with client_of(counting(plain_app(), usage, tally=tally)) as client:
        answer = await client.get(f"/?status={status}")

    assert answer.status_code == status
    assert "ratelimit" not in answer.headers
    assert await counted(valkey_client) == wanted
    assert tally.counted == wanted


async def test_the_first_status_not_counted_can_be_chosen(
    usage: UsageService, valkey_client: Redis
) -> None:
    """With 300 a redirect is not counted any more."""
    async with client_of(counting(plain_app(), usage, count_below=300)) as client:
        await client.get("/?status=302")
        await client.get("/?status=201")

    assert await counted(valkey_client) == 1


async def test_an_application_that_raises_is_not_counted(
    usage: UsageService, valkey_client: Redis
) -> None:
    """Its error goes on as it is, to whoever turns it into an answer."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("no such thing")

    async with client_of(counting(broken, usage)) as client:
        with pytest.raises(LookupError, match="no such thing"):
            await client.get("/")

    assert await counted(valkey_client) == 0


async def test_an_answer_is_counted_once_whatever_is_sent(
    usage: UsageService, valkey_client: Redis
) -> None:
    """A second start, and an error in the middle, change nothing."""

    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        for status in (200, 201):
            await send({"type": "http.response.start", "status": status})
        raise LookupError("in the middle")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"x-tenant", b"acme")],
    }
    with pytest.raises(LookupError, match="in the middle"):
        await counting(twice, usage)(scope, receive, send)

    assert [message["status"] for message in sent] == [200, 201]
    assert await counted(valkey_client) == 1


async def test_the_first_byte_does_not_wait_for_the_count(tmp_path: Path) -> None:
    """It arrives while Redis stands still; the count comes when Redis goes on."""
    story, tally = Story(), Tally()
    async with Valkey(data_dir=tmp_path / "valkey") as server:
        context = redis_context(server.url)
        redis = open_redis(context.redis)
        usage = UsageService(redis, context)
        await usage.consume("somebody", {CALLS: 1})  # connected
        async with served(counting(story.app, usage, tally=tally)) as address:
            os.kill(server.pid, signal.SIGSTOP)
            try:
                async with (
                    httpx.AsyncClient(timeout=PATIENT_S) as client,
                    client.stream("GET", address, headers={"x-tenant": "acme"}) as got,
                ):
                    parts = got.aiter_raw()
                    assert await anext(parts) == b"first"
                    assert (tally.counted, tally.faults) == (0, 0)
                    os.kill(server.pid, signal.SIGCONT)
                    # Counted though the answer is not at its end yet.
                    await until_counted(redis, 1)
                    assert not story.ended
                    story.go_on.set()
                    assert await anext(parts) == b" last"
            finally:
                os.kill(server.pid, signal.SIGCONT)
        assert await counted(redis) == 1
        await redis.aclose()


async def test_a_client_that_goes_away_during_its_answer_is_counted_once(
    usage: UsageService, valkey_client: Redis
) -> None:
    """The answer had begun: its cost was there."""
    story = Story()
    async with served(counting(story.app, usage)) as address:
        async with (
            httpx.AsyncClient(timeout=PATIENT_S) as client,
            client.stream("GET", address, headers={"x-tenant": "acme"}) as got,
        ):
            assert await anext(got.aiter_raw()) == b"first"
        await until(lambda: story.ended)

    assert await counted(valkey_client) == 1


async def test_a_cancelled_request_that_was_answered_is_counted(
    usage: UsageService, valkey_client: Redis
) -> None:
    """Cancelling right after the start, and again, does not lose the count."""
    begun = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        begun.set()
        await asyncio.Event().wait()

    async def send(message: Message) -> None:
        pass

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"x-tenant", b"acme")],
    }
    serving = asyncio.ensure_future(counting(endless, usage)(scope, receive, send))
    await begun.wait()
    serving.cancel()
    await asyncio.sleep(0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving

    await until_counted(valkey_client, 1)


async def test_stopping_the_server_loses_no_count(tmp_path: Path) -> None:
    """uvicorn ends its requests first, and a request ends after its count."""
    async with Valkey(data_dir=tmp_path / "valkey") as server:
        context = redis_context(server.url)
        redis = open_redis(context.redis)
        usage = UsageService(redis, context)
        await usage.consume("somebody", {CALLS: 1})
        async with (
            served(counting(plain_app(), usage)) as address,
            httpx.AsyncClient(timeout=PATIENT_S) as client,
        ):
            os.kill(server.pid, signal.SIGSTOP)
            await client.get(address, headers={"x-tenant": "acme"})
            asyncio.get_running_loop().call_later(
                0.2, os.kill, server.pid, signal.SIGCONT
            )

        assert await counted(redis) == 1  # at once: the server has ended
        await redis.aclose()


async def test_the_cost_comes_from_the_answer(
    usage: UsageService, valkey_client: Redis
) -> None:
    """The application says in a header what its answer has cost."""

    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse("x", headers={"X-Usage-Units": "37"})

    app = Starlette(routes=[Route("/", answer)])
    cost = number_from_answer("x-usage-units")
    async with client_of(counting(app, usage, cost=cost)) as client:
        await client.get("/")

    assert await counted(valkey_client) == 37


async def test_the_tenant_may_be_found_by_the_application(
    usage: UsageService, valkey_client: Redis
) -> None:
    """What it puts into the request's state is there when the answer is counted."""

    async def answer(request: Request) -> PlainTextResponse:
        request.state.tenant = "globex"
        return PlainTextResponse("x")

    def tenant(exchange: Exchange) -> str:
        name: str = exchange.scope["state"]["tenant"]
        return name

    app = Starlette(routes=[Route("/", answer)])
    async with client_of(counting(app, usage, tenant=tenant)) as client:
        await client.get("/")

    assert await counted(valkey_client, "globex") == 1


async def test_routes_are_those_of_the_request_not_of_a_mount(
    usage: UsageService, valkey_client: Redis
) -> None:
    """A mount writes its root into the scope; the pattern still sees the path."""
    app = Starlette(routes=[Mount("/v1", app=plain_app())])
    resource = by_route({"/v1/images": IMAGES}, default=CALLS)
    async with client_of(counting(app, usage, resource=resource)) as client:
        await client.get("/v1/images")

    assert await counted(valkey_client, resource=IMAGES) == 1


async def test_inside_a_mount_routes_are_relative_to_it(
    usage: UsageService, valkey_client: Redis
) -> None:
    """A mounted application's patterns do not know where it is mounted."""
    inner = counting(
        plain_app(), usage, resource=by_route({"/images": IMAGES}, default=CALLS)
    )
    async with client_of(Starlette(routes=[Mount("/v1", app=inner)])) as client:
        await client.get("/v1/images")
        await client.get("/v1/health")

    assert await counted(valkey_client, resource=IMAGES) == 1
    assert await counted(valkey_client) == 0


async def test_an_answer_above_the_limit_is_given_and_said_to_be_uncounted(
    valkey_client: Redis, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    """The counter never passes the limit; tally and log say what is missing."""
    tally = Tally()
    usage = UsageService(valkey_client, limited(context, 2))
    async with client_of(counting(plain_app(), usage, tally=tally)) as client:
        answers = [await client.get("/") for _ in range(5)]

    assert {each.status_code for each in answers} == {200}
    assert await counted(valkey_client) == 2
    assert (tally.counted, tally.over_limit) == (2, 3)
    assert [each.message for each in caplog.records if "over" in each.message] == [
        "usage_over_limit tenant=acme left_out=0"
    ]
