"""What happens at a limit: hard, grace, soft, shadow, unlimited, blocked."""

from datetime import UTC, datetime

import pytest
from tests.support.contexts import CALLS, IMAGES, SEATS, with_rule
from tests.support.frozen_clock import FrozenClock
from tests.support.raw import expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import BadInput, BrokenCounter, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Beyond, Decision, Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import Limit, LimitSource
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
SOFT = LimitRule(Enforcement.SOFT)
SHADOW = LimitRule(Enforcement.SHADOW)
HOUR_MS = 3_600_000


def verdict(made: Decision) -> Refusal | Beyond | None:
    """Return what was said of a call's first resource."""
    first = made.resources[0]
    return first.reason or first.beyond


async def beyond_key(redis: Redis) -> bytes:
    """Name what is kept of acme's calls beyond the limit this month."""
    label = calendar_month(await server_time(redis)).label
    return LAYOUT.beyond("acme", CALLS, label)


def ruled(redis: Redis, context: Context, rule: LimitRule) -> UsageService:
    """Return a service under which 10 calls are allowed."""
    return UsageService(redis, with_rule(context, CALLS, rule, 10))


async def test_a_refusal_says_why(redis: Redis, usage: UsageService) -> None:
    """Too little left, larger than the limit, and blocked are told apart."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:images", "0")
    await usage.consume("acme", {CALLS: 999})

    assert verdict(await usage.consume("acme", {CALLS: 2})) is Refusal.OVER_LIMIT
    larger = await usage.consume("acme", {CALLS: 1001})
    assert verdict(larger) is Refusal.LARGER_THAN_LIMIT
    assert verdict(await usage.consume("acme", {IMAGES: 1})) is Refusal.BLOCKED
    assert verdict(await usage.consume("acme", {CALLS: 1})) is None


async def test_a_soft_limit_counts_beyond_and_says_so(
    redis: Redis, context: Context
) -> None:
    """Soft: allowed, counted like the rest, and nothing is left."""
    usage = ruled(redis, context, SOFT)

    made = [await usage.consume("acme", {CALLS: 6}) for _ in range(2)]

    assert [verdict(each) for each in made] == [None, Beyond.OVER]
    last = made[1].resources[0]
    assert (made[1].allowed, last.current, last.remaining) == (True, 12, 0)
    assert not last.refused


async def test_a_limit_of_zero_blocks_under_every_rule_but_shadow(
    redis: Redis, context: Context
) -> None:
    """An override of 0 stops a tenant whatever grace its plan has."""
    await redis.hset(LAYOUT.override("acme", CALLS), "units", "0")

    for rule in (LimitRule(), SOFT, LimitRule(grace_percent=50), SHADOW):
        made = await ruled(redis, context, rule).consume("acme", {CALLS: 1})
        blocks = rule is not SHADOW
        assert made.allowed is not blocks
        assert verdict(made) is (Refusal.BLOCKED if blocks else Beyond.SHADOW)


async def test_grace_in_percent_is_a_second_limit(
    redis: Redis, context: Context
) -> None:
    """10 calls and 25 % are 12, rounded down; the 13th is refused."""
    usage = ruled(redis, context, LimitRule(grace_percent=25))

    made = [await usage.consume("acme", {CALLS: 1}) for _ in range(13)]

    said = [verdict(each) for each in made]
    assert said == [None] * 10 + [Beyond.OVER] * 2 + [Refusal.OVER_LIMIT]
    assert made[-1].resources[0].current == 12
    larger = await usage.consume("acme", {CALLS: 13})
    assert verdict(larger) is Refusal.LARGER_THAN_LIMIT


async def test_grace_in_percent_is_exact_for_the_largest_limits(
    redis: Redis, context: Context
) -> None:
    """Limit times percent would not fit into a number of Lua's."""
    limit = 8_000_000_000_000_099
    rule = LimitRule(grace_percent=7)
    usage = UsageService(redis, with_rule(context, CALLS, rule, limit))
    most = limit + limit * 7 // 100

    assert (await usage.consume("acme", {CALLS: most})).allowed
    assert not (await usage.consume("acme", {CALLS: 1})).allowed


