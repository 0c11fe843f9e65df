"""Reserve and confirm: held for a while, counted at once, given back once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.acme import used
from tests.support.contexts import CALLS, IMAGES, with_layout
from tests.support.raw import ask, expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import BadInput, NotFound, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.reservations import Reservations, Swept
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
MINUTE = timedelta(minutes=1)


async def key_of(
    redis: Redis, name: str = "counter", resource: str = CALLS, tenant: str = "acme"
) -> bytes:
    """Name one of this month's keys."""
    label = calendar_month(await server_time(redis)).label
    found: bytes = getattr(LAYOUT, name)(tenant, resource, label)
    return found


async def expire(redis: Redis, resource: str = CALLS) -> None:
    """Let every reservation of a resource be over, as time would."""
    key = await key_of(redis, "reserved", resource)
    for member in await ask(redis, "ZRANGE", key, 0, -1):
        await redis.zadd(key, {member: 1})
    await redis.zadd(LAYOUT.reserving(), {await key_of(redis, resource=resource): 1})


async def test_a_reservation_counts_at_once_and_peek_shows_it(
    usage: UsageService,
) -> None:
    """What is reserved is used, for everybody, and said to be only reserved."""
    made = await usage.reserve("acme", {CALLS: 600}, ttl=MINUTE)

    assert made.allowed
    assert made.call_id
    assert not (await usage.consume("acme", {CALLS: 401})).allowed
    row = (await usage.peek("acme"))[0]
    assert (row.used, row.reserved, row.remaining) == (600, 600, 400)


async def test_a_confirmed_reservation_stays_counted(
    redis: Redis, usage: UsageService
) -> None:
    """Also when its time is over; a repeated confirmation changes nothing."""
    made = await usage.reserve("acme", {CALLS: 600}, ttl=MINUTE)

    first = await usage.confirm("acme", made.call_id)
    again = await usage.confirm("acme", made.call_id)

    await expire(redis)
    assert again == replace(first, replayed=True)
    assert first.resources[0].given_back == 0
    row = (await usage.peek("acme"))[0]
    assert (row.used, row.reserved) == (600, 0)


async def test_a_confirmation_keeps_what_was_used_and_gives_back_the_rest(
    usage: UsageService,
) -> None:
    """Used 150 of 600 reserved; a resource that is not named keeps all."""
    made = await usage.reserve("acme", {CALLS: 600, IMAGES: 3}, ttl=MINUTE)

    done = await usage.confirm("acme", made.call_id, {CALLS: 150})

    assert [each.given_back for each in done.resources] == [450, 0]
    assert (await used(usage), await used(usage, IMAGES)) == (150, 3)


async def test_a_released_reservation_is_not_given_back_again_when_it_expires(
    redis: Redis, usage: UsageService
) -> None:
    """Once by the release, never by time."""
    await usage.consume("acme", {CALLS: 100})
    made = await usage.reserve("acme", {CALLS: 50}, ttl=MINUTE)

    await usage.release("acme", made.call_id)
    await expire(redis)

    assert (await usage.consume("acme", {CALLS: 1})).resources[0].current == 101


async def test_the_next_call_gives_an_expired_reservation_back_before_it_decides(
    redis: Redis, usage: UsageService
) -> None:
    """A full counter of expired reservations lets the next call through."""
    for _ in range(2):
        await usage.reserve("acme", {CALLS: 500}, ttl=MINUTE)
    assert not (await usage.consume("acme", {CALLS: 1})).allowed
    await expire(redis)

    row = (await usage.peek("acme"))[0]
    made = await usage.consume("acme", {CALLS: 1})

    assert (row.used, row.reserved) == (0, 0)
    assert (made.allowed, made.resources[0].current) == (True, 1)
    assert await redis.get(await key_of(redis)) == b"1"
    assert not await redis.exists(await key_of(redis, "reserved"))


async def test_a_refused_call_gives_expired_reservations_back_too(
    redis: Redis, usage: UsageService
) -> None:
    """Whoever touches the counter first."""
    await usage.reserve("acme", {CALLS: 500}, ttl=MINUTE)
    await expire(redis)

    assert not (await usage.consume("acme", {CALLS: 1001})).allowed
    assert await redis.get(await key_of(redis)) == b"0"


