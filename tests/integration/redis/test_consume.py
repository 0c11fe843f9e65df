"""Consuming: atomic, all or nothing, at most once."""

import asyncio

import pytest
from tests.support.acme import counter_key, this_month
from tests.support.contexts import CALLS, IMAGES, SEATS, STORAGE, with_layout
from tests.support.script_calls import index

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import (
    BadInput,
    Refused,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import NO_LIMIT, Limit, LimitSource
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_concurrent_callers_get_exactly_the_limit(
    redis: Redis, usage: UsageService
) -> None:
    """200 callers with mixed sizes: the counter ends at the limit, never above it,
    and every refusal was right at the moment it was made."""
    key = await counter_key(redis, LAYOUT)
    await redis.set(key, 900)
    sizes = [60 if at % 10 == 3 else 1 for at in range(200)]

    decisions = await asyncio.gather(
        *(usage.consume("acme", {CALLS: size}) for size in sizes)
    )

    admitted = sum(
        size for size, made in zip(sizes, decisions, strict=True) if made.allowed
    )
    assert admitted == 100
    assert await redis.get(key) == b"1000"
    for size, made in zip(sizes, decisions, strict=True):
        result = made.resources[0]
        assert made.allowed or result.current + size > 1000


async def test_callers_of_one_unit_are_never_refused_below_the_limit(
    redis: Redis, usage: UsageService
) -> None:
    """Requests that never fit take nothing away from those that do."""
    await redis.set(await counter_key(redis, LAYOUT), 900)

    decisions = await asyncio.gather(
        *(
            usage.consume("acme", {CALLS: 200 if at % 10 == 0 else 1})
            for at in range(200)
        )
    )

    small = [made for at, made in enumerate(decisions) if at % 10]
    assert sum(made.allowed for made in small) == 100
    assert not any(made.allowed for made in decisions[::10])


async def test_the_answer_says_what_is_left_and_which_rule_limits(
    usage: UsageService, redis: Redis
) -> None:
    """A decision carries current, limit, its source, what remains and the period."""
    made = await usage.consume("acme", {CALLS: 40, STORAGE: 5, SEATS: 2})

    calls, storage, seats = made.resources
    assert made.allowed
    assert not made.replayed
    assert (calls.current, calls.remaining) == (40, 960)
    assert calls.limit == Limit(1000, LimitSource.DEFAULT)
    assert calls.period == calendar_month(await server_time(redis))
    assert (storage.limit, storage.remaining) == (
        Limit(None, LimitSource.DEFAULT),
        None,
    )
    assert seats.limit == NO_LIMIT


async def test_a_refused_resource_keeps_the_whole_call_from_counting(
    redis: Redis, usage: UsageService
) -> None:
    """Two resources, the second over its limit: neither counter exists after."""
    made = await usage.consume("acme", {CALLS: 5, IMAGES: 11})

    assert not made.allowed
    assert [each.refused for each in made.resources] == [False, True]
    assert [each.current for each in made.resources] == [0, 0]
    assert await redis.keys("*") == [LAYOUT.refusals("acme")]


async def test_a_refusal_leaves_the_counter_and_a_higher_limit_helps_at_once(
    redis: Redis, usage: UsageService
) -> None:
    """Refused calls are not counted."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "3")
    made = [await usage.consume("acme", {CALLS: 2}) for _ in range(9)]
    assert [each.allowed for each in made] == [True] + [False] * 8
    assert made[0].resources[0].limit == Limit(3, LimitSource.PLAN)

    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "4")

    made = [await usage.consume("acme", {CALLS: 2}) for _ in range(2)]
    assert [each.allowed for each in made] == [True, False]
    assert await redis.get(await counter_key(redis, LAYOUT)) == b"4"


async def test_a_plan_may_be_unlimited_or_forbid(
    redis: Redis, usage: UsageService
) -> None:
    """`unlimited` in the directory entry beats the default; 0 refuses everything."""
    await redis.hset(
        LAYOUT.tenant("acme"),
        mapping={"limit:api_calls": "unlimited", "limit:images": "0"},
    )

    assert (await usage.consume("acme", {CALLS: 10_000_000})).allowed
    assert not (await usage.consume("acme", {IMAGES: 1})).allowed


async def test_a_repeated_call_id_gets_the_first_answer_and_counts_nothing(
    redis: Redis, usage: UsageService
) -> None:
    """The same id twice: one count, the same answer, marked as replayed."""
    first = await usage.consume("acme", {CALLS: 7, IMAGES: 1}, call_id="req-1")
    await usage.consume("acme", {CALLS: 1})

    again = await usage.consume("acme", {CALLS: 7, IMAGES: 1}, call_id="req-1")

    assert again == first._replace(replayed=True)
    assert await redis.get(await counter_key(redis, LAYOUT)) == b"8"
    assert 0 < await redis.ttl(LAYOUT.call("acme", "req-1")) <= 600


async def test_a_repeat_may_name_the_resources_in_another_order(
    usage: UsageService,
) -> None:
    """It is the same call, answered in the order of whoever asks."""
    first = await usage.consume("acme", {CALLS: 7, IMAGES: 1}, call_id="req-1")

    again = await usage.consume("acme", {IMAGES: 1, CALLS: 7}, call_id="req-1")

    assert again.replayed
    assert again.resources == first.resources[::-1]


async def test_a_refusal_is_repeated_too(redis: Redis, usage: UsageService) -> None:
    """A repeated id of a refused call stays refused though it would fit by now."""
    await redis.set(await counter_key(redis, LAYOUT), 1000)
    first = await usage.consume("acme", {CALLS: 1}, call_id="req-1")
    await redis.set(await counter_key(redis, LAYOUT), 0)

    again = await usage.consume("acme", {CALLS: 1}, call_id="req-1")

    assert not first.allowed
    assert again == first._replace(replayed=True)


async def test_a_call_id_stands_for_one_request(usage: UsageService) -> None:
    """The same id with other amounts is refused instead of answered."""
    await usage.consume("acme", {CALLS: 7}, call_id="req-1")

    with pytest.raises(Refused, match="used for another"):
        await usage.consume("acme", {CALLS: 8}, call_id="req-1")


async def test_a_call_without_id_keeps_nothing_but_the_counter(
    redis: Redis, usage: UsageService
) -> None:
    """No dedupe key is written for a generated id."""
    await usage.consume("acme", {CALLS: 1})

    assert set(await redis.keys("*")) == {
        await counter_key(redis, LAYOUT),
        *index(LAYOUT)[:2],
    }


async def test_what_changed_is_found_by_its_sequence_number(
    redis: Redis, usage: UsageService
) -> None:
    """Each counted call gives its tenant the next number; refusals give none."""
    await usage.consume("acme", {CALLS: 1})
    await usage.consume("globex", {CALLS: 1})
    await usage.consume("acme", {CALLS: 1})
    await usage.consume("initech", {CALLS: 1001})

    changed = await redis.zrange(LAYOUT.changed(), 0, -1, withscores=True)
    assert changed == [(b"globex", 2.0), (b"acme", 3.0)]


async def test_scripts_flushed_from_the_server_are_sent_again(
    redis: Redis, usage: UsageService
) -> None:
    """A server that lost its scripts is told them by the call that needs them."""
    await usage.consume("acme", {CALLS: 1})
    await redis.script_flush()

    assert (await usage.consume("acme", {CALLS: 1})).resources[0].current == 2


async def test_in_a_tagged_layout_every_key_of_a_tenant_has_its_tag(
    redis: Redis, context: Context
) -> None:
    """On a cluster all keys of a call lie in one slot; the index is left out."""
    service = UsageService(redis, with_layout(context, KeyLayout(tagged=True)))

    await service.consume("acme", {CALLS: 1}, call_id="req-1")

    assert set(await redis.keys("*")) == {
        f"usage:{{acme}}:api_calls:{await this_month(redis)}".encode(),
        b"meterdeck:call:{acme}:req-1",
    }
    with pytest.raises(BadInput, match="cannot begin with }"):
        await service.consume("}acme", {CALLS: 1})
