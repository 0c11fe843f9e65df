"""Work that failed is given back: what counts as failed, and what Redis may do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

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
    until,
)
from tests.integration.middleware.test_with_the_client import client_context
from tests.support.contexts import CALLS, redis_context
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import WRITTEN_AT_ONCE

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.client import MeterClient
from meterdeck.core.errors import ConfigError
from meterdeck.core.middleware import Tally, UsageMiddleware, call_id_from_header
from meterdeck.core.middleware.asgi import App, Message, Receive, Scope, Send
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.usage import OnFault
from meterdeck.core.sandbox.valkey import Valkey
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


# -- Redis ---------------------------------------------------------------------


@pytest.fixture
async def proxy(valkey: Valkey) -> AsyncIterator[Proxy]:
    """A proxy before the (empty) server."""
    async with Proxy(valkey.url) as running:
        yield running


@pytest.fixture
async def far(proxy: Proxy, context: Context) -> AsyncIterator[UsageService]:
    """The usage service, with the proxy between it and the server; very patient."""
    options = replace(context.redis, url=proxy.url, timeout_s=10 * PATIENT_S)
    redis = open_redis(options)
    usage = UsageService(redis, replace(context, redis=options))
    await usage.consume("somebody", {CALLS: 1})
    yield usage
    await redis.aclose()


@pytest.mark.parametrize(("after", "left"), [(0, 1), (1, 0)])
async def test_a_release_that_is_lost_is_unknown_and_changes_no_answer(
    far: UsageService, proxy: Proxy, valkey_client: Redis, after: int, left: int
) -> None:
    """Lost in its question or after it was done: nobody knows which."""
    tally = Tally()
    failing = failing_app(lambda: proxy.lose_next_answer(times=2, after=after))
    async with client_of(refunding(failing, far, tally)) as client:
        answer = await client.get("/")

    assert answer.status_code == 503
    assert proxy.faults == 2
    assert await counted(valkey_client) == left
    assert (tally.given_back, tally.not_given_back, tally.unknown) == (0, 1, 1)


async def test_a_release_whose_answer_is_lost_once_is_asked_for_again(
    far: UsageService, proxy: Proxy, valkey_client: Redis
) -> None:
    """By its id: given back once, and known to be."""
    tally = Tally()
    failing = failing_app(lambda: proxy.lose_next_answer(after=1))
    async with client_of(refunding(failing, far, tally)) as client:
        await client.get("/")

    assert proxy.faults == 1
    assert await counted(valkey_client) == 0
    assert (tally.given_back, tally.unknown) == (1, 0)


async def test_no_byte_waits_for_a_release(far: UsageService, proxy: Proxy) -> None:
    """A silent Redis: the answer is out before the deadline of giving back is over."""
    tally = Tally()
    given_up_at: list[int] = []

    async def send(message: Message) -> None:
        given_up_at.append(tally.not_given_back)

    failing = failing_app(lambda: proxy.lose_next_answer(Fault.SILENCE))
    await refunding(failing, far, tally, deadline_s=1.0)(
        dict(SCOPE), silent_receive, send
    )

    assert given_up_at == [0, 0]
    assert (tally.not_given_back, tally.unknown) == (1, 1)


async def test_redis_killed_before_a_release_makes_no_500(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The units stay counted, which is tallied and begins an outage in the log."""
    tally = Tally()
    async with Valkey(data_dir=tmp_path / "valkey") as server:
        context = redis_context(server.url)
        redis = open_redis(context.redis)
        failing = failing_app(lambda: asyncio.ensure_future(server.kill()))
        app = refunding(failing, UsageService(redis, context), tally)
        async with client_of(app) as client:
            answer = await client.get("/")
        await redis.aclose()

    assert answer.status_code == 503
    assert (tally.given_back, tally.not_given_back) == (0, 1)
    assert "usage_outage_began rule=give_back" in caplog.text


class GivesUp:
    """An application's own way of counting: it waits for no answer, and sends none."""

    def __init__(self, usage: UsageService) -> None:
        self._usage = usage

    async def consume(
        self, tenant: str, amounts: object, *, call_id: str | None = None
    ) -> Decision:
        """Give up at once."""
        raise TimeoutError

    async def release(self, tenant: str, call_id: str) -> object:
        """Release as usual."""
        return await self._usage.release(tenant, call_id)


