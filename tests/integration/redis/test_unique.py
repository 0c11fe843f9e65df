"""Distinct members: each counts once a period, all of a call or none."""

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.contexts import CALLS, DISK, USERS, with_kinds, with_rule
from tests.support.desk import Desk
from tests.support.proxy import Proxy
from tests.support.raw import ask, expiry_ms
from tests.support.restricted import restricted

from meterdeck.core.adapters.redis_client import (
    Redis,
    open_redis,
    server_time,
    to_milliseconds,
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
from meterdeck.core.model.decisions import Beyond, Decision, Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.periods import PeriodKind, calendar_month
from meterdeck.core.model.usage import Limit, LimitSource
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
STANDARD_ERROR = 0.0081


@pytest.fixture
def context(context: Context) -> Context:
    """The same with a resource of members."""
    return with_kinds(context)


@pytest.fixture
def desk(changes: OperatorChanges, usage: UsageService) -> Desk:
    """An operator at work on acme's active users."""
    return Desk(changes, usage, resource=USERS)


def named(numbers: Iterable[int]) -> list[str]:
    """Name members."""
    return [f"user-{number}" for number in numbers]


async def counter_key(redis: Redis) -> bytes:
    """Name the counter of acme's users this month."""
    label = calendar_month(await server_time(redis)).label
    return LAYOUT.counter("acme", USERS, label)


async def members_key(redis: Redis) -> bytes:
    """Name the HyperLogLog beside it."""
    label = calendar_month(await server_time(redis)).label
    return LAYOUT.members("acme", USERS, label)


async def held(redis: Redis) -> dict[bytes, bytes]:
    """Return counter and members as they are, byte by byte."""
    keys = (await counter_key(redis), await members_key(redis))
    return {key: await ask(redis, "GET", key) or b"" for key in keys}


async def limit_to(redis: Redis, units: int) -> None:
    """Give acme's plan a limit."""
    await redis.hset(LAYOUT.tenant("acme"), f"limit:{USERS}", str(units))


def current(made: Decision) -> int:
    """Return the count that a decision told."""
    return made.resources[0].current


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
