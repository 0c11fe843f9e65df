"""Mistakes that other counting systems shipped: numbers."""

import pytest
from tests.support.acme import counter_key, used
from tests.support.contexts import CALLS, STORAGE, with_rule

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import MeterdeckError, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_d7_fractions_are_counted_in_whole_units(
    usage: UsageService,
) -> None:
    """A tenth of a gigabyte, ten times, is one: no float anywhere (lago a65e674da)."""
    for _ in range(10):
        await usage.consume("acme", {STORAGE: 100})

    assert await used(usage, STORAGE) == 1000


async def test_d7_what_cannot_be_exact_is_refused_near_the_largest_number(
    redis: Redis, usage: UsageService
) -> None:
    """2^53 is reached exactly and not passed, by release and count alike
    (autumn 2522)."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "unlimited")
    await usage.consume("acme", {CALLS: LARGEST - 1}, call_id="big")
    await usage.consume("acme", {CALLS: 1})

    with pytest.raises(Refused, match="2\\^53"):
        await usage.consume("acme", {CALLS: 1})
    await usage.release("acme", "big")

    assert await used(usage) == 1


ODD = [
    "NaN",
    "inf",
    "-inf",
    "1e3",
    "0x10",
    " 7 ",
    "1_000",
    "٣",
    str(LARGEST + 1),
    "007",
]


@pytest.mark.parametrize("text", ODD)
async def test_d7_odd_numbers_in_redis_are_broken_in_every_place(
    redis: Redis, usage: UsageService, context: Context, text: str
) -> None:
    """Counter, plan's limit, override: refused, and left as it is."""
    places = {
        "limit": (LAYOUT.tenant("acme"), "limit:api_calls"),
        "override": (LAYOUT.override("acme", CALLS), "units"),
    }
    for key, name in places.values():
        await redis.hset(key, name, text)
        with pytest.raises(MeterdeckError):
            await usage.consume("acme", {CALLS: 1})
        assert await redis.hget(key, name) == text.encode()
        await redis.delete(key)
    await redis.set(await counter_key(redis, LAYOUT), text)
    with pytest.raises(MeterdeckError):
        await usage.consume("acme", {CALLS: 1})
    assert await redis.get(await counter_key(redis, LAYOUT)) == text.encode()


async def test_d7_fields_that_are_missing_are_no_values(
    redis: Redis, usage: UsageService
) -> None:
    """An entry without limits, an override without an end, a counter that is not
    there: each is nothing, not a text or a nil that stops the script (autumn
    e45488458)."""
    await redis.hset(LAYOUT.tenant("acme"), "name", "Acme")
    await redis.hset(LAYOUT.override("acme", STORAGE), "units", "9")

    made = await usage.consume("acme", {CALLS: 1, STORAGE: 9}, call_id="req-1")

    assert [each.limit.units for each in made.resources] == [1000, 9]
    await usage.release("acme", "req-1")
    assert await used(usage, STORAGE) == 0


@pytest.mark.parametrize("before", [0, 7, 8, 12])
async def test_d7_what_is_left_is_one_formula_everywhere(
    redis: Redis, context: Context, before: int
) -> None:
    """Below, at and beyond a soft limit of 9: an answer, `peek` and the record say
    the same (autumn balance-semantics)."""
    ruled = with_rule(context, CALLS, LimitRule(Enforcement.SOFT), 9)
    usage = UsageService(redis, ruled)
    await redis.set(await counter_key(redis, LAYOUT), before)

    made = (await usage.consume("acme", {CALLS: 1})).resources[0]
    row = (await usage.peek("acme"))[0]

    assert made.current == row.used == before + 1
    assert made.remaining == row.remaining == max(0, 9 - before - 1)
    assert (made.beyond is not None) is (before + 1 > 9)
