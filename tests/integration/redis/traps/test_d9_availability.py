"""Mistakes that other counting systems shipped: Redis away, and clusters."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from inspect import signature
from pathlib import Path

import httpx
import pytest
from redis.crc import key_slot
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.support.acme import counter_key
from tests.support.contexts import CALLS, IMAGES, redis_context, with_rule
from tests.support.desk import Desk
from tests.support.metering import counted, library_context, replayed
from tests.support.redis_server import WRITTEN_AT_ONCE, ask_node

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.client import MeterClient
from meterdeck.core.middleware import UsageMiddleware
from meterdeck.core.model.changes import AdjustKind
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def _ok(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[Valkey]:
    """A server of this test's own."""
    async with Valkey(data_dir=tmp_path / "valkey", settings=WRITTEN_AT_ONCE) as server:
        yield server


@pytest.mark.parametrize(("on_fault", "status"), [("allow", 200), ("refuse", 503)])
async def test_d9_a_redis_blip_is_no_500_and_health_answers(
    mortal: Valkey, on_fault: str, status: int
) -> None:
    """Up, killed, up again: requests are answered by the rule, the health route always
    the same (plyr.fm 1787, slowapi)."""
    context = redis_context(mortal.url)
    redis = open_redis(context.redis)
    app = UsageMiddleware(
        Starlette(routes=[Route("/", _ok), Route("/health", _ok)]),
        usage=UsageService(redis, context),
        tenant=lambda _exchange: "acme",
        resource=CALLS,
        on_fault=on_fault,  # type: ignore[arg-type]  # of two
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:

        async def statuses() -> list[int]:
            paths = ("/", "/health")
            return [(await client.get(each)).status_code for each in paths]

        assert await statuses() == [200, 200]
        await mortal.kill()
        for _ in range(3):
            assert await statuses() == [status, 200]
        await mortal.start()
        assert await statuses() == [200, 200]
    await redis.aclose()


async def test_d9_no_fallback_multiplies_a_limit(
    mortal: Valkey, tmp_path: Path
) -> None:
    """Three programs while Redis is away: what fails closed is allowed to none of
    them, whatever each could remember (dataspoke 112); what fails open is counted
    when it is back, all of it and once."""
    contexts = [library_context(mortal.url, tmp_path / str(at)) for at in range(3)]
    meters = [await stack_of(MeterClient.open(each)) for each in contexts]
    try:
        for meter, _ in meters:
            assert (await meter.consume("acme", {IMAGES: 1, CALLS: 1})).allowed
        await mortal.kill()
        for meter, _ in meters:
            closed = [await meter.consume("acme", {IMAGES: 1}) for _ in range(5)]
            opened = [await meter.consume("acme", {CALLS: 1}) for _ in range(5)]
            assert not any(each.allowed for each in closed)
            assert all(each.allowed for each in opened)
        await mortal.start()
        for meter, _ in meters:
            await replayed(meter)
    finally:
        for _, stack in meters:
            await stack.aclose()

    assert await counted(mortal.url, "acme", IMAGES) == 3
    assert await counted(mortal.url, "acme", CALLS) == 3 + 3 * 5


async def stack_of(
    opening: AbstractAsyncContextManager[MeterClient],
) -> tuple[MeterClient, AsyncExitStack]:
    """Open a client, and return what closes it."""
    stack = AsyncExitStack()
    return await stack.enter_async_context(opening), stack


async def test_d9_nothing_is_left_undone_in_silence_wherever_keys_lie(
    usage: UsageService, desk: Desk
) -> None:
    """On a cluster, too: each step that touches several keys shows in the next
    (autumn 5c5a9d3fb)."""
    await usage.consume("acme", {CALLS: 5, IMAGES: 2}, call_id="req-1")
    made = await usage.reserve("acme", {CALLS: 3}, ttl=timedelta(minutes=1))
    assert await desk.used() == 8
    await usage.release("acme", "req-1")
    assert await desk.used() == 3
    await usage.confirm("acme", made.call_id, {CALLS: 1})
    assert await desk.used() == 1
    entry = await desk.adjust(AdjustKind.ADD, 7)
    assert await desk.used() == 8
    await desk.undo(entry)
    assert await desk.used() == 1
    entry = await desk.limit(5)
    assert (await usage.peek("acme"))[0].limit.units == 5
    await desk.undo(entry)
    assert await desk.override() is None
    assert await desk.entries() == 4


@pytest.mark.parametrize("tenant", ["acme", "a:b", "a}b", "x{y", "\udcff"])
def test_d9_all_keys_of_a_tenant_lie_in_one_slot(tenant: str) -> None:
    """Every name of the layout that has a tenant in it carries the tenant's tag."""
    layout = KeyLayout(tagged=True)
    named = []
    for name, method in vars(KeyLayout).items():
        wanted = list(signature(method).parameters) if callable(method) else []
        if name.startswith("_") or wanted[1:2] != ["tenant"]:
            continue
        named.append(getattr(layout, name)(tenant, *("part" for _ in wanted[2:])))
    assert len(named) >= 12

    assert len({key_slot(each) for each in named}) == 1
    others = KeyLayout(tagged=True).counter("globex", "part", "part")
    assert key_slot(others) != key_slot(named[0])


NO_KEYS = {"TIME"}
ALL_KEYS = {"MGET", "EXISTS"}


def keys_of(command: Sequence[str]) -> list[str]:
    """Return the keys of a command that a script ran."""
    name, *arguments = command
    if name.upper() in NO_KEYS:
        return []
    if name.upper() in ALL_KEYS:
        return arguments
    return [arguments[1] if name.upper() == "XINFO" else arguments[0]]


async def monitored(server: Valkey, work: Callable[[], Awaitable[None]]) -> list[str]:
    """Return a line for each command that the server ran, a script's own among them."""
    reader, writer = await asyncio.open_unix_connection(str(server.socket))
    writer.write(b"MONITOR\r\n")
    assert await reader.readline() == b"+OK\r\n"
    await work()
    await ask_node(server, "ECHO", "that was all")
    lines: list[str] = []
    async with asyncio.timeout(10):
        while not lines or "that was all" not in lines[-1]:
            lines.append((await reader.readline()).decode())
    writer.close()
    return lines


async def test_d9_scripts_touch_only_keys_that_they_were_given(
    redis_server: Valkey, redis: Redis, context: Context, desk: Desk
) -> None:
    """Every command of every script names a key that is in KEYS."""
    shadow = LimitRule(Enforcement.SHADOW)
    usage = UsageService(redis, with_rule(context, CALLS, shadow, 5))

    async def work() -> None:
        await usage.consume("acme", {CALLS: 9, IMAGES: 2}, call_id="req-1")
        await usage.consume("acme", {IMAGES: 20})
        await usage.release("acme", "req-1")
        made = await usage.reserve("acme", {CALLS: 3}, ttl=timedelta(minutes=1))
        await usage.confirm("acme", made.call_id)
        await usage.reserve("acme", {CALLS: 1}, ttl=timedelta(seconds=1))
        await redis.zadd(LAYOUT.reserving(), {await counter_key(redis, LAYOUT): 1})
        await usage.give_back_expired()
        await desk.undo(await desk.adjust(AdjustKind.ADD, 7))
        await desk.undo(await desk.limit(5))

    given: set[str] = set()
    scripts = touched = 0
    for line in await monitored(redis_server, work):
        words = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
        if " lua] " in line:
            touched += 1
            assert set(keys_of(words)) <= given, line
        elif words and words[0].upper() in ("EVALSHA", "EVAL"):
            scripts += 1
            given = set(words[3 : 3 + int(words[2])])
    assert scripts >= 12
    assert touched >= 100
