"""Gauges: a level that readings set and calls move, and that does not reset."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from tests.support.contexts import CALLS, DISK, USERS, with_kinds, with_rule
from tests.support.desk import Desk
from tests.support.proxy import Proxy
from tests.support.raw import expiry_ms
from tests.support.restricted import restricted

from meterdeck.core.adapters.redis_client import (
    Redis,
    from_milliseconds,
    open_redis,
    server_time,
)
from meterdeck.core.errors import (
    BadInput,
    BrokenCounter,
    NotFound,
    ReadOnly,
    RedisRefused,
    Refused,
    UnknownOutcome,
)
from meterdeck.core.model.changes import AdjustKind
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.decisions import Beyond, Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.periods import ENDLESS
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import Limit, LimitSource, Usage
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
HOUR = timedelta(hours=1)


@pytest.fixture
def context(context: Context) -> Context:
    """The same with a gauge."""
    return with_kinds(context)


@pytest.fixture
def desk(changes: OperatorChanges, usage: UsageService) -> Desk:
    """An operator at work on acme's disk."""
    return Desk(changes, usage, resource=DISK)


def level_key() -> bytes:
    """Name acme's level."""
    return LAYOUT.counter("acme", DISK, "now")


async def keys(redis: Redis) -> set[bytes]:
    """Return every key there is."""
    return set(cast("list[bytes]", await redis.keys("*")))


async def row(usage: UsageService) -> Usage:
    """Return what is read of acme's disk."""
    return next(each for each in await usage.usage("acme") if each.resource == DISK)


async def test_a_reading_sets_the_level_and_says_what_it_was(
    redis: Redis, usage: UsageService
) -> None:
    """The last value, not a sum; in a key without a period and without an expiry."""
    first = await usage.set_gauge("acme", DISK, 5000)
    second = await usage.set_gauge("acme", DISK, 1200)

    assert (first.before, first.current) == (0, 5000)
    assert (second.before, second.current) == (5000, 1200)
    assert not second.over
    assert not second.stale
    assert await redis.get(level_key()) == b"1200"
    assert await expiry_ms(redis, level_key()) == -1
    assert await expiry_ms(redis, LAYOUT.measured("acme", DISK)) == -1


async def test_a_level_is_read_with_a_period_that_never_ends(
    usage: UsageService,
) -> None:
    """What is used of how much; it holds every moment and does not reset."""
    await usage.set_gauge("acme", DISK, 700)

    found = await row(usage)

    assert (found.used, found.period) == (700, ENDLESS)
    assert found.period.endless
    assert datetime(2040, 1, 1, tzinfo=UTC) in found.period


@pytest.mark.parametrize("grain", [HOUR, timedelta(milliseconds=1)])
async def test_an_older_reading_never_replaces_a_newer_one(
    redis: Redis, usage: UsageService, grain: timedelta
) -> None:
    """Readings arrive in any order: the answer says that one came too late."""
    at = from_milliseconds(1_790_000_000_000)
    await usage.set_gauge("acme", DISK, 50, measured_at=at)

    late = await usage.set_gauge("acme", DISK, 9, measured_at=at - grain)
    same = await usage.set_gauge("acme", DISK, 60, measured_at=at)

    assert (late.stale, late.before, late.current) == (True, 50, 50)
    assert late.measured_at == at
    assert (same.stale, same.current) == (False, 60)
    assert await redis.get(level_key()) == b"60"


async def test_a_reading_from_the_future_keeps_no_other_out(
    redis: Redis, usage: UsageService
) -> None:
    """A client whose clock is a year ahead is taken to have measured now."""
    now = await server_time(redis)
    ahead = now + timedelta(days=365)

    first = await usage.set_gauge("acme", DISK, 1, measured_at=ahead)
    second = await usage.set_gauge("acme", DISK, 2)

    assert now <= first.measured_at < ahead
    assert (second.stale, second.current) == (False, 2)