async def test_an_expired_reservation_cannot_be_settled(
    redis: Redis, usage: UsageService
) -> None:
    """Neither before nor after its units were given back."""
    made = await usage.reserve("acme", {CALLS: 500}, ttl=MINUTE)
    await expire(redis)

    for _ in range(2):
        with pytest.raises(NotFound, match="has expired"):
            await usage.confirm("acme", made.call_id)
        with pytest.raises(NotFound, match="has expired"):
            await usage.release("acme", made.call_id)
        await usage.consume("acme", {CALLS: 1})
    assert await used(usage) == 2


async def test_a_sweep_gives_back_what_no_call_comes_across(
    redis: Redis, usage: UsageService
) -> None:
    """Of every tenant, once; what has not expired stays, and is found later."""
    await usage.reserve("acme", {CALLS: 500}, ttl=MINUTE)
    await expire(redis)
    await usage.reserve("acme", {IMAGES: 5}, ttl=MINUTE)
    await redis.lpush(await key_of(redis, tenant="broken"), "x")
    await redis.zadd(LAYOUT.reserving(), {await key_of(redis, tenant="broken"): 0})

    assert await usage.give_back_expired() == 500
    assert await usage.give_back_expired() == 0

    assert await redis.get(await key_of(redis)) == b"0"
    assert await used(usage, IMAGES) == 5
    await expire(redis, IMAGES)
    assert await usage.give_back_expired() == 5


async def test_a_reservation_expires_by_the_servers_clock(
    redis: Redis, usage: UsageService
) -> None:
    """Its end is the server's time and the time it was given; it and its answer
    outlive it."""
    before = (await server_time(redis)).timestamp() * 1000
    made = await usage.reserve("acme", {CALLS: 5}, ttl=MINUTE)
    after = (await server_time(redis)).timestamp() * 1000

    reserved = await key_of(redis, "reserved")
    member, ends = await ask(redis, "ZRANGE", reserved, 0, -1, "WITHSCORES")
    assert member == f"{made.call_id}:5".encode()
    assert before <= int(ends) - 60_000 <= after + 1
    assert 600 < await redis.ttl(LAYOUT.call("acme", made.call_id)) <= 660
    assert await expiry_ms(redis, reserved) == await expiry_ms(
        redis, await key_of(redis)
    )


async def test_a_refused_reservation_holds_nothing(
    redis: Redis, usage: UsageService
) -> None:
    """It answers like a refused call."""
    made = await usage.reserve("acme", {CALLS: 1001}, ttl=MINUTE)

    assert not made.allowed
    assert not await redis.exists(await key_of(redis, "reserved"))
    with pytest.raises(NotFound, match="was refused"):
        await usage.confirm("acme", made.call_id)


@pytest.mark.parametrize(
    "ttl", [timedelta(0), timedelta(days=2), timedelta(seconds=-5)]
)
async def test_a_reservation_has_a_sensible_time(
    usage: UsageService, ttl: timedelta
) -> None:
    """1 second to 24 hours."""
    with pytest.raises(BadInput, match="1 second to 24 hours"):
        await usage.reserve("acme", {CALLS: 1}, ttl=ttl)


async def test_a_call_and_a_reservation_of_one_id_are_two_requests(
    usage: UsageService,
) -> None:
    """The same id and amounts, reserved and consumed: the second is refused."""
    await usage.reserve("acme", {CALLS: 5}, ttl=MINUTE, call_id="req-1")

    with pytest.raises(Refused, match="used for another"):
        await usage.consume("acme", {CALLS: 5}, call_id="req-1")
    again = await usage.reserve("acme", {CALLS: 5}, ttl=MINUTE, call_id="req-1")
    assert again.replayed
    assert await used(usage) == 5


async def test_reservations_of_another_type_are_left_alone(
    redis: Redis, usage: UsageService
) -> None:
    """A key or member that is none of ours stops the call and stays."""
    key = await key_of(redis, "reserved")
    await redis.zadd(key, {"mine": 1})

    with pytest.raises(Refused, match="not reservations"):
        await usage.consume("acme", {CALLS: 1})
    await ask(redis, "DEL", key)
    await redis.set(key, "x")
    with pytest.raises(Refused, match="holds text, not reservations"):
        await usage.consume("acme", {CALLS: 1})


