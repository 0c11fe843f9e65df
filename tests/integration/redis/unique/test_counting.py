"""Distinct members: each counts once a period."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.redis.unique.members import (
    STANDARD_ERROR,
    counter_key,
    current,
    members_key,
    named,
)
from tests.support.contexts import CALLS, USERS
from tests.support.proxy import Proxy
from tests.support.raw import ask, expiry_ms

from meterdeck.core.adapters.redis_client import (
    Redis,
    open_redis,
    server_time,
    to_milliseconds,
)
from meterdeck.core.errors import Refused, UnknownOutcome
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import PeriodKind, calendar_month
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_a_member_counts_once_a_period(redis: Redis, usage: UsageService) -> None:
    """However often, in whatever call, as text or as bytes."""
    first = await usage.count_unique("acme", USERS, ["ann", "bob", "ann"])
    second = await usage.count_unique("acme", USERS, {b"bob", b"cem"})

    assert (current(first), current(second)) == (2, 3)
    assert await redis.get(await counter_key(redis)) == b"3"
    assert await ask(redis, "PFCOUNT", await members_key(redis)) == 3


async def test_both_keys_expire_with_the_period_and_traffic_moves_neither(
    redis: Redis, usage: UsageService, context: Context
) -> None:
    """At the period's end and the retention, set once."""
    month = calendar_month(await server_time(redis))
    kept = timedelta(days=context.redis.retention_days)
    ends = to_milliseconds(month.end + kept)
    await usage.count_unique("acme", USERS, ["ann"])
    at_first = [
        await expiry_ms(redis, key)
        for key in (await counter_key(redis), await members_key(redis))
    ]
    await ask(redis, "PEXPIREAT", await members_key(redis), ends - 5)

    await usage.count_unique("acme", USERS, ["bob"])

    assert at_first == [ends, ends]
    assert await expiry_ms(redis, await members_key(redis)) == ends - 5
    assert await expiry_ms(redis, await counter_key(redis)) == ends


async def test_the_estimate_is_within_three_standard_errors_at_50000_members(
    redis: Redis, usage: UsageService
) -> None:
    """0.81 % is the standard error of a HyperLogLog of 16,384 registers."""
    at_each = []
    for start in range(0, 50_000, 1000):
        made = await usage.count_unique(
            "acme", USERS, named(range(start, start + 1000))
        )
        at_each.append(current(made))

    assert at_each == sorted(at_each)
    assert abs(at_each[-1] - 50_000) <= 3 * STANDARD_ERROR * 50_000
    assert await ask(redis, "PFCOUNT", await members_key(redis)) == at_each[-1]


async def test_a_repeated_call_id_gets_the_first_answer(
    redis: Redis, usage: UsageService
) -> None:
    """In whatever order the members are named; another set is another call."""
    many = named(range(300))
    first = await usage.count_unique("acme", USERS, many, call_id="u-1")
    await usage.count_unique("acme", USERS, ["cem"])

    again = await usage.count_unique("acme", USERS, many[::-1], call_id="u-1")

    assert again == first._replace(replayed=True)
    with pytest.raises(Refused, match="used for another change before"):
        await usage.count_unique("acme", USERS, ["ann"], call_id="u-1")
    with pytest.raises(Refused, match="used for another change before"):
        await usage.consume("acme", {CALLS: 1}, call_id="u-1")
    with pytest.raises(Refused, match="u-1 counted members; there is nothing to"):
        await usage.release("acme", "u-1")


