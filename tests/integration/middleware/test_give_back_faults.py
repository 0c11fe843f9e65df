"""Giving back while Redis is away, silent, or loses answers; and by a client."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.middleware.applications import (
    PATIENT_S,
    client_of,
    counted,
    plain_app,
    until,
)
from tests.integration.middleware.test_give_back import (
    SCOPE,
    failing_app,
    refunding,
    silent_receive,
)
from tests.integration.middleware.test_with_the_client import client_context
from tests.support.contexts import CALLS, redis_context
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import WRITTEN_AT_ONCE

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.client import MeterClient
from meterdeck.core.middleware import Tally
from meterdeck.core.middleware.asgi import Message
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.usage import OnFault
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService


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
