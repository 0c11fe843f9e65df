"""10,000 calls at once through a proxy that cuts connections again and again.

What is tried here is the client: one kind of server is enough.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from tests.support.contexts import CALLS, FREE, redis_context
from tests.support.proxy import Proxy, Scissors
from tests.support.raw import ask
from tests.support.redis_server import until

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.errors import RedisUnreachable, UnknownOutcome
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.decisions import Decision, Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import Plan
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import CALL_KEPT_S, UsageService

LAYOUT = KeyLayout()
MANY, LIMIT = 10_000, 6_000
CLIENTS = 3
ASKED_TWICE = 10
"""Every so manieth call is asked by two clients at the same time."""


@dataclass
class Storm:
    """Calls through the proxy, and what became of them."""

    services: Sequence[UsageService]
    clients: Sequence[Redis]
    answers: dict[str, list[Decision]] = field(default_factory=dict)
    unknown: int = 0
    not_done: int = 0

    async def insist(self, number: int, client: int) -> None:
        """Ask with the same id until there is an answer."""
        call_id = f"call-{number}"
        while True:
            try:
                made = await self.services[client % CLIENTS].consume(
                    "acme", {CALLS: 1}, call_id=call_id
                )
            except UnknownOutcome:
                self.unknown += 1
            except RedisUnreachable:
                self.not_done += 1
                await asyncio.sleep(0)
            else:
                self.answers.setdefault(call_id, []).append(made)
                return

    async def close(self) -> None:
        """Close the clients."""
        for each in self.clients:
            await each.aclose()

    async def once(self, number: int) -> Decision | None:
        """Ask without an id; repeat only what was surely not done."""
        while True:
            try:
                return await self.services[number % CLIENTS].consume("acme", {CALLS: 1})
            except UnknownOutcome:
                self.unknown += 1
                return None
            except RedisUnreachable:
                self.not_done += 1
                await asyncio.sleep(0)


@pytest.fixture
async def redis(valkey_client: Redis) -> Redis:
    """A client that nobody cuts off, of an empty server."""
    return valkey_client


@pytest.fixture
async def proxy(valkey: Valkey) -> AsyncIterator[Proxy]:
    """A proxy before the server."""
    async with Proxy(valkey.url) as running:
        yield running


@pytest.fixture
async def storm(proxy: Proxy, limited: Context) -> AsyncIterator[Storm]:
    """Three clients that reach the server through the proxy, and know its time."""
    options = RedisOptions(url=proxy.url, timeout_s=30.0)
    clients = [open_redis(options) for _ in range(CLIENTS)]
    storm = Storm([UsageService(each, limited) for each in clients], clients)
    for service in storm.services:
        await service.consume("other", {CALLS: 1})
    await clients[0].flushall()
    yield storm
    await storm.close()


@pytest.fixture
def limited(valkey: Valkey) -> Context:
    """A context in which everybody has 6,000 calls a month."""
    context = redis_context(valkey.url)
    return replace(context, plans={FREE: Plan(FREE, "Free", {CALLS: LIMIT})})


async def counter(redis: Redis) -> int:
    """Return acme's calls of this month, asked directly."""
    label = calendar_month(await server_time(redis)).label
    return int(await redis.get(LAYOUT.counter("acme", CALLS, label)) or 0)


def place(made: Decision) -> tuple[bool, int, Refusal | None]:
    """Return what everybody who asks for a call is told."""
    (each,) = made.resources
    return made.allowed, each.current, each.reason


async def nobody(proxy: Proxy) -> bool:
    """Tell whether no connection is left."""
    return proxy.connections == 0


async def left_behind(redis: Redis) -> set[bytes]:
    """Return the keys but those of answers, which go within ten minutes."""
    keys = set(await ask(redis, "KEYS", "*"))
    calls = {LAYOUT.call("acme", f"call-{number}") for number in range(MANY)}
    assert calls < keys
    async with redis.pipeline(transaction=False) as pipe:
        for key in calls:
            pipe.ttl(key)
        kept = await pipe.execute()
    assert all(0 < seconds <= CALL_KEPT_S for seconds in kept)
    return keys - calls


async def test_10000_calls_over_a_limit_are_exact_through_cut_connections(
    redis: Redis, proxy: Proxy, storm: Storm
) -> None:
    """Each has an id and is repeated until it is answered: as many are allowed as the
    limit says, in the places 1 to limit; a refused one saw a full counter; and each
    has one answer, whoever asks, then and later. What is left behind is the counter,
    the answers for ten minutes, refusals and the index of changes."""
    proxy.scissors = Scissors(seed=20261122, after=0.3, before=0.1)

    async with asyncio.TaskGroup() as tasks:
        for number in range(MANY):
            for more in range(1 if number % ASKED_TWICE else 2):
                tasks.create_task(storm.insist(number, number + more))

    assert await counter(redis) == LIMIT
    assert len(storm.answers) == MANY
    cuts = proxy.scissors
    assert cuts.answers > 30
    assert cuts.requests > 10
    assert storm.unknown > 100
    told = {call_id: {*map(place, made)} for call_id, made in storm.answers.items()}
    assert all(len(each) == 1 for each in told.values())
    places = [each.pop() for each in told.values()]
    allowed = sorted(current for made, current, _ in places if made)
    assert allowed == list(range(1, LIMIT + 1))
    refused = Counter(each[1:] for each in places if not each[0])
    assert refused == {(LIMIT, Refusal.OVER_LIMIT): MANY - LIMIT}

    proxy.scissors = None
    anybody = storm.services[0]
    asked = await asyncio.gather(
        *(anybody.consume("acme", {CALLS: 1}, call_id=each) for each in storm.answers)
    )

    for made in asked:
        assert made.replayed
        assert place(made) == place(storm.answers[made.call_id][0])
    assert await counter(redis) == LIMIT

    label = calendar_month(await server_time(redis)).label
    assert await left_behind(redis) == {
        LAYOUT.counter("acme", CALLS, label),
        LAYOUT.refusals("acme"),
        LAYOUT.sequence(),
        LAYOUT.changed(),
    }
    await storm.close()
    await until(lambda: nobody(proxy))
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("before", [0.0, 0.15])
async def test_10000_calls_without_ids_are_counted_or_said_to_be_unknown(
    redis: Redis, proxy: Proxy, storm: Storm, before: float
) -> None:
    """Nothing is sent twice: the counter has what was confirmed, and of what is
    unknown all where only answers were lost, and a part where requests were, too."""
    await redis.hset(LAYOUT.tenant("acme"), f"limit:{CALLS}", "unlimited")
    proxy.scissors = Scissors(seed=42, after=0.15, before=before)

    made = await asyncio.gather(*(storm.once(number) for number in range(MANY)))

    confirmed = [each for each in made if each is not None]
    assert all(each.allowed and not each.replayed for each in confirmed)
    assert len(confirmed) + storm.unknown == MANY
    assert storm.unknown > 100
    used = await counter(redis)
    if before:
        assert len(confirmed) < used < len(confirmed) + storm.unknown
    else:
        assert used == len(confirmed) + storm.unknown
    places = [each.resources[0].current for each in confirmed]
    assert len(set(places)) == len(places)
    assert max(places) <= used
