"""The lanes: many callers over two connections, none starves, none is lost."""

import asyncio
import gc
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.support.contexts import CALLS, redis_context
from tests.support.proxy import Fault, Proxy
from tests.support.raw import ask, of_each_server

from meterdeck.core.adapters import script_lanes
from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.adapters.script_lanes import ScriptLanes, lanes_of
from meterdeck.core.errors import (
    RedisRefused,
    RedisUnreachable,
    UnknownOutcome,
    Unreachable,
)
from meterdeck.core.model.context import Context, RedisOptions, Secret
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
PLENTY = "limit:api_calls"
T = TypeVar("T")
# Tests that count one server's connections, or stand before it.
one_server = pytest.mark.not_on("sentinel", "cluster")
IN_FLIGHT = 128
"""Calls of one resource that fill both lanes."""


@pytest.fixture
async def client(redis: Redis, context: Context) -> AsyncIterator[Redis]:
    """A client beside `redis`, which looks on; acme and globex may use a lot."""
    for tenant in ("acme", "globex"):
        await redis.hset(LAYOUT.tenant(tenant), PLENTY, str(10**9))
    made = open_redis(context.redis)
    yield made
    await made.aclose()


@pytest.fixture
async def service(client: Redis, context: Context) -> UsageService:
    """A service whose two connections are made, and that knows the time."""
    usage = UsageService(client, context)
    await asyncio.gather(*(usage.consume("warm", {CALLS: 1}) for _ in range(200)))
    return usage


async def counted(redis: Redis, tenant: str = "acme") -> int:
    """Return a tenant's API calls, asked directly."""
    label = calendar_month(await server_time(redis)).label
    return int(await redis.get(LAYOUT.counter(tenant, CALLS, label)) or 0)


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop turn until `condition` holds; fail after 10 s."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)


async def until_connections(redis: Redis, count: int) -> None:
    """Wait until the server has `count` connections."""
    async with asyncio.timeout(10):
        while len(await redis.client_list()) != count:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.001)


@asynccontextmanager
async def frozen(redis: Redis) -> AsyncIterator[None]:
    """Let the server take scripts, and answer them only afterwards."""
    await of_each_server(redis, "CLIENT", "PAUSE", 60_000, "WRITE")
    try:
        yield
    finally:
        await of_each_server(redis, "CLIENT", "UNPAUSE")


def calls(service: UsageService, count: int) -> list[asyncio.Task[Decision]]:
    """Start `count` calls of one unit at once."""
    return [
        asyncio.create_task(service.consume("acme", {CALLS: 1})) for _ in range(count)
    ]


async def test_two_hundred_callers_are_served_alike(
    redis: Redis, service: UsageService
) -> None:
    """When 10,000 calls are done nobody has had twice as many as anybody else."""
    served: Counter[int] = Counter()

    async def caller(number: int) -> None:
        while served.total() < 10_000:
            assert (await service.consume("acme", {CALLS: 1})).allowed
            served[number] += 1

    await asyncio.gather(*(caller(number) for number in range(200)))

    assert len(served) == 200
    assert max(served.values()) < 2 * min(served.values())
    assert await counted(redis) == served.total()


@one_server
async def test_a_single_caller_needs_one_connection(
    redis: Redis, client: Redis, context: Context
) -> None:
    """The second one is made when there is more than a round trip's worth."""
    service = UsageService(client, context)

    for _ in range(20):
        await service.consume("acme", {CALLS: 1})
    assert len(await redis.client_list()) == 2
    await asyncio.gather(*calls(service, 200))
    assert len(await redis.client_list()) == 3


async def test_a_cancelled_caller_takes_nobody_along(
    redis: Redis, client: Redis, service: UsageService
) -> None:
    """What was sent is counted though its caller is gone; what was not is not."""
    async with frozen(redis):
        started = calls(service, IN_FLIGHT + 2)
        await until(lambda: lanes_of(client).waiting == 2)
        started[5].cancel()  # sent
        started[IN_FLIGHT].cancel()  # not sent
    async with asyncio.timeout(10):
        done = await asyncio.gather(*started, return_exceptions=True)

    gone = [at for at, each in enumerate(done) if not isinstance(each, Decision)]
    assert gone == [5, IN_FLIGHT]
    assert all(isinstance(done[at], asyncio.CancelledError) for at in gone)
    assert await counted(redis) == IN_FLIGHT + 1


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
        before = await counted(redis)
        assert 200 <= before <= 200 + IN_FLIGHT
        assert (await service.consume("acme", {CALLS: 1})).allowed
        assert await counted(redis) == before + 1
    finally:
        await hasty.aclose()


@one_server
async def test_closing_while_calls_are_in_flight_leaves_nothing_behind(
    redis: Redis, context: Context, client: Redis
) -> None:
    """Each caller hears what became of its call; tasks and connections are gone."""
    others = asyncio.all_tasks()
    closing = open_redis(context.redis)
    service = UsageService(closing, context)
    await asyncio.gather(*calls(service, 200))
    async with frozen(redis):
        started = calls(service, 200)
        await until(lambda: lanes_of(closing).waiting == 200 - IN_FLIGHT)

        async with asyncio.timeout(10):
            await closing.aclose()
            done = await asyncio.gather(*started, return_exceptions=True)

    kinds = Counter(type(each) for each in done)
    assert kinds == {UnknownOutcome: IN_FLIGHT, RedisUnreachable: 200 - IN_FLIGHT}
    assert asyncio.all_tasks() == others
    await until_connections(redis, 1)


