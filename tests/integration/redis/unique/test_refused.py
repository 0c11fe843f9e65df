"""Distinct members that cannot be counted: what is there stays as it is."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.integration.redis.unique.members import (
    counter_key,
    held,
    limit_to,
    members_key,
    named,
)
from tests.support.contexts import CALLS, DISK, USERS
from tests.support.restricted import restricted

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import (
    BadInput,
    BrokenCounter,
    NotFound,
    ReadOnly,
    RedisRefused,
    Refused,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


@pytest.mark.parametrize("which", ["counter", "members", "override", "trying"])
async def test_a_key_of_another_type_stops_members_from_counting(
    redis: Redis, usage: UsageService, which: str
) -> None:
    """Whatever it is, meterdeck does not overwrite it, and counts nothing."""
    label = calendar_month(await server_time(redis)).label
    key = {
        "counter": await counter_key(redis),
        "members": await members_key(redis),
        "override": LAYOUT.override("acme", USERS),
        "trying": LAYOUT.trying("acme", USERS, label),
    }[which]
    await redis.lpush(key, "x")

    with pytest.raises((BrokenCounter, Refused), match="holds a list"):
        await usage.count_unique("acme", USERS, ["ann"])

    assert set(await redis.keys("*")) == {key}


async def test_text_in_place_of_members_is_not_overwritten(
    redis: Redis, usage: UsageService
) -> None:
    """Only a HyperLogLog is one."""
    await redis.set(await members_key(redis), "ann,bob")

    with pytest.raises(Refused, match="holds text, not members"):
        await usage.count_unique("acme", USERS, ["ann"])

    assert await redis.get(await members_key(redis)) == b"ann,bob"
    assert await redis.exists(await counter_key(redis)) == 0


@pytest.mark.not_on("cluster")
@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("counted", [False, True])
async def test_an_index_of_another_type_keeps_members_from_counting(
    redis: Redis, usage: UsageService, *, limited: bool, counted: bool
) -> None:
    """Neither the counter nor the members have them, or are there at all."""
    if limited:
        await limit_to(redis, 3)
    if counted:
        await usage.count_unique("acme", USERS, ["ann"])
    before = await held(redis)
    await redis.delete(LAYOUT.changed())
    await redis.set(LAYOUT.changed(), "x")

    with pytest.raises(RedisRefused):
        await usage.count_unique("acme", USERS, ["bob"])

    assert await held(redis) == before


@pytest.mark.parametrize(
    "right", ["-pfadd", "-pfcount", "-incrby", "-pexpireat", "-set", "-unlink"]
)
async def test_a_missing_right_counts_nothing(
    redis: Redis, context: Context, right: str
) -> None:
    """Rights are checked before the first write."""
    async with restricted(redis, context.redis, right) as client:
        with pytest.raises(RedisRefused):
            await UsageService(client, context).count_unique("acme", USERS, ["ann"])

    assert await redis.keys("*") == []


async def test_what_makes_no_sense_is_refused_in_a_sentence(
    redis: Redis, usage: UsageService, context: Context
) -> None:
    """And writes nothing."""
    with pytest.raises(BadInput, match="one alone is a list of one"):
        await usage.count_unique("acme", USERS, "ann")
    for wrong in ([], named(range(1001))):
        with pytest.raises(BadInput, match="names 1 to 1,000 members"):
            await usage.count_unique("acme", USERS, wrong)
    for member in ("", "x" * 513):
        with pytest.raises(BadInput, match="a member has 1 to 512 bytes"):
            await usage.count_unique("acme", USERS, [member])
    with pytest.raises(BadInput, match="7 is no member"):
        await usage.count_unique("acme", USERS, [7])  # type: ignore[list-item]  # is it
    with pytest.raises(BadInput, match="api_calls is a counter: count it with consume"):
        await usage.count_unique("acme", CALLS, ["ann"])
    with pytest.raises(
        BadInput, match="set it with set_gauge, or move it with consume"
    ):
        await usage.count_unique("acme", DISK, ["ann"])
    with pytest.raises(NotFound):
        await usage.count_unique("acme", "usors", ["ann"])
    reading = UsageService(redis, replace(context, read_only=True))
    with pytest.raises(ReadOnly):
        await reading.count_unique("acme", USERS, ["ann"])

    assert await redis.keys("*") == []


async def test_members_are_neither_consumed_nor_reserved(
    redis: Redis, usage: UsageService
) -> None:
    """A number says nothing of who they were: the sentence names the right call."""
    right = "active_users counts distinct members: name them with count_unique"
    with pytest.raises(BadInput, match=right):
        await usage.consume("acme", {USERS: 1})
    with pytest.raises(BadInput, match=right):
        await usage.consume("acme", {CALLS: 1, USERS: 1})
    with pytest.raises(BadInput, match=right):
        await usage.reserve("acme", {USERS: 1}, ttl=timedelta(minutes=1))

    assert await redis.keys("*") == []
