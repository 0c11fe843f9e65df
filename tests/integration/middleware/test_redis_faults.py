"""Redis away, silent, broken: requests go on by the rule, and never as a 500."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.integration.middleware.applications import (
    PATIENT_S,
    client_of,
    counted,
    plain_app,
    tenant_header,
    until,
)
from tests.support.contexts import CALLS, redis_context
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import WRITTEN_AT_ONCE

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.middleware import Exchange, Tally, UsageMiddleware
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService


def counting(usage: UsageService, tally: Tally, **options: object) -> UsageMiddleware:
    """Return the plain application with its requests counted."""
    given: dict[str, object] = {
        "usage": usage,
        "tenant": tenant_header,
        "resource": CALLS,
        "deadline_s": PATIENT_S,
        "tally": tally,
    } | options
    return UsageMiddleware(plain_app(), **given)  # type: ignore[arg-type]  # options


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the events logged, in order."""
    ours = [each for each in caplog.records if each.name == "meterdeck.middleware"]
    return [each.getMessage().split()[0] for each in ours]


class Traffic:
    """Ten clients that ask without a pause, until it is stopped."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.answers: list[httpx.Response] = []
        self._client = client
        self._stopped = False

    async def run(self) -> None:
        """Ask until `stop`."""
        await asyncio.gather(*(self._ask() for _ in range(10)))

    def stop(self) -> None:
        """Let what is under way end."""
        self._stopped = True

    async def more(self, number: int) -> None:
        """Wait for so many further answers."""
        target = len(self.answers) + number
        await until(lambda: len(self.answers) >= target)

    async def _ask(self) -> None:
        while not self._stopped:
            self.answers.append(await self._client.get("/"))


@pytest.mark.parametrize(
    "options",
    [
        {"on_fault": "allow"},
        {"on_fault": "refuse"},
        {"mode": "count"},
    ],
)
async def test_redis_killed_in_traffic_never_makes_a_500(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, options: dict[str, str]
) -> None:
    """Requests are answered by the rule while it is away, and counted after."""
    tally = Tally()
    async with Valkey(data_dir=tmp_path / "valkey", settings=WRITTEN_AT_ONCE) as server:
        context = redis_context(server.url)
        # A plan's limit would end the traffic too early.
        context = replace(context, plans={})
        redis = open_redis(context.redis)
        app = counting(UsageService(redis, context), tally, **options)
        async with client_of(app) as client:
            traffic = Traffic(client)
            running = asyncio.create_task(traffic.run())
            await traffic.more(50)
            await server.kill()
            await traffic.more(50)
            await server.start()
            before = tally.allowed + tally.counted
            await until(lambda: tally.allowed + tally.counted > before + 50)
            await until(lambda: "usage_outage_ended" in said(caplog))
            traffic.stop()
            await running
        total = await counted(redis)
        await redis.aclose()

    statuses = Counter(each.status_code for each in traffic.answers)
    refusing = options.get("on_fault") == "refuse"
    assert set(statuses) == ({200, 503} if refusing else {200})
    if refusing:
        assert statuses[503] == tally.faults
    assert tally.faults >= 1
    known = tally.allowed + tally.counted
    assert known + tally.faults == len(traffic.answers)
    # The kill may take up to a second of the append-only file with it, and what
    # was under way then may have been counted.
    assert 50 < total <= known + tally.unknown
    # A connection left from before may fail late; a pair of lines each, no more.
    events = said(caplog)
    outage = ["usage_outage_began", "usage_outage_ended"]
    assert events == outage * (len(events) // 2)
    assert 2 <= len(events) <= 4


async def test_without_redis_a_request_is_refused_with_503_and_retry_after(
    tmp_path: Path,
) -> None:
    """The body names no server and no reason; HEAD of it has none."""
    async with Valkey(data_dir=tmp_path / "valkey", settings=WRITTEN_AT_ONCE) as server:
        context = redis_context(server.url)
    redis = open_redis(context.redis)
    app = counting(
        UsageService(redis, context), Tally(), on_fault="refuse", retry_after_s=7
    )
    async with client_of(app) as client:
        answer, health = await client.get("/"), await client.get("/health")
    await redis.aclose()

    problem = answer.json()
    problem.pop("instance")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Usage cannot be checked at the moment;"
        " the request was not carried out.",
    }
    assert health.status_code == 200


async def test_an_outage_is_logged_when_it_begins_and_when_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two lines for a hundred requests; the second says how many failed."""
    async with Valkey(data_dir=tmp_path / "valkey", settings=WRITTEN_AT_ONCE) as server:
        context = redis_context(server.url)
        redis = open_redis(context.redis)
        async with client_of(counting(UsageService(redis, context), Tally())) as client:
            await client.get("/")
            await server.kill()
            for _ in range(100):
                await client.get("/")
            await server.start()
            async with asyncio.timeout(PATIENT_S):
                while len(said(caplog)) < 2:
                    await client.get("/")
            await client.get("/")
        await redis.aclose()

    assert said(caplog) == ["usage_outage_began", "usage_outage_ended"]
    assert "rule=allow" in caplog.messages[0]
    assert caplog.messages[1] == "usage_outage_ended requests_failed=100"


