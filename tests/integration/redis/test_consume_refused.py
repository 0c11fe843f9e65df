"""What consuming does not take: counters, amounts, names and users."""

from dataclasses import replace

import pytest
from tests.support.acme import counter_key
from tests.support.contexts import CALLS, IMAGES
from tests.support.raw import ask
from tests.support.script_calls import call_keys, script_call

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.adapters.resp import bulks
from meterdeck.core.adapters.script_lanes import lanes_of
from meterdeck.core.errors import (
    BadInput,
    BrokenCounter,
    NotFound,
    ReadOnly,
    RedisRefused,
    Refused,
)
from meterdeck.core.model.context import Context, Secret
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ("abc", "'abc'"),
        ("1.5", "'1.5'"),
        (" 5", "' 5'"),
        ("1e3", "'1e3'"),
        ("+5", "'+5'"),
        ("", "''"),
        ("nan", "'nan'"),
        (str(LARGEST + 1), f"'{LARGEST + 1}'"),
        ("\x1b[31m", "'␛[31m'"),
    ],
)
async def test_a_counter_that_is_no_number_is_left_alone(
    redis: Redis, usage: UsageService, value: str, holds: str
) -> None:
    """Text in a counter refuses the call, counts nothing elsewhere, stays as it is."""
    key = await counter_key(redis, LAYOUT)
    await redis.set(key, value)

    with pytest.raises(BrokenCounter) as error:
        await usage.consume("acme", {IMAGES: 1, CALLS: 1})

    assert error.value.holds == holds
    assert await redis.get(key) == value.encode()
    assert await redis.keys("*") == [key]


async def test_a_list_in_place_of_a_counter_is_said_to_be_one(
    redis: Redis, usage: UsageService
) -> None:
    """A key of another type is a clear answer, not a server error."""
    await redis.lpush(await counter_key(redis, LAYOUT), "x")
    await redis.set(LAYOUT.override("acme", IMAGES), "x")

    with pytest.raises(BrokenCounter, match="holds a list, not a whole number"):
        await usage.consume("acme", {CALLS: 1})
    with pytest.raises(Refused, match=r"acme\}?:images holds text, not an override"):
        await usage.consume("acme", {IMAGES: 1})


async def test_a_limit_that_is_no_number_refuses_instead_of_letting_through(
    redis: Redis, usage: UsageService
) -> None:
    """`nan` as a limit would pass every comparison."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "nan")

    with pytest.raises(BrokenCounter, match="'nan'"):
        await usage.consume("acme", {CALLS: 1})


async def test_a_negative_counter_counts_on(redis: Redis, usage: UsageService) -> None:
    """An application may have given back more than it took."""
    await redis.set(await counter_key(redis, LAYOUT), -3)

    made = await usage.consume("acme", {CALLS: 1003})

    assert made.allowed
    assert made.resources[0].current == 1000


async def test_a_counter_never_passes_what_can_be_counted_exactly(
    redis: Redis, usage: UsageService
) -> None:
    """2^53 is reached exactly; one more is refused and nothing is lost."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "unlimited")
    await redis.set(await counter_key(redis, LAYOUT), LARGEST - 1)

    assert (await usage.consume("acme", {CALLS: 1})).resources[0].current == LARGEST
    with pytest.raises(Refused, match="2\\^53"):
        await usage.consume("acme", {CALLS: 1})
    assert await redis.get(await counter_key(redis, LAYOUT)) == str(LARGEST).encode()


@pytest.mark.parametrize("amount", [0, -1, LARGEST + 1, True, 1.5, "1"])
async def test_amounts_that_are_no_units_are_refused(
    redis: Redis, usage: UsageService, amount: int
) -> None:
    """Zero, negative, fractional, huge or textual amounts never reach Redis."""
    with pytest.raises(BadInput, match="cannot be consumed"):
        await usage.consume("acme", {CALLS: amount})
    assert await redis.keys("*") == []


@pytest.mark.parametrize("amount", [0, -1, LARGEST + 1])
async def test_the_script_checks_amounts_itself(redis: Redis, amount: int) -> None:
    """Another language's client cannot count nonsense either."""
    call = script_call(LAYOUT, "acme", await server_time(redis))

    with pytest.raises(BadInput, match="amount of api_calls"):
        await lanes_of(redis).submit(replace(call, amounts=[amount]))
    assert await redis.keys("*") == []


async def test_the_script_refuses_a_resource_named_twice(redis: Redis) -> None:
    """Twice the same counter would pass two checks that only one fits."""
    call = script_call(LAYOUT, "acme", await server_time(redis))
    entry, refusals, *each = call_keys(LAYOUT, "acme")
    keys = [entry, refusals, *(key for key in each for _ in range(2))]
    twice = replace(call, keys=bulks(keys), key_count=len(keys))

    with pytest.raises(BadInput, match="named twice"):
        await lanes_of(redis).submit(
            replace(twice, terms=[*call.terms] * 2, amounts=[1, 1])
        )


async def test_names_that_cannot_be_meant_are_refused(usage: UsageService) -> None:
    """No tenant, no resource, an unknown one, an id with a colon."""
    with pytest.raises(BadInput, match="1 to 512 bytes"):
        await usage.consume("", {CALLS: 1})
    with pytest.raises(BadInput, match="1 to 64 resources"):
        await usage.consume("acme", {})
    with pytest.raises(NotFound, match="api_calls"):
        await usage.consume("acme", {"bananas": 1})
    with pytest.raises(BadInput, match="is no call id"):
        await usage.consume("acme", {CALLS: 1}, call_id="a:b")


async def test_a_read_only_context_counts_nothing(
    redis: Redis, context: Context
) -> None:
    """The service refuses before anything is sent."""
    service = UsageService(redis, replace(context, read_only=True))

    with pytest.raises(ReadOnly):
        await service.consume("acme", {CALLS: 1})
    assert await redis.keys("*") == []


@pytest.mark.parametrize(
    "right", ["incrby", pytest.param("zadd", marks=pytest.mark.not_on("cluster"))]
)
async def test_a_user_without_a_right_changes_nothing(
    redis: Redis, context: Context, right: str
) -> None:
    """A missing right is found before the first write, not in the middle."""
    await UsageService(redis, context).consume("acme", {CALLS: 1})
    await redis.flushall()
    await ask(redis, "ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", f"-{right}")
    options = replace(context.redis, username="app", password=Secret("pw"))
    client = open_redis(options)
    try:
        with pytest.raises(RedisRefused, match=f"(?i)right to do that.*{right}"):
            await UsageService(client, context).consume("acme", {CALLS: 1})
        assert await redis.keys("*") == []
    finally:
        await client.aclose()
        await ask(redis, "ACL", "DELUSER", "app")
