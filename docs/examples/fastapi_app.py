"""A FastAPI application that refuses what its tenants' plans do not allow.

It needs `pip install fastapi`. Run it on a context of your configuration:

    METERDECK_CONTEXT=sandbox uvicorn --factory docs.examples.fastapi_app:create_app
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from meterdeck.core.client import MeterClient
from meterdeck.core.middleware import (
    HEALTH,
    Exchange,
    Tally,
    UsageMiddleware,
    by_route,
    call_id_from_header,
)
from meterdeck.core.model.context import Context

TENANT_OF_KEY = {"key-of-acme": "acme", "key-of-globex": "globex"}
"""Your API keys; a real application looks them up, and the callable may be async."""


def tenant_of(exchange: Exchange) -> str | None:
    """Return whose API key the request has; None without one that is known."""
    key = (exchange.header("authorization") or "").removeprefix("Bearer ")
    return TENANT_OF_KEY.get(key)


def create_app(context: Context | None = None) -> FastAPI:
    """Return the application on `context`, or on the one that is configured."""
    tally = Tally()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with MeterClient.open(context) as meter:
            app.state.meter = meter
            yield

    def meter() -> MeterClient:
        opened: MeterClient = app.state.meter
        return opened

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(
        UsageMiddleware,
        mode="check",
        usage=meter,  # asked at each request: it opens when the application starts
        tenant=tenant_of,
        unknown_tenant="refuse",
        resource=by_route(
            {"POST /v1/images": "images", "/v1/*": "api_calls"}, default=None
        ),
        cost=by_route({"POST /v1/images": 2}, default=1),
        call_id=call_id_from_header("idempotency-key"),
        give_back_from=500,  # what the application fails at is not charged
        exempt=(*HEALTH, "/metrics", "/docs", "/openapi.json"),
        tally=tally,
    )

    @app.get("/v1/hello")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    @app.post("/v1/images")
    async def make_image() -> dict[str, str]:
        return {"image": "done"}

    @app.post("/v1/reports")
    async def make_report() -> dict[str, str]:
        raise RuntimeError("the printer is on fire")

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics")
    async def metrics() -> dict[str, int]:
        return {
            "usage_allowed": tally.allowed,
            "usage_refused": tally.refused,
            "usage_given_back": tally.given_back,
            "usage_faults": tally.faults,
        }

    return app