async def test_a_sweep_looks_at_no_more_counters_than_it_is_told(
    redis: Redis, context: Context
) -> None:
    """The rest is left for the next; a broken one does not stand in its way."""
    usage, reservations = UsageService(redis, context), Reservations(redis, context)
    for tenant in ("a", "b", "c"):
        await usage.reserve(tenant, {CALLS: 5}, ttl=MINUTE, call_id="job")
        await redis.zadd(await key_of(redis, "reserved", tenant=tenant), {"job:5": 1})
        await redis.zadd(LAYOUT.reserving(), {await key_of(redis, tenant=tenant): 2})
    await redis.zadd(LAYOUT.reserving(), {await key_of(redis, tenant="broken"): 1})
    await redis.lpush(await key_of(redis, tenant="broken"), "x")

    first = await reservations.give_back_expired(2)
    rest = await reservations.give_back_expired(2)
    none = await reservations.give_back_expired(2)

    assert (first, rest) == (Swept(2, 5), Swept(2, 10))
    assert none == Swept(0, 0)


async def test_many_sweeps_at_once_give_back_once(
    redis: Redis, context: Context
) -> None:
    """Every process looks; between them they give back what there is."""
    usage = UsageService(redis, context)
    for resource in (CALLS, IMAGES):
        await usage.reserve("acme", {resource: 5}, ttl=MINUTE)
        await expire(redis, resource)

    units = await asyncio.gather(*(usage.give_back_expired() for _ in range(10)))

    assert sum(units) == 10
    assert (await used(usage), await used(usage, IMAGES)) == (0, 0)


async def test_on_a_cluster_reservations_are_in_an_index_too(
    redis: Redis, context: Context
) -> None:
    """It is written before they are; what may be on its way keeps its place in it."""
    tagged = replace(context.redis.layout, tagged=True)
    usage = UsageService(redis, with_layout(context, tagged))
    now_ms = (await server_time(redis)).timestamp() * 1000
    label = calendar_month(await server_time(redis)).label
    counter, index = tagged.counter("acme", CALLS, label), tagged.reserving()

    await usage.reserve("acme", {CALLS: 5}, ttl=MINUTE, call_id="a")
    first = float(await ask(redis, "ZSCORE", index, counter))
    await usage.reserve("acme", {CALLS: 5}, ttl=2 * MINUTE, call_id="b")
    second = float(await ask(redis, "ZSCORE", index, counter))
    await redis.zadd(tagged.reserved("acme", CALLS, label), {"a:5": 1})
    await redis.zadd(index, {counter: 1})
    units = await usage.give_back_expired()
    third = float(await ask(redis, "ZSCORE", index, counter))
    await usage.release("acme", "b")
    await redis.zadd(index, {counter: 1})
    none = await usage.give_back_expired()
    last = float(await ask(redis, "ZSCORE", index, counter))

    assert 59_000 < first - now_ms < 100_000
    assert second == first
    assert units == 5
    assert 119_000 < third - now_ms < 160_000
    assert none == 0
    assert last - now_ms > 24 * 3_600_000
    assert await ask(redis, "ZCARD", index) == 1


async def test_on_a_cluster_the_index_forgets_a_counter_whose_period_is_over(
    redis: Redis, context: Context
) -> None:
    """A day after its end, when no reservation can be on its way any more."""
    tagged = replace(context.redis.layout, tagged=True)
    usage = UsageService(redis, with_layout(context, tagged))
    over, gone = (tagged.counter("acme", CALLS, f"2020-0{n}") for n in (1, 2))
    kept_ms = context.redis.retention_days * 86_400_000
    ended_ms = (await server_time(redis)).timestamp() * 1000 - 26 * 3_600_000
    await redis.set(over, 1, pxat=int(ended_ms + kept_ms))
    await redis.zadd(tagged.reserving(), {over: 1, gone: 2})

    assert await usage.give_back_expired() == 0

    assert not await redis.exists(tagged.reserving())
