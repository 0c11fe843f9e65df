"""Standings: what the scripts keep of use beyond a limit, as people are shown it."""

from collections.abc import Awaitable
from datetime import timedelta

import pytest
from tests.support.contexts import CALLS, DISK, with_kinds, with_rule

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Beyond, Decision, Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import PLAIN, Enforcement, LimitRule
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.standing import NOTHING_BEYOND, Standing
from meterdeck.core.model.usage import ResourceName, Tenant, TenantId
from meterdeck.core.services.standings import Standings
from meterdeck.core.services.usage import UsageService

ACME = Tenant(TenantId("acme"), "Acme")
LAYOUT = KeyLayout()
GRACE = LimitRule(Enforcement.HARD, 50, 2)
SHADOW = LimitRule(Enforcement.SHADOW)


def said(made: Decision) -> tuple[bool, Refusal | None, Beyond | None]:
    """Return what a call of one resource is told."""
    (one,) = made.resources
    return made.allowed, one.reason, one.beyond


async def outcome(call: Awaitable[Decision]) -> object:
    """Return what a call is told, or that it is refused altogether."""
    try:
        return said(await call)
    except Refused:
        return Refused


async def calls_of(redis: Redis, context: Context) -> Standing:
    """Return how acme stands with its calls."""
    found = await Standings(redis, context).of(ACME)
    return next(each for each in found if each.usage.resource == CALLS)


async def test_a_plain_limit_has_nothing_beyond_it(
    redis: Redis, context: Context, usage: UsageService
) -> None:
    """Used, its limit, and no more is asked for."""
    await usage.consume("acme", {CALLS: 7})
    found = await calls_of(redis, context)

    assert (found.usage.used, found.over, found.rule) == (7, 0, PLAIN)
    assert found.beyond == NOTHING_BEYOND
    assert found.grace_ends_at is None


async def test_a_grace_ends_so_long_after_the_limit_was_first_passed(
    redis: Redis, context: Context
) -> None:
    """By the server's clock, which the script wrote down."""
    ruled = with_rule(context, CALLS, GRACE, 10)
    await UsageService(redis, ruled).consume("acme", {CALLS: 12})
    found = await calls_of(redis, ruled)

    assert (found.over, found.rule) == (2, GRACE)
    ends, now = found.grace_ends_at, await server_time(redis)
    assert ends is not None
    assert timedelta(hours=1, minutes=59) < ends - now <= timedelta(hours=2)


async def test_shadow_tells_what_a_hard_limit_would_have_refused(
    redis: Redis, context: Context
) -> None:
    """Calls and units that were let pass."""
    ruled = with_rule(context, CALLS, SHADOW, 10)
    usage = UsageService(redis, ruled)
    for units in (9, 5, 6):
        await usage.consume("acme", {CALLS: units})
    found = await calls_of(redis, ruled)

    assert (found.beyond.shadow_calls, found.beyond.shadow_units) == (2, 11)
    assert found.over == 10


async def test_a_directory_entrys_own_rule_counts(
    redis: Redis, context: Context
) -> None:
    """A tenant whose plan is soft where others are not."""
    soft = LimitRule(Enforcement.SOFT)
    ruled = with_rule(context, CALLS, GRACE, 10)
    owner = Tenant(ACME.id, "Acme", rules={CALLS: soft})
    (found, *_) = await Standings(redis, ruled).of(owner)

    assert found.rule == soft


RULES = (
    PLAIN,
    LimitRule(Enforcement.SOFT),
    SHADOW,
    LimitRule(grace_percent=25),
    LimitRule(grace_hours=1),
    LimitRule(grace_percent=50, grace_hours=1),
    LimitRule(grace_hours=0),
)
SIZES = (4, 5, 3, 1, 12, 1, 16, 2, 21)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)
@pytest.mark.parametrize("name", [CALLS, DISK])
async def test_what_is_foreseen_of_a_call_is_what_it_is_told(
    redis: Redis, context: Context, rule: LimitRule, name: ResourceName
) -> None:
    """Under every rule, within the limit and past it, in a grace and after its end."""
    ruled = with_rule(with_kinds(context), name, rule, 10)
    usage, standings = UsageService(redis, ruled), Standings(redis, ruled)
    month = calendar_month(await server_time(redis)).label
    beyond = LAYOUT.beyond("acme", name, "now" if name == DISK else month)

    for ended in (False, True):
        if ended and await redis.exists(beyond):
            await redis.hset(beyond, "passed_at", "1")
        for units in SIZES:
            foreseen = await standings.foresee("acme", {name: units})
            made = await usage.consume("acme", {name: units})
            assert said(foreseen) == said(made)


@pytest.mark.parametrize("limit", [0, LARGEST])
async def test_what_blocks_and_what_counting_cannot_hold_is_foreseen(
    redis: Redis, context: Context, limit: int
) -> None:
    """A limit of 0 by an override; and 2^53, which no rule lets a counter pass."""
    ruled = with_rule(context, CALLS, PLAIN, 10)
    usage, standings = UsageService(redis, ruled), Standings(redis, ruled)
    await redis.hset(LAYOUT.override("acme", CALLS), "units", str(limit))
    plan = {"limit:api_calls": "10", "rule:api_calls": "soft"}
    for field, text in plan.items():
        await redis.hset(LAYOUT.tenant("acme"), field, text)

    for units in (1, LARGEST):
        foreseen = await outcome(standings.foresee("acme", {CALLS: units}))
        assert foreseen == await outcome(usage.consume("acme", {CALLS: units}))


async def test_reserved_units_are_told_apart(
    redis: Redis, context: Context, usage: UsageService
) -> None:
    """They are part of what is used."""
    await usage.consume("acme", {CALLS: 3})
    await usage.reserve("acme", {CALLS: 4}, ttl=timedelta(hours=1))
    found = await calls_of(redis, context)

    assert (found.usage.used, found.usage.reserved) == (7, 4)


async def test_what_makes_no_sense_is_taken_for_nothing(
    redis: Redis, context: Context
) -> None:
    """Another program's key in that place stops nobody from looking."""
    ruled = with_rule(context, CALLS, SHADOW, 10)
    label = calendar_month(await server_time(redis)).label
    key = context.redis.layout.beyond("acme", CALLS, label)
    await redis.set(key, "text")
    assert (await calls_of(redis, ruled)).beyond == NOTHING_BEYOND

    await redis.delete(key)
    await redis.hset(key, mapping={"shadow_calls": "many", "passed_at": "9" * 18})
    assert (await calls_of(redis, ruled)).beyond == NOTHING_BEYOND