@one_server
async def test_calls_with_ids_are_not_tried_again_on_a_closed_client(
    redis: Redis, context: Context, client: Redis
) -> None:
    """Closing is no fault to recover from: no connection is made anew."""
    closing = open_redis(context.redis)
    service = UsageService(closing, context)
    await asyncio.gather(*calls(service, 200))
    async with frozen(redis):
        started = [
            asyncio.create_task(service.consume("acme", {CALLS: 1}, call_id=f"r-{at}"))
            for at in range(IN_FLIGHT + 1)
        ]
        await until(lambda: lanes_of(closing).waiting == 1)
        async with asyncio.timeout(10):
            await closing.aclose()
            done = await asyncio.gather(*started, return_exceptions=True)

    kinds = Counter(type(each) for each in done)
    assert kinds == {UnknownOutcome: IN_FLIGHT, RedisUnreachable: 1}
    await until_connections(redis, 1)


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
    assert await counted(redis) == 65


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
    assert 136 <= await counted(redis) <= 200


async def test_scripts_flushed_under_load_are_sent_again(
    redis: Redis, service: UsageService
) -> None:
    """A round trip the server could not read is repeated as a whole, once."""
    await of_each_server(redis, "SCRIPT", "FLUSH")

    made = await asyncio.gather(*calls(service, 500))

    assert all(each.allowed for each in made)
    assert await counted(redis) == 500


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
    assert await counted(redis) == 1001


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


@pytest.mark.not_on("cluster")  # which has lanes to each node
async def test_a_lane_that_finds_nothing_left_is_woken_again(
    redis: Redis, client: Redis, context: Context
) -> None:
    """The second lane is started for a call that somebody else takes before it runs."""
    service = UsageService(client, context)
    await service.consume("acme", {CALLS: 1})
    lanes = lanes_of(client)
    assert isinstance(lanes, ScriptLanes)
    async with frozen(redis):
        first = calls(service, 64)
        await asyncio.sleep(0)
        await until(lambda: lanes.waiting == 0)
        late = calls(service, 1)
        await asyncio.sleep(0)  # it is queued, the new lane did not run yet
        (taken,) = lanes.take()
    await asyncio.gather(*first)

    taken.answer.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    assert (await service.consume("acme", {CALLS: 1})).allowed


async def test_a_lane_that_somebody_cancels_is_replaced(
    redis: Redis, client: Redis, service: UsageService
) -> None:
    """Whoever ends all tasks there are leaves no call waiting for one of them."""
    own = asyncio.current_task()
    for _ in range(5):
        for task in asyncio.all_tasks() - {own}:
            task.cancel()
        await service.consume("acme", {CALLS: 1})

    assert await counted(redis) == 5


async def test_more_calls_than_may_wait_are_refused_at_once(
    redis: Redis,
    client: Redis,
    service: UsageService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The queue has a bound; what is in it is still served."""
    monkeypatch.setattr(script_lanes, "MOST_WAITING", 10)
    async with frozen(redis):
        first, second = calls(service, 10), calls(service, 10)
        await until(lambda: all(each.done() for each in second))

    done = await asyncio.gather(*first, *second, return_exceptions=True)
    assert Counter(type(each) for each in done) == {Decision: 10, RedisUnreachable: 10}
    assert await counted(redis) == 10


async def test_a_server_killed_under_load_has_counted_what_was_answered(
    tmp_path: Path,
) -> None:
    """Three kills: what is known is counted, what is unknown at most once.

    With ids, asked until there is an answer, the counter is exact.
    """
    async with Valkey(data_dir=tmp_path) as server:
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
            assert known <= await counted(client) <= known + unknown
            assert await counted(client, "globex") == outcomes["named"]
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


def _in_a_loop(work: Coroutine[Any, Any, T]) -> T:
    # asyncio.run would take away the current loop, which is pytest-asyncio's.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


def test_a_service_works_in_one_event_loop_after_the_other(
    valkey_server: Valkey,
) -> None:
    """Each loop has its own connections and takes them along when it ends."""
    options = RedisOptions(url=valkey_server.url, timeout_s=10.0)
    client = open_redis(options)
    service = UsageService(client, redis_context(valkey_server.url))

    async def consume(*, last: bool) -> list[int]:
        made = await asyncio.gather(
            *(service.consume("loops", {CALLS: 1}) for _ in range(100))
        )
        if last:
            await client.aclose()
        return [each.resources[0].current for each in made]

    async def connections() -> int:
        watcher = open_redis(options)
        try:
            return len(await watcher.client_list())
        finally:
            await watcher.aclose()

    async def forget() -> None:
        watcher = open_redis(options)
        try:
            await watcher.flushall()
        finally:
            await watcher.aclose()

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        _in_a_loop(forget())
        before = _in_a_loop(connections())
        highest = [max(_in_a_loop(consume(last=at == 2))) for at in range(3)]
        gc.collect()

    assert highest == [100, 200, 300]
    assert not seen, [str(each.message) for each in seen]
    assert _in_a_loop(connections()) == before