@pytest.fixture
async def proxy(valkey: Valkey) -> AsyncIterator[Proxy]:
    """A proxy before the (empty) server."""
    async with Proxy(valkey.url) as running:
        yield running


@pytest.fixture
async def far(proxy: Proxy, context: Context) -> AsyncIterator[UsageService]:
    """The usage service, with the proxy between it and the server; very patient."""
    options = replace(context.redis, url=proxy.url, timeout_s=10 * PATIENT_S)
    context = replace(context, redis=options)
    redis = open_redis(context.redis)
    yield UsageService(redis, context)
    await redis.aclose()


@pytest.mark.parametrize(("rule", "status"), [("allow", 200), ("refuse", 503)])
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.SILENCE])
async def test_a_lost_answer_follows_the_rule(
    far: UsageService,
    proxy: Proxy,
    valkey_client: Redis,
    *,
    rule: str,
    status: int,
    fault: Fault,
) -> None:
    """The count was done and nobody heard: not counted again, and noted as unknown."""
    tally = Tally()
    deadline_s = PATIENT_S if fault is Fault.RESET else 1.0
    app = counting(far, tally, on_fault=rule, deadline_s=deadline_s)
    async with client_of(app) as client:
        await far.consume("somebody", {CALLS: 1})
        proxy.lose_next_answer(fault)
        async with asyncio.timeout(PATIENT_S / 2):
            answer = await client.get("/")
        proxy.heal()

    assert answer.status_code == status
    assert await counted(valkey_client) == 1
    assert (tally.faults, tally.unknown) == (1, 1)


@pytest.mark.parametrize(("rule", "status"), [("allow", 200), ("refuse", 503)])
async def test_a_broken_counter_follows_the_rule_and_is_logged_once_a_minute(
    usage: UsageService,
    valkey_client: Redis,
    caplog: pytest.LogCaptureFixture,
    rule: str,
    status: int,
) -> None:
    """One tenant's counter is no outage: the others are counted between."""
    label = calendar_month(await server_time(valkey_client)).label
    await valkey_client.set(KeyLayout().counter("acme", CALLS, label), "abc")
    tally = Tally()
    async with client_of(counting(usage, tally, on_fault=rule)) as client:
        for _ in range(5):
            answer = await client.get("/")
            assert answer.status_code == status
            other = await client.get("/", headers={"x-tenant": "globex"})
            assert other.status_code == 200

    assert await counted(valkey_client, "globex") == 5
    assert (tally.faults, tally.unknown, tally.allowed) == (5, 0, 5)
    assert said(caplog) == ["usage_count_failed"]
    assert "BrokenCounter" in caplog.messages[0]


@pytest.mark.parametrize(("rule", "status"), [("allow", 200), ("refuse", 503)])
async def test_a_mistake_in_the_settings_follows_the_rule(
    valkey_client: Redis, context: Context, rule: str, status: int
) -> None:
    """A read-only context, and a resource that is none, are no 500 either."""
    tally = Tally()
    reading = UsageService(valkey_client, replace(context, read_only=True))
    usual = UsageService(valkey_client, context)
    for app in (
        counting(reading, tally, on_fault=rule),
        counting(usual, tally, on_fault=rule, resource="nothing-like-it"),
    ):
        async with client_of(app) as client:
            assert (await client.get("/")).status_code == status

    assert tally.faults == 2


@pytest.mark.parametrize(("rule", "status"), [("allow", 200), ("refuse", 503)])
@pytest.mark.parametrize("which", ["tenant", "resource"])
async def test_a_tenant_or_resource_that_cannot_be_found_out_follows_the_rule(
    usage: UsageService,
    which: str,
    rule: str,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The callable's error is logged with its trace and reaches no client."""

    def failing(exchange: Exchange) -> str:
        raise ConnectionError("the key store\x1b[31m is away")

    tally = Tally()
    app = counting(usage, tally, on_fault=rule, **{which: failing})
    async with client_of(app) as client:
        answer = await client.get("/")

    assert answer.status_code == status
    assert "key store" not in answer.text
    assert (tally.faults, tally.rule_errors) == (1, 1)
    assert said(caplog) == ["usage_rule_failed"]
    assert "\x1b" not in caplog.messages[0]
    assert caplog.records[0].exc_info


@pytest.mark.parametrize("mode", ["check", "count"])
async def test_a_cost_or_call_id_that_fails_still_counts_one(
    usage: UsageService, valkey_client: Redis, mode: str
) -> None:
    """Neither makes a request free or a fault."""

    def failing(exchange: Exchange) -> int:
        raise KeyError("plan")

    tally = Tally()
    app = counting(usage, tally, mode=mode, cost=failing, call_id=failing)
    async with client_of(app) as client:
        assert (await client.get("/")).status_code == 200

    assert await counted(valkey_client) == 1
    assert (tally.faults, tally.rule_errors) == (0, 2)
