"""Use that is billed by events: counted and queued in one step, or neither."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.support.contexts import (
    CALLS,
    RENDERS,
    USERS,
    with_events,
    with_kinds,
    with_rule,
)
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
    RedisRefused,
    Refused,
)
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.decisions import Beyond, Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.periods import PeriodKind, calendar_month
from meterdeck.core.model.usage import LimitSource
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


@pytest.fixture
def context(context: Context) -> Context:
    """The same with a resource that is billed by events."""
    return with_events(context)


async def counter_key(redis: Redis) -> bytes:
    """Name the counter of acme's renders this month."""
    label = calendar_month(await server_time(redis)).label
    return LAYOUT.counter("acme", RENDERS, label)


async def queued(redis: Redis) -> list[dict[str, str]]:
    """Return the fields of every entry of acme's queue."""
    entries = await ask(redis, "XRANGE", LAYOUT.queue("acme"), "-", "+")
    return [
        {name.decode(): value.decode() for name, value in fields.items()}
        for _, fields in entries
    ]


async def test_a_use_is_counted_and_its_event_is_queued(
    redis: Redis, usage: UsageService
) -> None:
    """With the exact value, the dimensions, and the second in which it was counted."""
    made = await usage.track(
        "acme", RENDERS, 250, dimensions={"size": "xl", "área": "eu"}, call_id="r-1"
    )

    now = to_milliseconds(await server_time(redis)) // 1000
    (event,) = await queued(redis)
    assert (made.allowed, made.resources[0].current) == (True, 250)
    assert await redis.get(await counter_key(redis)) == b"250"
    assert (event["value"], event["units"], event["scale"]) == ("2.5", "250", "2")
    assert (event["tenant"], event["resource"]) == ("acme", RENDERS)
    assert event["event_name"] == "renders"
    assert json.loads(event["dimensions"]) == {"size": "xl", "área": "eu"}
    assert now - 5 <= int(event["timestamp"]) <= now
    assert event["identifier"].startswith("md1-")
    assert "customer" not in event


@pytest.fixture
def desk(changes: OperatorChanges, usage: UsageService) -> Desk:
    """An operator at work on acme's renders."""
    return Desk(changes, usage, resource=RENDERS)


async def both(redis: Redis) -> tuple[int, int]:
    """Return what is counted, and the units that are queued."""
    counted = int(await redis.get(await counter_key(redis)) or 0)
    return counted, sum(int(each["units"]) for each in await queued(redis))


async def test_the_counter_expires_with_its_period_and_the_tenant_is_found(
    redis: Redis, usage: UsageService, context: Context
) -> None:
    """The queue never expires; where keys are tagged it is named in a set."""
    month = calendar_month(await server_time(redis))
    await usage.track("acme", RENDERS, 1)

    kept = timedelta(days=context.redis.retention_days)
    ends = to_milliseconds(month.end + kept)
    assert await expiry_ms(redis, await counter_key(redis)) == ends
    assert await expiry_ms(redis, LAYOUT.queue("acme")) == -1
    if LAYOUT.tagged:
        assert await ask(redis, "SMEMBERS", LAYOUT.queues()) == {b"acme"}
    else:
        assert await redis.zscore(LAYOUT.changed(), "acme") == 1


async def test_a_refused_use_writes_its_record_and_nothing_else(
    redis: Redis, usage: UsageService
) -> None:
    """Neither counter nor queue; by the plan's limit, in the words of consume."""
    await redis.hset(LAYOUT.tenant("acme"), f"limit:{RENDERS}", "10")
    await usage.track("acme", RENDERS, 8)

    refused = await usage.track("acme", RENDERS, 3, call_id="r-1")
    again = await usage.track("acme", RENDERS, 3, call_id="r-1")
    large = await usage.track("acme", RENDERS, 11)

    assert [each.allowed for each in (refused, again, large)] == [False] * 3
    assert refused.resources[0].reason is Refusal.OVER_LIMIT
    assert refused.resources[0].remaining == 2
    assert large.resources[0].reason is Refusal.LARGER_THAN_LIMIT
    assert (again.replayed, await both(redis)) == (True, (8, 8))
    records = await usage.refusals("acme")
    assert [(each.cost, each.before, each.limit) for each in records] == [
        (11, 8, 10),
        (3, 8, 10),
    ]
    assert records[1].call_id == "r-1"
    assert records[1].source is LimitSource.PLAN


async def test_an_override_and_the_limit_of_the_call_hold_as_for_consume(
    redis: Redis, usage: UsageService, desk: Desk
) -> None:
    """The override before the plan; the call's own where there is none of either."""
    own = await usage.track("acme", RENDERS, 3, limits={RENDERS: 2})
    await redis.hset(LAYOUT.tenant("acme"), f"limit:{RENDERS}", "5")
    await desk.limit(7)
    by_override = await usage.track("acme", RENDERS, 7, limits={RENDERS: 2})
    beyond = await usage.track("acme", RENDERS, 1)

    assert (own.allowed, own.resources[0].limit.source) == (
        False,
        LimitSource.ARGUMENT,
    )
    assert (by_override.allowed, beyond.allowed) == (True, False)
    assert beyond.resources[0].limit.source is LimitSource.OVERRIDE
    assert await both(redis) == (7, 7)