async def test_a_lost_answer_is_asked_for_again_where_there_is_an_id(
    redis: Redis, redis_server: Valkey, context: Context
) -> None:
    """Counted once either way: a repeat by hand adds nothing."""
    async with Proxy(redis_server.url) as proxy:
        far = open_redis(RedisOptions(url=proxy.url, timeout_s=10.0), connections=1)
        usage = UsageService(far, context)
        await usage.count_unique("acme", USERS, ["ann"])
        proxy.lose_next_answer()
        answered = await usage.count_unique("acme", USERS, ["bob"], call_id="u-1")
        proxy.lose_next_answer()
        with pytest.raises(UnknownOutcome, match="naming members was sent"):
            await usage.count_unique("acme", USERS, ["cem"])
        await usage.count_unique("acme", USERS, ["cem"])
        await far.aclose()

    assert (answered.replayed, current(answered)) == (True, 2)
    assert await redis.get(await counter_key(redis)) == b"3"


async def test_the_counter_never_falls_by_itself(
    redis: Redis, usage: UsageService
) -> None:
    """Members that are gone are counted again, where their key was removed."""
    await usage.count_unique("acme", USERS, named(range(5)))
    await redis.delete(await members_key(redis))

    made = await usage.count_unique("acme", USERS, named(range(2)))

    assert current(made) == 7


async def test_concurrent_calls_count_every_member_once(
    redis: Redis, usage: UsageService
) -> None:
    """Fifty callers with overlapping members reach what one would."""
    await asyncio.gather(
        *(
            usage.count_unique("acme", USERS, named(range(start, start + 20)))
            for start in range(50)
        )
    )

    counter = int(await redis.get(await counter_key(redis)) or 0)
    assert counter == await ask(redis, "PFCOUNT", await members_key(redis))
    assert abs(counter - 69) <= 1


async def test_a_service_in_another_month_corrects_itself_in_the_same_call(
    redis: Redis, usage: UsageService
) -> None:
    """The server's clock decides, and nothing is left in the other month."""
    usage._periods.learn(datetime(2019, 2, 3, tzinfo=UTC))

    await usage.count_unique("acme", USERS, ["ann"])

    assert await redis.get(await counter_key(redis)) == b"1"
    assert await redis.exists(LAYOUT.members("acme", USERS, "2019-02")) == 0


async def test_a_new_period_begins_without_members(
    redis: Redis, context: Context
) -> None:
    """By billing cycle, whose anchor an operator or Stripe moves in mid-period."""
    resources = tuple(
        replace(each, period=PeriodKind.BILLING_CYCLE) if each.name == USERS else each
        for each in context.resources
    )
    usage = UsageService(redis, replace(context, resources=resources))
    now = await server_time(redis)
    cycles = [now - timedelta(days=40), now - timedelta(days=3)]
    made = []
    for anchor in cycles:
        await redis.hset(
            LAYOUT.tenant("acme"),
            mapping={
                "anchor": str(int(anchor.timestamp())),
                "interval": "year",
                "interval_count": "1",
            },
        )
        made.append(await usage.count_unique("acme", USERS, ["ann"]))

    assert [current(each) for each in made] == [1, 1]
    labels = [each.resources[0].period.label for each in made]
    assert labels == [anchor.strftime("%Y-%m-%d") for anchor in cycles]


async def test_members_move_the_tenant_in_the_index_where_they_are_new(
    redis: Redis, usage: UsageService
) -> None:
    """So the console sees them within a second; known ones are no news."""
    numbers = []
    for name in ("ann", "ann", "bob"):
        await usage.count_unique("acme", USERS, [name])
        numbers.append(await redis.zscore(LAYOUT.changed(), "acme"))

    assert numbers == [1, 1, 2]


@pytest.mark.parametrize("size", [1, 512])
async def test_members_of_every_permitted_size_count(
    usage: UsageService, size: int
) -> None:
    """A thousand in a call, bytes of any kind, from one byte to 512."""
    wanted = 256 if size == 1 else 1000
    members = [number.to_bytes(2, "big").ljust(size, b"\0") for number in range(wanted)]
    if size == 1:
        members = [bytes([number]) for number in range(wanted)]

    made = await usage.count_unique("acme", USERS, members)

    assert abs(current(made) - wanted) <= 3 * STANDARD_ERROR * wanted + 1
