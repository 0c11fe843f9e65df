"""The lanes when the server freezes, refuses, is lost or is killed: nothing is lost."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.contexts import CALLS, redis_context
from tests.support.lanes import (
    IN_FLIGHT,
    PLENTY,
    calls,
    client,
    counted,
    frozen,
    service,
    until,
)
from tests.support.proxy import Fault, Proxy
from tests.support.raw import ask, of_each_server
from tests.support.redis_server import WRITTEN_AT_ONCE

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.script_lanes import lanes_of
from meterdeck.core.errors import (
    RedisRefused,
    RedisUnreachable,
    UnknownOutcome,
    Unreachable,
)
from meterdeck.core.model.context import Context, Secret
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

__all__ = ["client", "service"]

LAYOUT = KeyLayout()
# Tests that count one server's connections, or stand before it.
one_server = pytest.mark.not_on("sentinel", "cluster")


async def test_a_frozen_server_costs_every_caller_the_timeout_and_no_more(
    redis: Redis, context: Context, client: Redis
) -> None:
    """What was sent is unknown, what was not is unreachable; then all is well."""
    hasty = open_redis(replace(context.redis, timeout_s=1.5))
    service = UsageService(hasty, context)
    try:
        await asyncio.gather(*calls(service, 200))
        async with frozen(redis):
            async with asyncio.timeout(20):
                done = await asyncio.gather(
                    *calls(service, 300), return_exceptions=True
                )
        kinds = Counter(type(each) for each in done)
        assert kinds == {UnknownOutcome: IN_FLIGHT, RedisUnreachable: 172}
        assert "not sent" in str(done[-1])
        before = await counted(redis, LAYOUT)
        assert 200 <= before <= 200 + IN_FLIGHT
        assert (await service.consume("acme", {CALLS: 1})).allowed
        assert await counted(redis, LAYOUT) == before + 1
    finally:
        await hasty.aclose()


@one_server
async def test_a_lost_answer_is_lost_for_each_call_of_the_round_trip(
    redis: Redis, context: Context
) -> None:
    """With an id each is asked for again and counted once; without it is unknown."""
    async with Proxy(context.redis.url) as proxy:
        client = open_redis(replace(context.redis, url=proxy.url))
        service = UsageService(client, context)
        try:
            await service.consume("acme", {CALLS: 1})
            proxy.lose_next_answer(Fault.RESET)

            done = await asyncio.gather(
                *(
                    service.consume(
                        "acme", {CALLS: 1}, call_id=f"req-{at}" if at % 2 else None
                    )
                    for at in range(64)
                ),
                return_exceptions=True,
            )
        finally:
            await client.aclose()

    assert all(isinstance(each, UnknownOutcome) for each in done[::2])
    assert {each.operation_id for each in done[::2]} == {""}  # type: ignore[union-attr]
    for each in done[1::2]:
        assert isinstance(each, Decision)
        assert each.replayed
    assert proxy.faults == 1
    assert await counted(redis, LAYOUT) == 65


@one_server
async def test_a_lost_connection_does_not_touch_the_other_lane(
    redis: Redis, client: Redis, service: UsageService
) -> None:
    """One of two connections is killed with 64 calls on it: 64 are unknown."""
    async with frozen(redis):
        started = calls(service, 200)
        await until(lambda: lanes_of(client).waiting == 200 - IN_FLIGHT)
        own = await ask(redis, "CLIENT", "ID")
        others = [
            each["id"]
            for each in await redis.client_list()
            if int(each["id"]) != int(own)
        ]
        await ask(redis, "CLIENT", "KILL", "ID", others[0])
    async with asyncio.timeout(10):
        done = await asyncio.gather(*started, return_exceptions=True)

    kinds = Counter(type(each) for each in done)
    assert kinds == {UnknownOutcome: 64, Decision: 136}
    assert 136 <= await counted(redis, LAYOUT) <= 200


async def test_scripts_flushed_under_load_are_sent_again(
    redis: Redis, service: UsageService
) -> None:
    """A round trip the server could not read is repeated as a whole, once."""
    await of_each_server(redis, "SCRIPT", "FLUSH")

    made = await asyncio.gather(*calls(service, 500))

    assert all(each.allowed for each in made)
    assert await counted(redis, LAYOUT) == 500


@one_server
async def test_a_second_connection_that_is_refused_is_done_without(
    redis: Redis, client: Redis, context: Context
) -> None:
    """A server that takes no more clients: all callers share the one there is."""
    service = UsageService(client, context)
    await service.consume("acme", {CALLS: 1})
    before = (await redis.config_get("maxclients"))["maxclients"]
    assert before is not None
    await redis.config_set("maxclients", len(await redis.client_list()))
    try:
        made = await asyncio.gather(*calls(service, 1000))
    finally:
        await redis.config_set("maxclients", before)

    assert all(each.allowed for each in made)
    assert await counted(redis, LAYOUT) == 1001


async def test_a_wrong_password_is_told_to_every_caller(
    redis: Redis, redis_server: Valkey, context: Context
) -> None:
    """None of them waits for a timeout, and each has an error of its own."""
    await redis.config_set("requirepass", "right")
    client = open_redis(replace(context.redis, password=Secret("wrong")))
    service = UsageService(client, context)
    try:
        async with asyncio.timeout(10):
            done = await asyncio.gather(*calls(service, 200), return_exceptions=True)
    finally:
        await client.aclose()
        await redis.config_set("requirepass", "")

    assert {type(each) for each in done} == {RedisRefused}
    assert len({id(each) for each in done}) == 200


async def test_a_server_killed_under_load_has_counted_what_was_answered(
    tmp_path: Path,
) -> None:
    """Three kills: what is known is counted, what is unknown at most once.

    With ids, asked until there is an answer, the counter is exact.
    """
    async with Valkey(data_dir=tmp_path, settings=WRITTEN_AT_ONCE) as server:
        context = redis_context(server.url)
        client = open_redis(context.redis)
        service = UsageService(client, context)
        layout = context.redis.layout
        for tenant in ("acme", "globex"):
            await client.hset(layout.tenant(tenant), PLENTY, "unlimited")
        outcomes: Counter[str] = Counter()
        over = False

        async def anonymous() -> None:
            while not over:
                outcomes[await outcome(service, "acme", None)] += 1
                outcomes["recently"] += 1
                await asyncio.sleep(0)

        async def named(number: int) -> None:
            at = 0
            while not over:
                call_id, known = f"{number}-{at}", False
                while not known:  # the server comes back
                    known = await outcome(service, "globex", call_id) == "counted"
                    await asyncio.sleep(0)
                outcomes["named"] += 1
                outcomes["recently, named"] += 1
                at += 1

        async def kill_often() -> None:
            nonlocal over
            try:
                for _ in range(3):
                    outcomes["recently"] = outcomes["recently, named"] = 0
                    await until(lambda: outcomes["recently"] > 500)
                    await until(lambda: outcomes["recently, named"] > 500)
                    await server.kill()
                    await server.start()
            finally:
                over = True

        try:
            async with asyncio.timeout(60):
                await asyncio.gather(
                    kill_often(),
                    *(anonymous() for _ in range(40)),
                    *(named(number) for number in range(40)),
                )
            known, unknown = outcomes["counted"], outcomes["unknown"]
            assert known <= await counted(client, LAYOUT) <= known + unknown
            assert await counted(client, LAYOUT, "globex") == outcomes["named"]
        finally:
            await client.aclose()


async def outcome(service: UsageService, tenant: str, call_id: str | None) -> str:
    """Count one unit and say in a word what became of it."""
    try:
        assert (await service.consume(tenant, {CALLS: 1}, call_id=call_id)).allowed
    except UnknownOutcome:
        return "unknown"
    except Unreachable:
        return "not counted"
    return "counted"