async def test_a_server_clock_that_was_set_back_keeps_no_reading_out(
    redis: Redis, usage: UsageService
) -> None:
    """A newest reading that lies in the future is taken for one of now."""
    ahead = int((await server_time(redis) + HOUR).timestamp() * 1000)
    await redis.set(LAYOUT.measured("acme", DISK), ahead)

    assert not (await usage.set_gauge("acme", DISK, 3)).stale


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


async def test_reserved_units_stay_on_top_of_a_reading(
    redis: Redis, usage: UsageService
) -> None:
    """They were not used yet; released, the level is the reading."""
    await usage.reserve("acme", {DISK: 40}, ttl=HOUR, call_id="r-1")

    read = await usage.set_gauge("acme", DISK, 500)
    found = await row(usage)
    back = await usage.release("acme", "r-1")

    assert read.current == 540
    assert (found.used, found.reserved) == (540, 40)
    assert back.resources[0].current == 500
    assert await redis.get(level_key()) == b"500"


async def test_expired_reservations_are_not_on_top_of_a_reading(
    redis: Redis, usage: UsageService
) -> None:
    """The reading ends them: nobody gives their units back a second time."""
    reserved = LAYOUT.reserved("acme", DISK, "now")
    await usage.reserve("acme", {DISK: 40}, ttl=HOUR, call_id="r-1")
    await redis.zadd(reserved, {"r-1:40": 1})

    read = await usage.set_gauge("acme", DISK, 500)
    await usage.give_back_expired()

    assert (read.before, read.current) == (0, 500)
    assert await redis.get(level_key()) == b"500"
    assert await redis.exists(reserved) == 0


async def test_a_repeated_call_id_gets_the_first_answer(
    redis: Redis, usage: UsageService
) -> None:
    """And sets nothing, though another reading came in between."""
    first = await usage.set_gauge("acme", DISK, 10, call_id="g-1")
    await usage.set_gauge("acme", DISK, 20)

    again = await usage.set_gauge("acme", DISK, 10, call_id="g-1")

    assert again == replace(first, replayed=True)
    assert await redis.get(level_key()) == b"20"
    with pytest.raises(Refused, match="used for another change before"):
        await usage.set_gauge("acme", DISK, 11, call_id="g-1")
    with pytest.raises(Refused, match="used for another change before"):
        await usage.consume("acme", {DISK: 10}, call_id="g-1")
    with pytest.raises(Refused, match="g-1 read a level; there is nothing to release"):
        await usage.release("acme", "g-1")


async def test_a_lost_answer_is_asked_for_again_where_there_is_an_id(
    redis: Redis, redis_server: Valkey, context: Context
) -> None:
    """The reading is recorded once; without an id it is unknown."""
    async with Proxy(redis_server.url) as proxy:
        far = open_redis(RedisOptions(url=proxy.url, timeout_s=10.0), connections=1)
        usage = UsageService(far, context)
        await usage.set_gauge("acme", DISK, 1)
        proxy.lose_next_answer()
        answered = await usage.set_gauge("acme", DISK, 2, call_id="g-1")
        proxy.lose_next_answer()
        with pytest.raises(UnknownOutcome, match="the reading was sent"):
            await usage.set_gauge("acme", DISK, 3)
        await far.aclose()

    assert (answered.replayed, answered.before, answered.current) == (True, 1, 2)
    assert await redis.get(level_key()) == b"3"


async def test_a_reading_moves_the_tenant_in_the_index_where_the_level_changes(
    redis: Redis, usage: UsageService
) -> None:
    """The console sees a new level within a second; the same level is no news."""
    numbers = []
    for value in (5, 5, 6):
        await usage.set_gauge("acme", DISK, value)
        numbers.append(await redis.zscore(LAYOUT.changed(), "acme"))

    assert numbers == [1, 1, 2]


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


