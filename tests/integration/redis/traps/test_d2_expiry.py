"""Mistakes that other counting systems shipped: expiry."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.acme import ACTOR, counter_key, reset
from tests.support.contexts import CALLS, IMAGES, STORAGE
from tests.support.frozen_clock import FrozenClock
from tests.support.raw import expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import BadInput, RedisRefused
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_d2_every_counter_has_an_expiry_after_its_first_write(
    redis: Redis, usage: UsageService
) -> None:
    """Of each resource of a call, and by a reservation (upstash 33ada2f)."""
    await usage.consume("acme", {CALLS: 1, STORAGE: 1})
    await usage.reserve("acme", {IMAGES: 1}, ttl=timedelta(minutes=1))

    for resource in (CALLS, STORAGE, IMAGES):
        assert await expiry_ms(redis, await counter_key(redis, LAYOUT, resource)) > 0


async def test_d2_a_counter_back_at_zero_keeps_its_expiry(
    redis: Redis, usage: UsageService
) -> None:
    """After everything was given back the next call is no first call (limits)."""
    key = await counter_key(redis, LAYOUT)
    await usage.consume("acme", {CALLS: 4}, call_id="req-1")
    earlier = await expiry_ms(redis, key) - 5000
    await redis.pexpireat(key, earlier)

    await usage.release("acme", "req-1")
    await usage.consume("acme", {CALLS: 4})

    assert await expiry_ms(redis, key) == earlier


async def test_d2_traffic_and_operators_never_move_an_expiry(
    redis: Redis, usage: UsageService, changes: OperatorChanges
) -> None:
    """Whatever writes after the first: the key goes when it was to go."""
    key = await counter_key(redis, LAYOUT)
    await usage.consume("acme", {CALLS: 4}, call_id="req-1")
    earlier = await expiry_ms(redis, key) - 5000
    await redis.pexpireat(key, earlier)

    await usage.consume("acme", {CALLS: 4})
    await usage.reserve("acme", {CALLS: 4}, ttl=timedelta(minutes=1))
    await usage.release("acme", "req-1", {CALLS: 1})
    await reset(changes, CALLS, "op-1")

    assert await expiry_ms(redis, key) == earlier


async def test_d2_no_expiry_is_ever_zero_or_negative(
    redis: Redis, usage: UsageService, changes: OperatorChanges
) -> None:
    """An override that would have ended and a reservation of no time are refused in
    words, and a release in the last moment of its call's id works (lago f300970f3)."""
    now = await server_time(redis)
    with pytest.raises(BadInput, match="in the past"):
        await changes.set_override(
            "acme",
            CALLS,
            5,
            expires_at=now,
            actor=ACTOR,
            reason="r",
            operation_id="op-1",
        )
    with pytest.raises(BadInput, match="1 second"):
        await usage.reserve("acme", {CALLS: 1}, ttl=timedelta(0))
    await usage.consume("acme", {CALLS: 1}, call_id="req-1")
    await redis.persist(LAYOUT.call("acme", "req-1"))

    released = await usage.release("acme", "req-1")

    assert released.resources[0].given_back == 1


@pytest.mark.not_on("cluster", "sentinel")
async def test_d2_what_is_left_and_the_end_of_the_period_move_together(
    frozen_clock: FrozenClock, redis: Redis, context: Context
) -> None:
    """Before and after midnight, each answer has its own month's end and a counter
    that expires 35 days after it (gubernator ce975c8, 3982e50)."""
    await frozen_clock.set(redis, datetime(2080, 2, 29, 23, 59, 59, tzinfo=UTC))
    usage = UsageService(redis, context)
    before = (await usage.consume("acme", {IMAGES: 10})).resources[0]

    await frozen_clock.move(redis, 1000)
    after = (await usage.consume("acme", {IMAGES: 1})).resources[0]

    march, april = (datetime(2080, month, 1, tzinfo=UTC) for month in (3, 4))
    assert (before.remaining, before.period.end) == (0, march)
    assert (after.remaining, after.period.end) == (9, april)
    for label, end in (("2080-02", march), ("2080-03", april)):
        key = LAYOUT.counter("acme", IMAGES, label)
        gone = end + timedelta(days=35)
        assert await expiry_ms(redis, key) == int(gone.timestamp()) * 1000


@pytest.mark.not_on("cluster", "sentinel")
async def test_d2_a_full_server_refuses_and_loses_no_counter(
    redis: Redis, usage: UsageService
) -> None:
    """With noeviction, as the contract asks: nothing is evicted to make room."""
    await usage.consume("acme", {CALLS: 7})
    assert (await redis.config_get("maxmemory-policy"))["maxmemory-policy"] == (
        "noeviction"
    )
    await redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(RedisRefused, match="memory limit"):
            await usage.consume("acme", {CALLS: 1})
    finally:
        await redis.config_set("maxmemory", "0")

    assert await redis.get(await counter_key(redis, LAYOUT)) == b"7"
    assert (await usage.consume("acme", {CALLS: 1})).resources[0].current == 8
