"""Applications to put the middleware before, and ways to drive them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.support.contexts import CALLS, FREE

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.middleware import Exchange, UsageMiddleware
from meterdeck.core.middleware.asgi import App
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import Plan, ResourceName
from meterdeck.core.services.usage import UsageService

PATIENT_S = 60.0
"""Deadline where the test is not about deadlines, and of everything waited for."""


def plain_app() -> Starlette:
    """Return an application that answers every path; `?status=` says with what."""

    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse("done", int(request.query_params.get("status", "200")))

    methods = ["GET", "POST", "OPTIONS"]
    return Starlette(routes=[Route("/{rest:path}", answer, methods=methods)])


def tenant_header(exchange: Exchange) -> str | None:
    """Return the tenant that the request's header names."""
    return exchange.header("x-tenant")


def checking(usage: UsageService, **options: object) -> UsageMiddleware:
    """Return the plain application behind a check of API calls."""
    given: dict[str, object] = {
        "usage": usage,
        "tenant": tenant_header,
        "resource": CALLS,
        "deadline_s": PATIENT_S,
    } | options
    return UsageMiddleware(plain_app(), **given)  # type: ignore[arg-type]  # options


def client_of(app: App, tenant: str = "acme") -> httpx.AsyncClient:
    """Return a client of an application; what it raises is raised in the test."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://app.test",
        headers={"x-tenant": tenant},
    )


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def served(app: App) -> AsyncIterator[str]:
    """Serve an application on loopback by uvicorn; gives its address."""
    config = uvicorn.Config(
        app, http="httptools", ws="none", log_config=None, access_log=False
    )
    server = _Server(config)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            await until(lambda: server.started or serving.done())
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENT_S):
        while not condition():  # noqa: ASYNC110  # nothing to wait for but that
            await asyncio.sleep(0.005)


async def counted(
    redis: Redis, tenant: str = "acme", resource: ResourceName = CALLS
) -> int:
    """Return a counter of the current month, asked directly."""
    label = calendar_month(await server_time(redis)).label
    return int(await redis.get(KeyLayout().counter(tenant, resource, label)) or 0)


async def until_counted(redis: Redis, wanted: int) -> None:
    """Wait until acme's API calls are `wanted`."""
    async with asyncio.timeout(PATIENT_S):
        while await counted(redis) != wanted:  # noqa: ASYNC110  # Redis tells nobody
            await asyncio.sleep(0.005)


def limited(context: Context, calls: int | None) -> Context:
    """Return `context` with another limit of API calls."""
    return replace(context, plans={FREE: Plan(FREE, "Free", {CALLS: calls})})