async def test_an_operator_adjusts_a_level_and_takes_it_back(
    redis: Redis, usage: UsageService, desk: Desk
) -> None:
    """In the period `now`, which is never over; nothing of it expires."""
    await usage.set_gauge("acme", DISK, 100)

    entry = await desk.adjust(AdjustKind.ADD, 50)
    adjusted = await desk.used()
    done = await desk.undo(entry)

    assert adjusted == 150
    assert (done.before, done.after) == ("150", "100")
    assert (await desk.newest()).period == "now"
    assert await expiry_ms(redis, level_key()) == -1
    assert await expiry_ms(redis, LAYOUT.billing("acme", DISK, "now")) == -1
    assert await desk.entries() == 2


@pytest.mark.parametrize("which", ["counter", "measured", "reserved", "override"])
async def test_a_key_of_another_type_refuses_a_reading_and_is_left(
    redis: Redis, usage: UsageService, which: str
) -> None:
    """Whatever it is, meterdeck does not overwrite it, and records nothing."""
    key = {
        "counter": level_key(),
        "measured": LAYOUT.measured("acme", DISK),
        "reserved": LAYOUT.reserved("acme", DISK, "now"),
        "override": LAYOUT.override("acme", DISK),
    }[which]
    await redis.lpush(key, "x")

    with pytest.raises((BrokenCounter, Refused), match="holds a list"):
        await usage.set_gauge("acme", DISK, 5)

    assert await keys(redis) == {key}


async def test_a_level_that_is_no_number_is_not_overwritten(
    redis: Redis, usage: UsageService
) -> None:
    """Nor one beyond what is exact, nor a time that is none."""
    for key, value in ((level_key(), "1.5"), (LAYOUT.measured("acme", DISK), "soon")):
        await redis.set(key, value)
        with pytest.raises(Refused):
            await usage.set_gauge("acme", DISK, 5)
        assert await redis.get(key) == value.encode()
        await redis.delete(key)

    await usage.reserve("acme", {DISK: 1}, ttl=HOUR)
    with pytest.raises(Refused, match="would pass 2\\^53"):
        await usage.set_gauge("acme", DISK, LARGEST)


NOTED = pytest.mark.not_on("cluster")  # which has no index in the script


@pytest.mark.parametrize(
    "right",
    [
        "-incrby",
        "-set",
        pytest.param("-zadd", marks=NOTED),
        pytest.param("-incr", marks=NOTED),
    ],
)
async def test_a_missing_right_records_nothing(
    redis: Redis, context: Context, right: str
) -> None:
    """Rights are checked before the first write."""
    async with restricted(redis, context.redis, right) as client:
        with pytest.raises(RedisRefused):
            await UsageService(client, context).set_gauge("acme", DISK, 5)

    assert await keys(redis) == set()


async def test_what_makes_no_sense_is_refused_in_a_sentence(
    redis: Redis, usage: UsageService, context: Context
) -> None:
    """And writes nothing."""
    for value in (-1, LARGEST + 1, 1.5, True):
        with pytest.raises(BadInput, match="is no reading of disk_gb"):
            await usage.set_gauge("acme", DISK, value)  # type: ignore[arg-type]  # is it
    with pytest.raises(BadInput, match="api_calls is a counter: count it with consume"):
        await usage.set_gauge("acme", CALLS, 1)
    with pytest.raises(BadInput, match="name them with count_unique"):
        await usage.set_gauge("acme", USERS, 1)
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  # it is about this
    with pytest.raises(BadInput, match="has no time zone"):
        await usage.set_gauge("acme", DISK, 1, measured_at=naive)
    with pytest.raises(BadInput, match="is no limit of this call"):
        await usage.set_gauge("acme", DISK, 1, limits={CALLS: 5})
    with pytest.raises(BadInput, match="is no call id"):
        await usage.set_gauge("acme", DISK, 1, call_id="a b")
    with pytest.raises(BadInput, match="a tenant's name has"):
        await usage.set_gauge("", DISK, 1)
    with pytest.raises(NotFound):
        await usage.set_gauge("acme", "dosk", 1)
    reading = UsageService(redis, replace(context, read_only=True))
    with pytest.raises(ReadOnly):
        await reading.set_gauge("acme", DISK, 1)

    assert await keys(redis) == set()


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