@pytest.mark.parametrize(("was_counted", "given_back"), [(True, 1), (False, 0)])
async def test_a_request_that_may_have_been_counted_is_given_back_if_it_was(
    far: UsageService,
    proxy: Proxy,
    valkey_client: Redis,
    *,
    was_counted: bool,
    given_back: int,
) -> None:
    """Its answer was lost, the rule let it pass, and then it failed."""
    tally = Tally()
    if was_counted:
        proxy.lose_next_answer(times=2)
    app = refunding(plain_app(), far if was_counted else GivesUp(far), tally)
    async with client_of(app) as client:
        answer = await client.get("/?status=500")

    assert answer.status_code == 500
    assert await counted(valkey_client) == 0
    assert (tally.faults, tally.unknown) == (1, 1)
    assert (tally.given_back, tally.not_given_back) == (given_back, 0)


@pytest.mark.parametrize("first", [500, 599])
@pytest.mark.parametrize(("was_counted", "given_back"), [(True, 1), (False, 0)])
async def test_a_request_refused_as_its_answer_was_lost_is_given_back_if_it_was_counted(
    far: UsageService,
    proxy: Proxy,
    valkey_client: Redis,
    *,
    was_counted: bool,
    given_back: int,
    first: int,
) -> None:
    """The 503 says that it was not carried out: that is so whatever `first` is."""
    tally = Tally()
    if was_counted:
        proxy.lose_next_answer(times=2)
    usage = far if was_counted else GivesUp(far)
    app = refunding(plain_app(), usage, tally, on_fault="refuse", give_back_from=first)
    async with client_of(app) as client:
        answer = await client.get("/")

    assert answer.status_code == 503
    assert await counted(valkey_client) == 0
    assert (tally.faults, tally.unknown) == (1, 1)
    assert (tally.given_back, tally.not_given_back) == (given_back, 0)


async def test_no_byte_of_a_refusal_waits_for_a_release(
    far: UsageService, proxy: Proxy
) -> None:
    """Redis stays silent: the 503 is out before the deadline of giving back is over."""
    tally = Tally()
    given_up_at: list[int] = []

    async def send(message: Message) -> None:
        given_up_at.append(tally.not_given_back)

    proxy.lose_next_answer(Fault.SILENCE, times=2)
    app = refunding(plain_app(), far, tally, on_fault="refuse", deadline_s=0.5)
    await app(dict(SCOPE), silent_receive, send)

    assert given_up_at == [0, 0]
    assert (tally.faults, tally.not_given_back, tally.unknown) == (1, 1, 2)


# -- a MeterClient -------------------------------------------------------------


async def test_what_a_client_refuses_as_the_answer_was_lost_is_given_back(
    proxy: Proxy, context: Context, valkey_client: Redis
) -> None:
    """It fails closed; Redis counted, and the client's own repeat was lost too."""
    tally = Tally()
    options = replace(context.redis, url=proxy.url)
    library = replace(context.library, call_timeout_s=PATIENT_S / 2)
    async with MeterClient.open(
        replace(context, redis=options, library=library)
    ) as meter:
        await meter.consume("somebody", {CALLS: 1})
        proxy.lose_next_answer(times=2)
        async with client_of(refunding(plain_app(), meter, tally)) as client:
            answer = await client.get("/")

    assert answer.status_code == 503
    assert proxy.faults == 2
    assert await counted(valkey_client) == 0
    assert (tally.faults, tally.unknown, tally.given_back) == (1, 1, 1)


async def test_a_client_gives_back_too(context: Context, valkey_client: Redis) -> None:
    """As the engine's usage does."""
    tally = Tally()
    library = replace(context.library, call_timeout_s=PATIENT_S / 2)
    async with (
        MeterClient.open(replace(context, library=library)) as meter,
        client_of(refunding(plain_app(), lambda: meter, tally)) as client,
    ):
        await client.get("/?status=500")

    assert await counted(valkey_client) == 0
    assert tally.given_back == 1


async def test_what_a_client_keeps_on_disk_is_given_back_after_it_is_counted(
    tmp_path: Path,
) -> None:
    """Redis is away for all of it: request and refund wait on disk, in order."""
    tally = Tally()
    async with Valkey(data_dir=tmp_path / "valkey", settings=WRITTEN_AT_ONCE) as server:
        context = client_context(server, tmp_path / "spool", OnFault.FAIL_OPEN)
        redis = open_redis(context.redis)
        async with MeterClient.open(context) as meter:
            await server.kill()
            async with client_of(refunding(plain_app(), meter, tally)) as client:
                await client.get("/?status=500")
                await client.get("/")
            spool = meter.status().spool
            assert spool is not None
            assert spool.calls == 3
            await server.start()

            def empty() -> bool:
                now = meter.status().spool
                return now is not None and now.calls == 0

            await until(empty)
        assert await counted(redis) == 1
        await redis.aclose()

    assert (tally.spooled, tally.given_back, tally.faults) == (2, 1, 0)


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
