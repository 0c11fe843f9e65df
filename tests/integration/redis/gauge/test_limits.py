"""Limits of a gauge: what readings pass and calls may not."""

from datetime import timedelta

from tests.integration.redis.gauge.level import level_key
from tests.support.contexts import CALLS, DISK, with_rule
from tests.support.desk import Desk
from tests.support.raw import expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Beyond, Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.usage import Limit, LimitSource
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
HOUR = timedelta(hours=1)


async def test_a_reading_beyond_the_limit_is_recorded_and_said_to_be_over(
    redis: Redis, usage: UsageService
) -> None:
    """It is a fact, so that nothing is refused, and no refusal is written down."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:disk_gb", "100")

    at, over = [await usage.set_gauge("acme", DISK, each) for each in (100, 101)]

    assert (at.over, at.remaining) == (False, 0)
    assert (over.over, over.current, over.remaining) == (True, 101, 0)
    assert over.limit == Limit(100, LimitSource.PLAN)
    assert await usage.refusals("acme") == ()


async def test_the_limit_is_the_overrides_the_plans_the_defaults_or_the_calls(
    redis: Redis, usage: UsageService, context: Context, desk: Desk
) -> None:
    """In this order; an override counts with the next reading."""
    default = UsageService(redis, with_rule(context, DISK, LimitRule(), 30))
    given = {str(DISK): 40}

    argument = await usage.set_gauge("acme", DISK, 1, limits=given)
    by_default = await default.set_gauge("acme", DISK, 1, limits=given)
    await redis.hset(LAYOUT.tenant("acme"), "limit:disk_gb", "20")
    by_plan = await default.set_gauge("acme", DISK, 1)
    await desk.limit(10)
    override = await default.set_gauge("acme", DISK, 1)

    made = [each.limit for each in (argument, by_default, by_plan, override)]
    assert made == [
        Limit(40, LimitSource.ARGUMENT),
        Limit(30, LimitSource.DEFAULT),
        Limit(20, LimitSource.PLAN),
        Limit(10, LimitSource.OVERRIDE),
    ]


async def test_calls_move_the_level_within_the_limit(
    redis: Redis, usage: UsageService
) -> None:
    """Part of an all-or-nothing call: refused at the limit, given back by release."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:disk_gb", "100")
    await usage.set_gauge("acme", DISK, 60)

    taken = await usage.consume("acme", {DISK: 30, CALLS: 1}, call_id="c-1")
    refused = await usage.consume("acme", {DISK: 20, CALLS: 1})
    back = await usage.release("acme", "c-1")

    assert taken.allowed
    assert taken.resources[0].period.endless
    assert not refused.allowed
    assert [each.reason for each in refused.resources] == [Refusal.OVER_LIMIT, None]
    assert {each.resource: each.current for each in back.resources} == {
        DISK: 60,
        CALLS: 0,
    }
    assert await redis.get(level_key()) == b"60"
    assert await expiry_ms(redis, level_key()) == -1
    (record,) = await usage.refusals("acme")
    assert (record.before, record.cost, record.period.endless) == (90, 20, True)


async def test_a_call_alone_makes_a_level_without_an_expiry(
    redis: Redis, usage: UsageService
) -> None:
    """Also in a reservation, and what is kept beside it."""
    await usage.consume("acme", {DISK: 5})
    await usage.reserve("acme", {DISK: 7}, ttl=HOUR, call_id="r-1")

    assert await redis.get(level_key()) == b"12"
    assert await expiry_ms(redis, level_key()) == -1
    assert await expiry_ms(redis, LAYOUT.reserved("acme", DISK, "now")) == -1


async def test_a_reading_sets_the_level_and_later_calls_move_it(
    usage: UsageService,
) -> None:
    """What calls took before it is in the reading, or is forgotten."""
    await usage.consume("acme", {DISK: 900})

    await usage.set_gauge("acme", DISK, 100)
    made = await usage.consume("acme", {DISK: 5})

    assert made.resources[0].current == 105


async def test_grace_begins_when_the_level_passes_and_ends_when_it_is_back(
    redis: Redis, context: Context
) -> None:
    """Hours are counted anew each time; there is no period in which they would be."""
    rule = LimitRule(grace_hours=1)
    usage = UsageService(redis, with_rule(context, DISK, rule, 100))
    beyond = LAYOUT.beyond("acme", DISK, "now")
    now = int((await server_time(redis)).timestamp() * 1000)

    await usage.set_gauge("acme", DISK, 150)
    began = int(await redis.hget(beyond, "passed_at") or 0)
    within_hour = await usage.consume("acme", {DISK: 1})
    await redis.hset(beyond, "passed_at", now - 3_600_001)
    after_it = await usage.consume("acme", {DISK: 1})
    await usage.set_gauge("acme", DISK, 100)

    assert began >= now
    assert within_hour.resources[0].beyond is Beyond.OVER
    assert after_it.resources[0].reason is Refusal.OVER_LIMIT
    assert await redis.hget(beyond, "passed_at") is None
    assert await expiry_ms(redis, beyond) in {-1, -2}


async def test_a_call_that_passes_the_limit_anew_has_grace_anew(
    redis: Redis, context: Context
) -> None:
    """Though the time of the last passing is still kept: a release went back within."""
    rule = LimitRule(grace_hours=1)
    usage = UsageService(redis, with_rule(context, DISK, rule, 100))
    beyond = LAYOUT.beyond("acme", DISK, "now")
    await usage.consume("acme", {DISK: 120}, call_id="c-1")
    await redis.hset(beyond, "passed_at", 1)
    await usage.release("acme", "c-1")

    made = await usage.consume("acme", {DISK: 120})

    assert made.resources[0].beyond is Beyond.OVER
    assert int(await redis.hget(beyond, "passed_at") or 0) > 1
    assert await expiry_ms(redis, beyond) == -1


async def test_what_was_taken_in_the_shadow_of_a_limit_ends_with_a_reading(
    redis: Redis, context: Context
) -> None:
    """A hard limit would have had the level as it was read, and no less."""
    rule = LimitRule(Enforcement.SHADOW)
    usage = UsageService(redis, with_rule(context, DISK, rule, 100))
    await usage.consume("acme", {DISK: 150})

    await usage.set_gauge("acme", DISK, 90)
    made = [await usage.consume("acme", {DISK: each}) for each in (10, 1)]

    assert [each.resources[0].beyond for each in made] == [None, Beyond.SHADOW]


async def test_an_override_of_a_level_counts_at_once_for_calls(
    usage: UsageService, desk: Desk
) -> None:
    """With the next call, in whatever process."""
    await usage.set_gauge("acme", DISK, 100)
    await desk.limit(100)

    refused = await usage.consume("acme", {DISK: 1})
    await desk.limit(101)
    allowed = await usage.consume("acme", {DISK: 1})

    assert (refused.allowed, allowed.allowed) == (False, True)
    assert allowed.resources[0].limit == Limit(101, LimitSource.OVERRIDE)
