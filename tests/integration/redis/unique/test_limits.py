"""Limits of distinct members: all of a call, or none."""

import itertools

import pytest
from tests.integration.redis.unique.members import (
    counter_key,
    current,
    held,
    limit_to,
    members_key,
    named,
)
from tests.support.contexts import USERS, with_rule
from tests.support.desk import Desk
from tests.support.raw import expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.changes import AdjustKind
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Beyond, Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import Limit, LimitSource
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_a_call_that_would_pass_the_limit_leaves_every_byte_as_it_was(
    redis: Redis, usage: UsageService
) -> None:
    """All of its members or none, also those that would have had room."""
    await limit_to(redis, 10)
    await usage.count_unique("acme", USERS, named(range(8)))
    before = await held(redis)

    refused = await usage.count_unique("acme", USERS, named(range(6, 11)))
    after = await held(redis)
    allowed = await usage.count_unique("acme", USERS, named(range(8, 10)))

    assert not refused.allowed
    assert refused.resources[0].reason is Refusal.OVER_LIMIT
    assert (current(refused), refused.resources[0].remaining) == (8, 2)
    assert after == before
    assert (allowed.allowed, current(allowed)) == (True, 10)
    assert await redis.exists(LAYOUT.trying("acme", USERS, "x")) == 0


async def test_a_first_call_that_is_refused_leaves_no_members(
    redis: Redis, usage: UsageService
) -> None:
    """Not an empty HyperLogLog, and no counter."""
    await limit_to(redis, 2)

    made = await usage.count_unique("acme", USERS, named(range(3)))

    assert made.resources[0].reason is Refusal.LARGER_THAN_LIMIT
    assert set((await held(redis)).values()) == {b""}


async def test_a_member_that_raises_the_estimate_past_a_limit_that_seemed_far(
    redis: Redis, usage: UsageService
) -> None:
    """One member may raise a large estimate by several: then all bytes are put back."""
    for start in range(0, 50_000, 1000):
        made = await usage.count_unique(
            "acme", USERS, named(range(start, start + 1000))
        )
    expires = await expiry_ms(redis, await members_key(redis))

    for number in itertools.count(50_000):
        await limit_to(redis, current(made) + 3)
        before = await held(redis)
        made = await usage.count_unique("acme", USERS, named([number]))
        if not made.allowed:
            break

    assert made.resources[0].reason is Refusal.OVER_LIMIT
    (record,) = await usage.refusals("acme")
    assert record.cost > 3
    assert await held(redis) == before
    assert await expiry_ms(redis, await members_key(redis)) == expires


async def test_members_that_are_known_are_allowed_at_the_limit_and_beyond(
    redis: Redis, usage: UsageService, desk: Desk
) -> None:
    """Alone or together; a new one among them is not."""
    await limit_to(redis, 3)
    await usage.count_unique("acme", USERS, named(range(3)))

    at_it = await usage.count_unique("acme", USERS, named(range(3)))
    await desk.limit(1)
    beyond = await usage.count_unique("acme", USERS, named([2]))
    mixed = await usage.count_unique("acme", USERS, named([2, 3]))
    await desk.limit(0)
    blocked = await usage.count_unique("acme", USERS, named([2]))

    assert (at_it.allowed, beyond.allowed, mixed.allowed) == (True, True, False)
    assert beyond.resources[0].limit == Limit(1, LimitSource.OVERRIDE)
    assert blocked.resources[0].reason is Refusal.BLOCKED
    assert await redis.get(await counter_key(redis)) == b"3"


async def test_a_refusal_is_written_down_with_what_it_was_decided_on(
    redis: Redis, usage: UsageService
) -> None:
    """Cost is what the members would have raised the count by."""
    await limit_to(redis, 3)
    await usage.count_unique("acme", USERS, named(range(2)))

    await usage.count_unique("acme", USERS, named(range(4)), call_id="u-1")
    await usage.count_unique("acme", USERS, named(range(4)), call_id="u-1")

    (record,) = await usage.refusals("acme")
    assert (record.before, record.cost, record.limit) == (2, 2, 3)
    assert (record.reason, record.source) == (Refusal.OVER_LIMIT, LimitSource.PLAN)
    assert (record.resource, record.call_id) == (USERS, "u-1")