async def test_grace_in_hours_begins_when_the_limit_is_first_passed(
    redis: Redis, context: Context
) -> None:
    """The first call beyond is remembered; an hour later calls beyond are refused."""
    usage = ruled(redis, context, LimitRule(grace_hours=1))
    await usage.consume("acme", {CALLS: 10})
    key = await beyond_key(redis)
    assert not await redis.exists(key)

    assert verdict(await usage.consume("acme", {CALLS: 5})) is Beyond.OVER
    passed = int(await redis.hget(key, "passed_at") or 0)
    now = await server_time(redis)
    assert 0 <= now.timestamp() * 1000 - passed < HOUR_MS
    await usage.consume("acme", {CALLS: 1})
    assert int(await redis.hget(key, "passed_at") or 0) == passed

    await redis.hset(key, "passed_at", str(passed - HOUR_MS))
    assert verdict(await usage.consume("acme", {CALLS: 1})) is Refusal.OVER_LIMIT


async def test_with_both_graces_both_must_hold(redis: Redis, context: Context) -> None:
    """Within the hours the percents end it."""
    usage = ruled(redis, context, LimitRule(grace_percent=10, grace_hours=1))
    await usage.consume("acme", {CALLS: 10})

    made = [await usage.consume("acme", {CALLS: 1}) for _ in range(2)]

    assert [verdict(each) for each in made] == [Beyond.OVER, Refusal.OVER_LIMIT]


async def test_shadow_counts_apart_exactly_what_a_hard_limit_would_refuse(
    redis: Redis, context: Context
) -> None:
    """The same calls, under a hard limit and in shadow: the latter's record has what
    the former refused, and the counters differ by just that."""
    sizes = [4, 5, 3, 1, 12, 1]
    shadow, hard = (ruled(redis, context, rule) for rule in (SHADOW, LimitRule()))

    said = [verdict(await shadow.consume("acme", {CALLS: size})) for size in sizes]
    refused = [not (await hard.consume("hard", {CALLS: n})).allowed for n in sizes]

    assert [each is Beyond.SHADOW for each in said] == refused
    lost = [size for size, gone in zip(sizes, refused, strict=True) if gone]
    kept = await redis.hgetall(await beyond_key(redis))
    assert kept == {
        b"shadow_calls": str(len(lost)).encode(),
        b"shadow_units": str(sum(lost)).encode(),
    }
    assert (await shadow.peek("acme"))[0].used == sum(sizes)
    assert (await hard.peek("hard"))[0].used == sum(sizes) - sum(lost)


async def test_what_is_kept_beyond_a_limit_expires_with_the_counter(
    redis: Redis, context: Context
) -> None:
    """No record outlives its counter."""
    usage = ruled(redis, context, SHADOW)
    made = await usage.consume("acme", {CALLS: 11})

    counter = LAYOUT.counter("acme", CALLS, made.resources[0].period.label)
    expires = await expiry_ms(redis, counter)
    assert expires > 0
    assert await expiry_ms(redis, await beyond_key(redis)) == expires


async def test_a_plan_has_its_own_rule_in_the_directory(
    redis: Redis, context: Context
) -> None:
    """The entry's rule is that of its limit; without one, the resource's holds."""
    usage = ruled(redis, context, SOFT)
    await redis.hset(
        LAYOUT.tenant("acme"),
        mapping={"limit:api_calls": "5", "rule:api_calls": "hard"},
    )
    await redis.hset(LAYOUT.tenant("globex"), "limit:api_calls", "5")

    assert verdict(await usage.consume("acme", {CALLS: 6})) is Refusal.LARGER_THAN_LIMIT
    assert verdict(await usage.consume("globex", {CALLS: 6})) is Beyond.OVER


async def test_an_override_changes_the_limit_and_not_the_rule(
    redis: Redis, context: Context
) -> None:
    """A soft plan stays soft at the limit an operator gave."""
    usage = ruled(redis, context, SOFT)
    await redis.hset(LAYOUT.override("acme", CALLS), "units", "3")

    made = await usage.consume("acme", {CALLS: 4})

    assert verdict(made) is Beyond.OVER
    assert made.resources[0].limit == Limit(3, LimitSource.OVERRIDE)


@pytest.mark.parametrize(
    "text", ["firm", "hard - -", "hard 5", "hard -1 -", "", "soft "]
)
async def test_a_rule_that_makes_no_sense_refuses_instead_of_letting_through(
    redis: Redis, context: Context, text: str
) -> None:
    """Nothing is guessed from a broken directory entry."""
    usage = ruled(redis, context, SOFT)
    await redis.hset(
        LAYOUT.tenant("acme"), mapping={"limit:api_calls": "5", "rule:api_calls": text}
    )

    with pytest.raises(BrokenCounter):
        await usage.consume("acme", {CALLS: 1})
    assert (await usage.peek("acme"))[0].used == 0


