"""Work that failed is given back: what counts as failed."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
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
from meterdeck.core.errors import ConfigError
from meterdeck.core.middleware import Tally, UsageMiddleware, call_id_from_header
from meterdeck.core.middleware.asgi import App, Message, Receive, Scope, Send
from meterdeck.core.model.decisions import Decision
from meterdeck.core.services.usage import UsageService

SCOPE: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/",
    "headers": [(b"x-tenant", b"acme")],
}


class Crash(Exception):
    """The application's own failure."""


def refunding(
    app: App, usage: object, tally: Tally | None = None, **options: object
) -> UsageMiddleware:
    """Return `app` behind a check that gives back what a 5xx took."""
    given: dict[str, object] = {
        "usage": usage,
        "tenant": tenant_header,
        "resource": CALLS,
        "deadline_s": PATIENT_S,
        "give_back_from": 500,
        "tally": tally,
    } | options
    return UsageMiddleware(app, **given)  # type: ignore[arg-type]  # options


def failing_app(before: Callable[[], object] = lambda: None) -> Starlette:
    """Return an application that does something, and then answers 503."""

    async def answer(request: Request) -> PlainTextResponse:
        done = before()
        if isinstance(done, asyncio.Future):
            await done
        return PlainTextResponse("no", 503)

    return Starlette(routes=[Route("/", answer)])


async def silent_receive() -> Message:
    """Receive nothing, for ever."""
    return await asyncio.Future()


async def lost_send(message: Message) -> None:
    """Send to nobody."""


@pytest.mark.parametrize(
    ("first", "status", "left"),
    [
        (500, 500, 0),
        (500, 503, 0),
        (500, 499, 1),
        (500, 200, 1),
        (400, 404, 0),
        (400, 302, 1),
        (None, 500, 1),
    ],
)
async def test_the_status_decides_whether_a_request_is_given_back(
    usage: UsageService, valkey_client: Redis, first: int, status: int, left: int
) -> None:
    """From the chosen one on, and by default none; the answer stays as it is."""
    tally = Tally()
    app = refunding(plain_app(), usage, tally, give_back_from=first)
    async with client_of(app) as client:
        answer = await client.get(f"/?status={status}")

    assert answer.status_code == status
    assert answer.headers["ratelimit"]
    assert await counted(valkey_client) == left
    assert (tally.allowed, tally.given_back) == (1, 1 - left)


async def test_all_units_of_a_request_are_given_back_and_no_others(
    usage: UsageService, valkey_client: Redis
) -> None:
    """The cost of the one that failed."""
    async with client_of(refunding(plain_app(), usage, cost=7)) as client:
        await client.get("/")
        await asyncio.gather(*(client.get("/?status=500") for _ in range(20)))

    assert await counted(valkey_client) == 7


async def test_an_application_that_raises_before_it_answers_is_given_back(
    usage: UsageService, valkey_client: Redis
) -> None:
    """Its error comes out as it went in."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise Crash

    with pytest.raises(Crash):
        await refunding(app, usage)(dict(SCOPE), silent_receive, lost_send)

    assert await counted(valkey_client) == 0


async def test_an_application_that_ends_without_an_answer_is_given_back(
    usage: UsageService, valkey_client: Redis
) -> None:
    """The server answers 500 for it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    await refunding(app, usage)(dict(SCOPE), silent_receive, lost_send)

    assert await counted(valkey_client) == 0


async def test_an_answer_that_breaks_off_is_not_given_back(
    usage: UsageService, valkey_client: Redis
) -> None:
    """A part of it was delivered."""

    async def half() -> AsyncIterator[str]:
        yield "half"
        raise Crash

    async def answer(request: Request) -> StreamingResponse:
        return StreamingResponse(half())

    tally = Tally()
    app = refunding(Starlette(routes=[Route("/", answer)]), usage, tally)
    async with (
        served(app) as address,
        httpx.AsyncClient(base_url=address, headers={"x-tenant": "acme"}) as client,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/")

    assert await counted(valkey_client) == 1
    assert tally.given_back == 0


async def test_who_hangs_up_is_not_served_for_nothing(
    usage: UsageService, valkey_client: Redis
) -> None:
    """A cancelled request stays counted; the cancellation comes out."""
    working = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        working.set()
        await asyncio.Future()

    serving = asyncio.create_task(
        refunding(app, usage)(dict(SCOPE), silent_receive, lost_send)
    )
    await working.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving

    assert await counted(valkey_client) == 1


async def test_an_error_answer_whose_client_is_gone_is_given_back(
    usage: UsageService, valkey_client: Redis
) -> None:
    """The application failed first; that nobody heard of it changes nothing."""

    async def gone(message: Message) -> None:
        raise OSError("the client is gone")

    with pytest.raises(OSError, match="gone"):
        await refunding(failing_app(), usage)(dict(SCOPE), silent_receive, gone)

    assert await counted(valkey_client) == 0


async def test_a_request_with_an_id_of_its_own_is_paid_once_and_not_given_back(
    usage: UsageService, valkey_client: Redis
) -> None:
    """Given back, its repeat would be free: Redis counts an id once."""
    tally = Tally()
    app = refunding(plain_app(), usage, tally, call_id=call_id_from_header())
    async with client_of(app) as client:
        key = {"idempotency-key": "k"}
        failed = await client.get("/?status=500", headers=key)
        await client.get("/?status=500")
        again = await client.get("/?status=500", headers=key)

    assert (failed.status_code, again.status_code) == (500, 500)
    assert await counted(valkey_client) == 1
    assert (tally.given_back, tally.not_given_back) == (1, 0)


async def test_a_refused_request_gives_nothing_back(
    usage: UsageService, valkey_client: Redis
) -> None:
    """The application never saw it."""
    await usage.consume("acme", {CALLS: 1000})
    tally = Tally()
    async with client_of(refunding(failing_app(), usage, tally)) as client:
        answer = await client.get("/")

    assert answer.status_code == 429
    assert await counted(valkey_client) == 1000
    assert (tally.given_back, tally.not_given_back) == (0, 0)


# -- options -------------------------------------------------------------------


class OnlyCounts:
    """Something of the application's own that cannot release."""

    async def consume(
        self, tenant: str, amounts: object, *, call_id: str | None = None
    ) -> Decision:
        """Allow everything."""
        return Decision(True, (), call_id or "", False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"give_back_from": 200}, "a status from 400 to 599"),
        ({"give_back_from": True}, "a status from 400 to 599"),
        ({"mode": "count"}, "counts only what succeeded"),
        ({"usage": OnlyCounts()}, "needs a usage that can release"),
    ],
)
def test_a_wrong_choice_is_refused_when_the_application_is_built(
    usage: UsageService, options: dict[str, object], words: str
) -> None:
    """With what would be right."""
    with pytest.raises(ConfigError, match=words):
        refunding(plain_app(), options.pop("usage", usage), **options)  # type: ignore[arg-type]  # options


async def test_a_usage_that_turns_out_not_to_release_is_a_fault_and_no_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A callable's result is seen when it is asked, not before."""
    tally = Tally()
    counts = OnlyCounts()
    app = refunding(plain_app(), lambda: counts, tally)
    async with client_of(app) as client:
        answer = await client.get("/?status=500")

    assert answer.status_code == 500
    assert (tally.given_back, tally.not_given_back, tally.unknown) == (0, 1, 0)
    assert "a OnlyCounts cannot release" in caplog.text
