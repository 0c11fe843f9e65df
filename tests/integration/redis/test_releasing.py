"""Release: what a call took is given back, once, and no more than that."""

import asyncio
from datetime import UTC, datetime

import pytest
from tests.support.acme import counter_key, this_month, used
from tests.support.contexts import CALLS, IMAGES, with_rule

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import BadInput, NotFound, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_a_release_gives_back_what_the_call_took(usage: UsageService) -> None:
    """Both resources of the call, and nothing of any other call."""
    await usage.consume("acme", {CALLS: 3})
    await usage.consume("acme", {CALLS: 5, IMAGES: 2}, call_id="req-1")

    done = await usage.release("acme", "req-1")

    assert [
        (each.resource, each.given_back, each.current) for each in done.resources
    ] == [
        (CALLS, 5, 3),
        (IMAGES, 2, 0),
    ]
    assert await used(usage) == 3


async def test_a_release_is_done_once_whoever_repeats_it(usage: UsageService) -> None:
    """Ten at once give back once, and all get the same answer."""
    await usage.consume("acme", {CALLS: 9})
    await usage.consume("acme", {CALLS: 5}, call_id="req-1")

    done = await asyncio.gather(*(usage.release("acme", "req-1") for _ in range(10)))

    assert await used(usage) == 9
    assert sum(not each.replayed for each in done) == 1
    assert {each.resources for each in done} == {done[0].resources}


async def test_a_part_is_released_and_never_more_than_was_taken(
    usage: UsageService,
) -> None:
    """What is asked for beyond what the call took is not given."""
    await usage.consume("acme", {CALLS: 9})
    await usage.consume("acme", {CALLS: 5, IMAGES: 1}, call_id="a")
    await usage.consume("acme", {CALLS: 5}, call_id="b")

    part = await usage.release("acme", "a", {CALLS: 2})
    most = await usage.release("acme", "b", {CALLS: 500})

    assert [each.given_back for each in part.resources] == [2, 0]
    assert [each.given_back for each in most.resources] == [5]
    assert await used(usage) == 12


async def test_a_release_takes_no_counter_below_zero(
    redis: Redis, usage: UsageService
) -> None:
    """An operator reset the counter meanwhile: what is not there is not given back."""
    await usage.consume("acme", {CALLS: 5}, call_id="req-1")
    await redis.set(await counter_key(redis, LAYOUT), 2)

    done = await usage.release("acme", "req-1")

    assert (done.resources[0].given_back, await used(usage)) == (2, 0)


async def test_a_release_goes_to_the_period_in_which_the_call_was_counted(
    redis: Redis, usage: UsageService
) -> None:
    """Released in a later month, the unit comes off the earlier month's counter."""
    await usage.consume("acme", {CALLS: 5}, call_id="req-1")
    usage._periods.learn(datetime(2031, 2, 3, tzinfo=UTC))

    done = await usage.release("acme", "req-1")

    assert done.resources[0].period == calendar_month(await server_time(redis))
    assert await redis.get(await counter_key(redis, LAYOUT)) == b"0"


async def test_what_cannot_be_released_is_said(usage: UsageService) -> None:
    """An unknown id, a refused call, another resource, another way."""
    await usage.consume("acme", {CALLS: 1001}, call_id="refused")
    await usage.consume("acme", {CALLS: 5}, call_id="req-1")

    with pytest.raises(NotFound, match="nothing is known of call req-9"):
        await usage.release("acme", "req-9")
    with pytest.raises(NotFound, match="nothing is known"):
        await usage.release("globex", "req-1")
    with pytest.raises(NotFound, match="was refused"):
        await usage.release("acme", "refused")
    with pytest.raises(BadInput, match="took no images; it took: api_calls"):
        await usage.release("acme", "req-1", {IMAGES: 1})
    with pytest.raises(BadInput, match="is no amount"):
        await usage.release("acme", "req-1", {CALLS: -1})
    with pytest.raises(Refused, match="is no reservation"):
        await usage.confirm("acme", "req-1")
    await usage.release("acme", "req-1", {CALLS: 1})
    with pytest.raises(Refused, match="was released before, in another way"):
        await usage.release("acme", "req-1", {CALLS: 2})
    assert await used(usage) == 4


async def test_a_released_call_in_shadow_is_taken_off_what_was_counted_apart(
    redis: Redis, context: Context
) -> None:
    """Otherwise the shadow would say that less would be refused than would be."""
    rule = LimitRule(Enforcement.SHADOW)
    usage = UsageService(redis, with_rule(context, CALLS, rule, 10))
    await usage.consume("acme", {CALLS: 12}, call_id="req-1")

    await usage.release("acme", "req-1")

    assert (
        await redis.hget(
            LAYOUT.beyond("acme", CALLS, await this_month(redis)), "shadow_units"
        )
        == b"0"
    )