@pytest.mark.not_on("sentinel")
@pytest.mark.parametrize(
    ("rule", "beyond"),
    [
        (LimitRule(Enforcement.SOFT), Beyond.OVER),
        (LimitRule(grace_percent=50), Beyond.OVER),
        (LimitRule(grace_hours=1), Beyond.OVER),
        (LimitRule(Enforcement.SHADOW), Beyond.SHADOW),
    ],
)
async def test_what_a_rule_allows_beyond_the_limit_is_counted_and_queued(
    redis: Redis, context: Context, rule: LimitRule, beyond: Beyond
) -> None:
    """Soft, grace and shadow are the same as for consume."""
    usage = UsageService(redis, with_rule(context, RENDERS, rule, 4))
    await usage.track("acme", RENDERS, 4)

    made = await usage.track("acme", RENDERS, 2)
    more = await usage.track("acme", RENDERS, 1)

    assert (made.allowed, made.resources[0].beyond) == (True, beyond)
    assert more.allowed is (rule.grace_percent is None)
    units = 7 if more.allowed else 6
    assert await both(redis) == (units, units)
    if beyond is Beyond.SHADOW:
        label = made.resources[0].period.label
        held = await redis.hget(LAYOUT.beyond("acme", RENDERS, label), "shadow_units")
        assert held == b"3"


async def test_a_repeated_id_is_counted_and_queued_once(
    redis: Redis, usage: UsageService
) -> None:
    """Another use under the same id is refused, also one of another call."""
    first = await usage.track("acme", RENDERS, 2, call_id="r-1")
    again = await usage.track("acme", RENDERS, 2, call_id="r-1")
    with pytest.raises(Refused, match="used for another change before, or for this"):
        await usage.track("acme", RENDERS, 2, dimensions={"a": "b"}, call_id="r-1")
    with pytest.raises(Refused, match="used for another change before"):
        await usage.consume("acme", {CALLS: 2}, call_id="r-1")
    with pytest.raises(Refused, match="there is nothing to release"):
        await usage.release("acme", "r-1")

    assert (first.replayed, again.replayed) == (False, True)
    assert first.call_id == again.call_id == "r-1"
    assert await both(redis) == (2, 2)


async def test_a_lost_answer_is_asked_for_again_under_the_same_id(
    redis: Redis, redis_server: Valkey, context: Context
) -> None:
    """Also where the caller gave none: one is made."""
    async with Proxy(redis_server.url) as proxy:
        far = open_redis(RedisOptions(url=proxy.url, timeout_s=10.0), connections=1)
        usage = UsageService(far, context)
        await usage.track("acme", RENDERS, 1)
        proxy.lose_next_answer()
        made = await usage.track("acme", RENDERS, 2)
        await far.aclose()

    assert made.replayed
    assert await both(redis) == (3, 3)


async def test_a_time_within_the_period_is_the_events_and_no_other_is_taken(
    redis: Redis, usage: UsageService
) -> None:
    """A sentence says what is wrong, and nothing is counted."""
    now = await server_time(redis)
    month = calendar_month(now)
    at = max(month.start, now - timedelta(hours=5))
    await usage.track("acme", RENDERS, 1, timestamp=at)

    wrong: list[tuple[datetime, str]] = [
        (now + timedelta(minutes=6), "more than 5 minutes ahead"),
        (now - timedelta(days=36), "more than 35 days ago"),
        (month.start - timedelta(seconds=1), "in a period that is over"),
        (now.replace(tzinfo=None), "no time zone"),
    ]
    for moment, words in wrong:
        with pytest.raises(BadInput, match=words):
            await usage.track("acme", RENDERS, 1, timestamp=moment)

    (event,) = await queued(redis)
    assert event["timestamp"] == str(int(at.timestamp()))
    assert await both(redis) == (1, 1)


async def test_it_is_counted_in_the_billing_cycle_of_the_directory(
    redis: Redis, context: Context
) -> None:
    """Also after the cycle was moved, and by a service that is wrong about the time."""
    cycled = replace(context.resource(RENDERS), period=PeriodKind.BILLING_CYCLE)
    others = tuple(each for each in context.resources if each.name != RENDERS)
    usage = UsageService(redis, replace(context, resources=(*others, cycled)))
    now = await server_time(redis)
    labels = []
    for anchor in (now - timedelta(days=40), now - timedelta(days=3)):
        await redis.hset(
            LAYOUT.tenant("acme"),
            mapping={
                "anchor": str(int(anchor.timestamp())),
                "interval": "year",
                "interval_count": "1",
            },
        )
        usage._periods.learn(now - timedelta(days=900))
        made = await usage.track("acme", RENDERS, 1)
        labels.append((made.resources[0].period.label, f"{anchor:%Y-%m-%d}"))

    assert [label for label, _ in labels] == [wanted for _, wanted in labels]
    assert [each["period"] for each in await queued(redis)] == [
        label for label, _ in labels
    ]


