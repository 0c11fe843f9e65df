"""The lanes: many callers over two connections, none starves, none is lost."""

import asyncio
import gc
import warnings
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from tests.support.contexts import CALLS, redis_context
from tests.support.lanes import (
    IN_FLIGHT,
    calls,
    client,
    counted,
    frozen,
    service,
    until,
    until_connections,
)

from meterdeck.core.adapters import script_lanes
from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.script_lanes import ScriptLanes, lanes_of
from meterdeck.core.errors import (
    RedisUnreachable,
    UnknownOutcome,
)
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

__all__ = ["client", "service"]

LAYOUT = KeyLayout()
T = TypeVar("T")
# Tests that count one server's connections, or stand before it.
one_server = pytest.mark.not_on("sentinel", "cluster")


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
    assert await counted(redis, LAYOUT) == served.total()


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
    assert await counted(redis, LAYOUT) == IN_FLIGHT + 1


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

    assert await counted(redis, LAYOUT) == 5


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
    assert await counted(redis, LAYOUT) == 10


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