async def test_a_record_of_another_type_is_left_alone(
    redis: Redis, context: Context
) -> None:
    """What is no record of use beyond a limit is named, and nothing is counted."""
    usage = ruled(redis, context, SHADOW)
    await redis.set(await beyond_key(redis), "x")

    with pytest.raises(Refused, match="holds text, not use beyond a limit"):
        await usage.consume("acme", {CALLS: 1})


async def test_a_call_refused_for_another_resource_is_not_counted_in_shadow(
    redis: Redis, context: Context
) -> None:
    """All or nothing holds for what is counted apart, too."""
    usage = ruled(redis, context, SHADOW)

    made = await usage.consume("acme", {CALLS: 11, IMAGES: 11})

    assert not made.allowed
    assert not await redis.exists(await beyond_key(redis))


async def test_a_limit_given_with_the_call_is_the_weakest_rule(
    redis: Redis, usage: UsageService
) -> None:
    """It holds where neither override, plan nor default say anything."""
    limits: dict[str, int] = {SEATS: 3, CALLS: 1}

    made = await usage.consume("acme", {SEATS: 3, CALLS: 2}, limits=limits)
    refused = await usage.consume("acme", {SEATS: 1}, limits={SEATS: 3})

    seats, calls = made.resources
    assert made.allowed
    assert (seats.limit, seats.remaining) == (Limit(3, LimitSource.ARGUMENT), 0)
    assert calls.limit == Limit(1000, LimitSource.DEFAULT)
    assert verdict(refused) is Refusal.OVER_LIMIT
    await redis.hset(LAYOUT.tenant("acme"), "limit:seats", "9")
    planned = await usage.consume("acme", {SEATS: 1}, limits={SEATS: 3})
    assert planned.resources[0].limit == Limit(9, LimitSource.PLAN)


@pytest.mark.parametrize("limits", [{CALLS: -1}, {CALLS: LARGEST + 1}, {IMAGES: 1}])
async def test_a_limit_that_cannot_be_meant_is_refused(
    usage: UsageService, limits: dict[str, int]
) -> None:
    """Negative, too large, or for a resource the call does not name."""
    with pytest.raises(BadInput, match="is no limit of this call"):
        await usage.consume("acme", {CALLS: 1}, limits=limits)


async def test_a_replayed_answer_says_what_the_first_said(
    redis: Redis, context: Context
) -> None:
    """Over, shadow and the reason of a refusal are kept with the call's id."""
    usage = ruled(redis, context, LimitRule(grace_percent=10))

    for call_id, size in (("a", 11), ("b", 1), ("c", 12)):
        first = await usage.consume("acme", {CALLS: size}, call_id=call_id)
        again = await usage.consume("acme", {CALLS: size}, call_id=call_id)
        assert again == first._replace(replayed=True)
        assert verdict(first) is not None


async def test_a_rule_without_its_limit_is_not_looked_at(
    redis: Redis, context: Context
) -> None:
    """The directory's rule belongs to the directory's limit: without one the default
    limit and its own rule decide."""
    grace = LimitRule(grace_percent=10)
    usage = UsageService(redis, with_rule(context, CALLS, grace, 10))
    await redis.hset(LAYOUT.tenant("acme"), f"rule:{CALLS}", "soft")
    await usage.consume("acme", {CALLS: 11})

    assert not (await usage.consume("acme", {CALLS: 1})).allowed


@pytest.mark.not_on("cluster", "sentinel")
async def test_a_grace_of_an_hour_is_over_when_the_hour_is(
    frozen_clock: FrozenClock, redis: Redis, context: Context
) -> None:
    """Its last millisecond is in it, the next is not."""
    await frozen_clock.set(redis, datetime(2080, 3, 14, 12, tzinfo=UTC))
    rule = LimitRule(grace_hours=1)
    usage = UsageService(redis, with_rule(context, CALLS, rule, 10))
    await usage.consume("acme", {CALLS: 11})

    await frozen_clock.move(redis, 3_600_000 - 1)
    assert (await usage.consume("acme", {CALLS: 1})).allowed
    await frozen_clock.move(redis, 1)
    assert not (await usage.consume("acme", {CALLS: 1})).allowed