async def test_a_time_in_the_next_period_is_not_taken_in_this_one(
    redis: Redis, context: Context
) -> None:
    """Stripe would take it, and bill it in another period than it is counted in."""
    cycled = replace(context.resource(RENDERS), period=PeriodKind.BILLING_CYCLE)
    others = tuple(each for each in context.resources if each.name != RENDERS)
    usage = UsageService(redis, replace(context, resources=(*others, cycled)))
    now = await server_time(redis)
    begins = now.replace(microsecond=0) + timedelta(minutes=2)
    anchor = str(int(begins.timestamp()))
    await redis.hset(
        LAYOUT.tenant("acme"), mapping={"anchor": anchor, "interval": "day"}
    )

    with pytest.raises(BadInput, match="in a period that has not begun"):
        await usage.track("acme", RENDERS, timestamp=begins)

    assert await queued(redis) == []


@pytest.mark.parametrize("right", ["-xadd", "-incrby", "-pexpireat", "-set", "-xlen"])
async def test_a_missing_right_counts_and_queues_nothing(
    redis: Redis, context: Context, right: str
) -> None:
    """Rights are checked before the first write."""
    async with restricted(redis, context.redis, right) as client:
        with pytest.raises(RedisRefused):
            await UsageService(client, context).track("acme", RENDERS)

    assert set(await redis.keys("*")) <= {LAYOUT.queues()}


@pytest.mark.parametrize("which", ["counter", "queue", "override", "entry"])
async def test_a_key_of_another_type_counts_and_queues_nothing(
    redis: Redis, usage: UsageService, which: str
) -> None:
    """Whatever it is, meterdeck does not overwrite it."""
    key = {
        "counter": await counter_key(redis),
        "queue": LAYOUT.queue("acme"),
        "override": LAYOUT.override("acme", RENDERS),
        "entry": LAYOUT.tenant("acme"),
    }[which]
    await redis.lpush(key, "x")

    with pytest.raises((BrokenCounter, Refused), match="holds a list"):
        await usage.track("acme", RENDERS)

    assert set(await redis.keys("*")) - {LAYOUT.queues()} == {key}


async def test_a_queue_whose_ids_are_used_up_counts_nothing(
    redis: Redis, usage: UsageService
) -> None:
    """The event comes before the count: where it cannot be queued there is neither."""
    last = 2**64 - 1
    await ask(redis, "XADD", LAYOUT.queue("acme"), f"{last}-{last}", "a", "b")

    with pytest.raises(RedisRefused):
        await usage.track("acme", RENDERS)

    assert await redis.exists(await counter_key(redis)) == 0


async def test_each_call_says_which_one_is_for_a_resource(
    redis: Redis, context: Context
) -> None:
    """consume would count what is never billed, and track bill what is counted."""
    usage = UsageService(redis, with_kinds(context))
    hour = timedelta(hours=1)
    for call in (
        usage.consume("acme", {RENDERS: 1}),
        usage.consume("acme", {CALLS: 1, RENDERS: 1}, call_id="c-1"),
        usage.reserve("acme", {RENDERS: 1}, ttl=hour),
    ):
        with pytest.raises(BadInput, match=r"renders is billed by events.*track"):
            await call
    with pytest.raises(BadInput, match="api_calls is a counter: count it with consume"):
        await usage.track("acme", CALLS)
    with pytest.raises(BadInput, match="name them with count_unique"):
        await usage.track("acme", USERS)

    assert await redis.keys("*") == []


@pytest.mark.not_on("sentinel", "cluster")
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"units": 0}, "from 1 to 999,999,999,999,999"),
        ({"units": 10**15}, "from 1 to 999,999,999,999,999"),
        ({"units": 1.5}, "from 1 to 999,999,999,999,999"),
        ({"dimensions": {"value": "1"}}, "value is the meter's own field"),
        ({"dimensions": {str(n): "x" for n in range(21)}}, "at most 20 dimensions"),
        ({"dimensions": {"k": "x" * 101}}, "texts of 1 to 100 characters"),
        ({"dimensions": {"k": 7}}, "texts of 1 to 100 characters"),
        ({"dimensions": {"k": "\udcff"}}, "not text in UTF-8"),
        ({"call_id": "a b"}, "is no call id"),
        ({"limits": {RENDERS: -1}}, "is no limit of this call"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_sentence(
    redis: Redis, usage: UsageService, wrong: dict[str, object], words: str
) -> None:
    """And writes nothing."""
    with pytest.raises(BadInput, match=words):
        await usage.track("acme", RENDERS, **wrong)  # type: ignore[arg-type]  # it is

    assert await redis.keys("*") == []
