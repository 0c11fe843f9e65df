"""A Starlette application whose successful answers are counted, at their own cost.

Run it on a context of your configuration:

    METERDECK_CONTEXT=sandbox uvicorn --factory docs.examples.starlette_app:create_app
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from meterdeck.core.middleware import (
    Exchange,
    UsageMiddleware,
    by_route,
    number_from_answer,
)
from meterdeck.core.model.context import Context
from meterdeck.core.services.engine import Engine
from meterdeck.core.settings import load_context

TENANT_OF_KEY = {"key-of-acme": "acme", "key-of-globex": "globex"}
"""Your API keys; a real application looks them up."""


def tenant_of(exchange: Exchange) -> str | None:
    """Return the tenant that the application has found and put into its state."""
    state: dict[str, str] = exchange.scope.get("state", {})
    return state.get("tenant")


def _log_in(request: Request) -> bool:
    tenant = TENANT_OF_KEY.get(request.headers.get("x-api-key", ""))
    request.state.tenant = tenant
    return tenant is not None


async def draw(request: Request) -> JSONResponse:
    """Draw `n` images; only here it is known how many there will be."""
    if not _log_in(request):
        return JSONResponse({"error": "who are you?"}, 401)
    number = int(request.query_params.get("n", "1"))
    images = [f"image {each}" for each in range(number)]
    return JSONResponse(images, headers={"x-usage-units": str(number)})


async def tell(request: Request) -> StreamingResponse | JSONResponse:
    """Tell a story, line by line; it is counted when it begins."""
    if not _log_in(request):
        return JSONResponse({"error": "who are you?"}, 401)

    async def lines() -> AsyncIterator[str]:
        for line in ("Once", "upon", "a time"):
            yield line + "\n"

    return StreamingResponse(lines(), media_type="text/plain")


async def health(request: Request) -> PlainTextResponse:
    """Say that the process is alive; asks Redis nothing."""
    return PlainTextResponse("ok")


def create_app(context: Context | None = None) -> Starlette:
    """Return the application on `context`, or on the one that is configured."""
    engine = Engine(context or load_context())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with engine:
            yield

    counting = Middleware(
        UsageMiddleware,
        mode="count",
        usage=engine.usage,
        tenant=tenant_of,
        resource=by_route(
            {"POST /v1/images": "images", "/v1/*": "api_calls"}, default=None
        ),
        cost=number_from_answer("x-usage-units", default=1),
    )
    return Starlette(
        routes=[
            Route("/v1/images", draw, methods=["POST"]),
            Route("/v1/story", tell),
            Route("/health", health),
        ],
        middleware=[counting],
        lifespan=lifespan,
    )