@pytest.mark.parametrize(
    ("rule", "beyond"),
    [
        (LimitRule(Enforcement.SOFT), Beyond.OVER),
        (LimitRule(grace_percent=50), Beyond.OVER),
        (LimitRule(grace_hours=1), Beyond.OVER),
        (LimitRule(Enforcement.SHADOW), Beyond.SHADOW),
    ],
)
async def test_every_rule_allows_beyond_the_limit_what_it_allows_of_calls(
    redis: Redis, context: Context, rule: LimitRule, beyond: Beyond
) -> None:
    """Soft, grace and shadow are the same as for consume."""
    usage = UsageService(redis, with_rule(context, USERS, rule, 4))
    await usage.count_unique("acme", USERS, named(range(4)))

    made = await usage.count_unique("acme", USERS, named(range(6)))
    more = await usage.count_unique("acme", USERS, named(range(7)))

    assert (made.allowed, current(made)) == (True, 6)
    assert made.resources[0].beyond is beyond
    assert more.allowed is (rule.grace_percent is None)
    await redis.hset(LAYOUT.override("acme", USERS), "units", "0")
    blocked = await usage.count_unique("acme", USERS, named(range(9)))
    assert blocked.allowed is (beyond is Beyond.SHADOW)


async def test_grace_that_ended_refuses(redis: Redis, context: Context) -> None:
    """Hours from the first member beyond the limit in the period."""
    usage = UsageService(
        redis, with_rule(context, USERS, LimitRule(grace_hours=1), limit=2)
    )
    label = calendar_month(await server_time(redis)).label
    beyond = LAYOUT.beyond("acme", USERS, label)
    await usage.count_unique("acme", USERS, named(range(3)))
    await redis.hincrby(beyond, "passed_at", -3_600_000)

    made = await usage.count_unique("acme", USERS, named(range(4)))

    assert made.resources[0].reason is Refusal.OVER_LIMIT
    assert await expiry_ms(redis, beyond) > 0


async def test_members_in_the_shadow_of_a_limit_are_counted_apart(
    redis: Redis, context: Context
) -> None:
    """As calls are: what a hard limit would have refused."""
    rule = LimitRule(Enforcement.SHADOW)
    usage = UsageService(redis, with_rule(context, USERS, rule, 2))
    label = calendar_month(await server_time(redis)).label

    await usage.count_unique("acme", USERS, named(range(5)))

    beyond = await redis.hgetall(LAYOUT.beyond("acme", USERS, label))
    assert beyond == {b"shadow_calls": b"1", b"shadow_units": b"5"}


async def test_an_override_counts_with_the_next_call(
    redis: Redis, usage: UsageService, desk: Desk
) -> None:
    """In whatever process; and its end does, too."""
    await limit_to(redis, 1)
    await usage.count_unique("acme", USERS, ["ann"])
    refused = await usage.count_unique("acme", USERS, ["bob"])

    await desk.limit(2)
    allowed = await usage.count_unique("acme", USERS, ["bob"])
    await desk.unlimit()
    again = await usage.count_unique("acme", USERS, ["cem"])

    assert [each.allowed for each in (refused, allowed, again)] == [False, True, False]
    assert allowed.resources[0].limit == Limit(2, LimitSource.OVERRIDE)


async def test_the_limit_given_with_a_call_is_the_weakest(
    redis: Redis, usage: UsageService
) -> None:
    """It counts where nothing else says anything."""
    given = {str(USERS): 1}

    refused = await usage.count_unique("acme", USERS, named(range(2)), limits=given)
    await limit_to(redis, 5)
    allowed = await usage.count_unique("acme", USERS, named(range(2)), limits=given)

    assert refused.resources[0].limit == Limit(1, LimitSource.ARGUMENT)
    assert (allowed.allowed, refused.allowed) == (True, False)


async def test_an_adjustment_survives_later_members_and_can_be_undone(
    redis: Redis, usage: UsageService, desk: Desk
) -> None:
    """The counter is raised by differences; the members know nothing of operators."""
    await usage.count_unique("acme", USERS, named(range(10)))

    entry = await desk.adjust(AdjustKind.SUBTRACT, 4)
    await usage.count_unique("acme", USERS, named(range(12)))
    adjusted = await desk.used()
    await desk.undo(entry)

    assert adjusted == 8
    assert await redis.get(await counter_key(redis)) == b"12"
    assert await desk.entries() == 2
