"""Consuming: atomic, all or nothing, at most once, in the current period only."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.contexts import CALLS, IMAGES, SEATS, STORAGE, with_layout
from tests.support.raw import ask, expiry_ms

from meterdeck.core.adapters.consume_calls import ConsumeCall, Head, Term
from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.adapters.resp import bulks
from meterdeck.core.adapters.script_lanes import lanes_of
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved
from meterdeck.core.errors import (
    BadInput,
    BrokenCounter,
    NotFound,
    ReadOnly,
    RedisRefused,
    Refused,
)
from meterdeck.core.model.context import Context, Secret
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import NO_LIMIT, Limit, LimitSource
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
DAY_MS = 86_400_000


async def this_month(redis: Redis) -> str:
    """Return the server's current month label."""
    return calendar_month(await server_time(redis)).label


async def counter(redis: Redis, tenant: str, resource: str = CALLS) -> bytes:
    """Name the counter of the current month."""
    return LAYOUT.counter(tenant, resource, await this_month(redis))


def index() -> tuple[bytes, ...]:
    """Name the index's keys; on a cluster it is left out."""
    if LAYOUT.tagged:
        return ()
    return LAYOUT.sequence(), LAYOUT.changed(), LAYOUT.reserving()


def call_keys(tenant: str) -> list[bytes]:
    """Name the keys of a call of one resource."""
    return [
        LAYOUT.tenant(tenant),
        LAYOUT.refusals(tenant),
        LAYOUT.counter(tenant, CALLS, "2026-11"),
        LAYOUT.override(tenant, CALLS),
        LAYOUT.reserved(tenant, CALLS, "2026-11"),
    ]


def script_call(tenant: str, start: datetime, **changes: object) -> ConsumeCall:
    """Return a call of one unit in the period of 30 days that begins at `start`."""
    period = replace(calendar_month(start), start=start, end=start + timedelta(days=30))
    head = Head(index(), 600, DAY_MS)
    call = ConsumeCall(
        head=head,
        group=head,
        who=bulks((tenant.encode(), b"")),
        keys=bulks(call_keys(tenant)),
        key_count=5,
        terms=[Term.of(CALLS, period, NO_LIMIT)],
        amounts=[1],
        call_id="",
    )
    return replace(call, **changes)  # type: ignore[arg-type]  # names are checked there


async def test_concurrent_callers_get_exactly_the_limit(
    redis: Redis, usage: UsageService
) -> None:
    """200 callers with mixed sizes: the counter ends at the limit, never above it,
    and every refusal was right at the moment it was made."""
    key = await counter(redis, "acme")
    await redis.set(key, 900)
    sizes = [60 if at % 10 == 3 else 1 for at in range(200)]

    decisions = await asyncio.gather(
        *(usage.consume("acme", {CALLS: size}) for size in sizes)
    )

    admitted = sum(
        size for size, made in zip(sizes, decisions, strict=True) if made.allowed
    )
    assert admitted == 100
    assert await redis.get(key) == b"1000"
    for size, made in zip(sizes, decisions, strict=True):
        result = made.resources[0]
        assert made.allowed or result.current + size > 1000


async def test_callers_of_one_unit_are_never_refused_below_the_limit(
    redis: Redis, usage: UsageService
) -> None:
    """Requests that never fit take nothing away from those that do."""
    await redis.set(await counter(redis, "acme"), 900)

    decisions = await asyncio.gather(
        *(
            usage.consume("acme", {CALLS: 200 if at % 10 == 0 else 1})
            for at in range(200)
        )
    )

    small = [made for at, made in enumerate(decisions) if at % 10]
    assert sum(made.allowed for made in small) == 100
    assert not any(made.allowed for made in decisions[::10])


async def test_the_answer_says_what_is_left_and_which_rule_limits(
    usage: UsageService, redis: Redis
) -> None:
    """A decision carries current, limit, its source, what remains and the period."""
    made = await usage.consume("acme", {CALLS: 40, STORAGE: 5, SEATS: 2})

    calls, storage, seats = made.resources
    assert made.allowed
    assert not made.replayed
    assert (calls.current, calls.remaining) == (40, 960)
    assert calls.limit == Limit(1000, LimitSource.DEFAULT)
    assert calls.period == calendar_month(await server_time(redis))
    assert (storage.limit, storage.remaining) == (
        Limit(None, LimitSource.DEFAULT),
        None,
    )
    assert seats.limit == NO_LIMIT


async def test_a_refused_resource_keeps_the_whole_call_from_counting(
    redis: Redis, usage: UsageService
) -> None:
    """Two resources, the second over its limit: neither counter exists after."""
    made = await usage.consume("acme", {CALLS: 5, IMAGES: 11})

    assert not made.allowed
    assert [each.refused for each in made.resources] == [False, True]
    assert [each.current for each in made.resources] == [0, 0]
    assert await redis.keys("*") == [LAYOUT.refusals("acme")]


async def test_a_refusal_leaves_the_counter_and_a_higher_limit_helps_at_once(
    redis: Redis, usage: UsageService
) -> None:
    """Refused calls are not counted."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "3")
    made = [await usage.consume("acme", {CALLS: 2}) for _ in range(9)]
    assert [each.allowed for each in made] == [True] + [False] * 8
    assert made[0].resources[0].limit == Limit(3, LimitSource.PLAN)

    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "4")

    made = [await usage.consume("acme", {CALLS: 2}) for _ in range(2)]
    assert [each.allowed for each in made] == [True, False]
    assert await redis.get(await counter(redis, "acme")) == b"4"


async def test_a_plan_may_be_unlimited_or_forbid(
    redis: Redis, usage: UsageService
) -> None:
    """`unlimited` in the directory entry beats the default; 0 refuses everything."""
    await redis.hset(
        LAYOUT.tenant("acme"),
        mapping={"limit:api_calls": "unlimited", "limit:images": "0"},
    )

    assert (await usage.consume("acme", {CALLS: 10_000_000})).allowed
    assert not (await usage.consume("acme", {IMAGES: 1})).allowed


async def test_a_repeated_call_id_gets_the_first_answer_and_counts_nothing(
    redis: Redis, usage: UsageService
) -> None:
    """The same id twice: one count, the same answer, marked as replayed."""
    first = await usage.consume("acme", {CALLS: 7, IMAGES: 1}, call_id="req-1")
    await usage.consume("acme", {CALLS: 1})

    again = await usage.consume("acme", {CALLS: 7, IMAGES: 1}, call_id="req-1")

    assert again == first._replace(replayed=True)
    assert await redis.get(await counter(redis, "acme")) == b"8"
    assert 0 < await redis.ttl(LAYOUT.call("acme", "req-1")) <= 600


async def test_a_repeat_may_name_the_resources_in_another_order(
    usage: UsageService,
) -> None:
    """It is the same call, answered in the order of whoever asks."""
    first = await usage.consume("acme", {CALLS: 7, IMAGES: 1}, call_id="req-1")

    again = await usage.consume("acme", {IMAGES: 1, CALLS: 7}, call_id="req-1")

    assert again.replayed
    assert again.resources == first.resources[::-1]


async def test_a_refusal_is_repeated_too(redis: Redis, usage: UsageService) -> None:
    """A repeated id of a refused call stays refused though it would fit by now."""
    await redis.set(await counter(redis, "acme"), 1000)
    first = await usage.consume("acme", {CALLS: 1}, call_id="req-1")
    await redis.set(await counter(redis, "acme"), 0)

    again = await usage.consume("acme", {CALLS: 1}, call_id="req-1")

    assert not first.allowed
    assert again == first._replace(replayed=True)


async def test_a_call_id_stands_for_one_request(usage: UsageService) -> None:
    """The same id with other amounts is refused instead of answered."""
    await usage.consume("acme", {CALLS: 7}, call_id="req-1")

    with pytest.raises(Refused, match="used for another"):
        await usage.consume("acme", {CALLS: 8}, call_id="req-1")


async def test_a_call_without_id_keeps_nothing_but_the_counter(
    redis: Redis, usage: UsageService
) -> None:
    """No dedupe key is written for a generated id."""
    await usage.consume("acme", {CALLS: 1})

    assert set(await redis.keys("*")) == {await counter(redis, "acme"), *index()[:2]}


@pytest.mark.parametrize("offset_s", [-86_400 * 31, 60])
async def test_a_period_that_is_not_current_writes_nothing(
    redis: Redis, offset_s: int
) -> None:
    """The server's clock decides: a period that is over, or to come, is answered
    with the server's time."""
    now = await server_time(redis)

    call = script_call("acme", now + timedelta(seconds=offset_s))
    answer = await lanes_of(redis).submit(call)

    assert isinstance(answer, PeriodMoved)
    assert abs(answer.now - now) < timedelta(seconds=60)
    assert await redis.keys("*") == []


async def test_a_client_with_a_wrong_clock_counts_in_the_right_month(
    redis: Redis, usage: UsageService
) -> None:
    """A service that believes in another month corrects itself in the same call."""
    usage._periods.learn(datetime(2019, 2, 3, tzinfo=UTC))

    made = await usage.consume("acme", {CALLS: 1})

    assert made.resources[0].period.label == await this_month(redis)
    assert await redis.get(await counter(redis, "acme")) == b"1"


async def test_a_changed_billing_cycle_moves_the_counter_at_once(
    redis: Redis, usage: UsageService
) -> None:
    """The cycle a client remembers is checked against the directory in the script."""
    before = await usage.consume("acme", {SEATS: 1})
    month = calendar_month(await server_time(redis))
    anchor = month.start - timedelta(days=40)
    await redis.hset(
        LAYOUT.tenant("acme"),
        mapping={
            "anchor": str(int(anchor.timestamp())),
            "interval": "year",
            "interval_count": "1",
        },
    )

    after = await usage.consume("acme", {SEATS: 1})

    assert before.resources[0].period == month
    assert after.resources[0].period.start == anchor
    assert after.resources[0].current == 1


async def test_a_cycle_the_directory_does_not_have_writes_nothing(redis: Redis) -> None:
    """The script answers that the cycle moved and leaves everything alone."""
    call = script_call(
        "acme", await server_time(redis), who=bulks((b"acme", b"1700000000 month 1"))
    )

    assert await lanes_of(redis).submit(call) == CycleMoved()
    assert await redis.keys("*") == []


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ("abc", "'abc'"),
        ("1.5", "'1.5'"),
        (" 5", "' 5'"),
        ("1e3", "'1e3'"),
        ("+5", "'+5'"),
        ("", "''"),
        ("nan", "'nan'"),
        (str(LARGEST + 1), f"'{LARGEST + 1}'"),
        ("\x1b[31m", "'␛[31m'"),
    ],
)
async def test_a_counter_that_is_no_number_is_left_alone(
    redis: Redis, usage: UsageService, value: str, holds: str
) -> None:
    """Text in a counter refuses the call, counts nothing elsewhere, stays as it is."""
    key = await counter(redis, "acme")
    await redis.set(key, value)

    with pytest.raises(BrokenCounter) as error:
        await usage.consume("acme", {IMAGES: 1, CALLS: 1})

    assert error.value.holds == holds
    assert await redis.get(key) == value.encode()
    assert await redis.keys("*") == [key]


async def test_a_list_in_place_of_a_counter_is_said_to_be_one(
    redis: Redis, usage: UsageService
) -> None:
    """A key of another type is a clear answer, not a server error."""
    await redis.lpush(await counter(redis, "acme"), "x")
    await redis.set(LAYOUT.override("acme", IMAGES), "x")

    with pytest.raises(BrokenCounter, match="holds a list, not a whole number"):
        await usage.consume("acme", {CALLS: 1})
    with pytest.raises(Refused, match=r"acme\}?:images holds text, not an override"):
        await usage.consume("acme", {IMAGES: 1})


async def test_a_limit_that_is_no_number_refuses_instead_of_letting_through(
    redis: Redis, usage: UsageService
) -> None:
    """`nan` as a limit would pass every comparison."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "nan")

    with pytest.raises(BrokenCounter, match="'nan'"):
        await usage.consume("acme", {CALLS: 1})


async def test_a_negative_counter_counts_on(redis: Redis, usage: UsageService) -> None:
    """An application may have given back more than it took."""
    await redis.set(await counter(redis, "acme"), -3)

    made = await usage.consume("acme", {CALLS: 1003})

    assert made.allowed
    assert made.resources[0].current == 1000


async def test_a_counter_never_passes_what_can_be_counted_exactly(
    redis: Redis, usage: UsageService
) -> None:
    """2^53 is reached exactly; one more is refused and nothing is lost."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "unlimited")
    await redis.set(await counter(redis, "acme"), LARGEST - 1)

    assert (await usage.consume("acme", {CALLS: 1})).resources[0].current == LARGEST
    with pytest.raises(Refused, match="2\\^53"):
        await usage.consume("acme", {CALLS: 1})
    assert await redis.get(await counter(redis, "acme")) == str(LARGEST).encode()


async def test_a_new_counter_expires_a_fixed_time_after_its_period(
    redis: Redis, usage: UsageService
) -> None:
    """Expiry is the period's end plus 35 days; later calls do not move it."""
    made = await usage.consume("acme", {CALLS: 1})
    key = await counter(redis, "acme")
    end = made.resources[0].period.end + timedelta(days=35)
    assert await expiry_ms(redis, key) == int(end.timestamp() * 1000)

    await redis.pexpireat(key, end - timedelta(days=1))
    await usage.consume("acme", {CALLS: 1})

    earlier = int((end - timedelta(days=1)).timestamp() * 1000)
    assert await expiry_ms(redis, key) == earlier


async def test_a_counter_of_an_older_application_keeps_its_expiry(
    redis: Redis, usage: UsageService
) -> None:
    """INCR and EXPIRE by another program: counted on, expiry untouched."""
    key = await counter(redis, "acme")
    await redis.incr(key)
    await redis.expire(key, 35 * 86_400)
    expiry = await expiry_ms(redis, key)

    made = await usage.consume("acme", {CALLS: 2})

    assert made.resources[0].current == 3
    assert await expiry_ms(redis, key) == expiry


async def test_what_changed_is_found_by_its_sequence_number(
    redis: Redis, usage: UsageService
) -> None:
    """Each counted call gives its tenant the next number; refusals give none."""
    await usage.consume("acme", {CALLS: 1})
    await usage.consume("globex", {CALLS: 1})
    await usage.consume("acme", {CALLS: 1})
    await usage.consume("initech", {CALLS: 1001})

    changed = await redis.zrange(LAYOUT.changed(), 0, -1, withscores=True)
    assert changed == [(b"globex", 2.0), (b"acme", 3.0)]


@pytest.mark.parametrize("amount", [0, -1, LARGEST + 1, True, 1.5, "1"])
async def test_amounts_that_are_no_units_are_refused(
    redis: Redis, usage: UsageService, amount: int
) -> None:
    """Zero, negative, fractional, huge or textual amounts never reach Redis."""
    with pytest.raises(BadInput, match="cannot be consumed"):
        await usage.consume("acme", {CALLS: amount})
    assert await redis.keys("*") == []


@pytest.mark.parametrize("amount", [0, -1, LARGEST + 1])
async def test_the_script_checks_amounts_itself(redis: Redis, amount: int) -> None:
    """Another language's client cannot count nonsense either."""
    call = script_call("acme", await server_time(redis))

    with pytest.raises(BadInput, match="amount of api_calls"):
        await lanes_of(redis).submit(replace(call, amounts=[amount]))
    assert await redis.keys("*") == []


async def test_the_script_refuses_a_resource_named_twice(redis: Redis) -> None:
    """Twice the same counter would pass two checks that only one fits."""
    call = script_call("acme", await server_time(redis))
    entry, refusals, *each = call_keys("acme")
    keys = [entry, refusals, *(key for key in each for _ in range(2))]
    twice = replace(call, keys=bulks(keys), key_count=len(keys))

    with pytest.raises(BadInput, match="named twice"):
        await lanes_of(redis).submit(
            replace(twice, terms=[*call.terms] * 2, amounts=[1, 1])
        )


async def test_names_that_cannot_be_meant_are_refused(usage: UsageService) -> None:
    """No tenant, no resource, an unknown one, an id with a colon."""
    with pytest.raises(BadInput, match="1 to 512 bytes"):
        await usage.consume("", {CALLS: 1})
    with pytest.raises(BadInput, match="1 to 64 resources"):
        await usage.consume("acme", {})
    with pytest.raises(NotFound, match="api_calls"):
        await usage.consume("acme", {"bananas": 1})
    with pytest.raises(BadInput, match="is no call id"):
        await usage.consume("acme", {CALLS: 1}, call_id="a:b")


async def test_a_read_only_context_counts_nothing(
    redis: Redis, context: Context
) -> None:
    """The service refuses before anything is sent."""
    service = UsageService(redis, replace(context, read_only=True))

    with pytest.raises(ReadOnly):
        await service.consume("acme", {CALLS: 1})
    assert await redis.keys("*") == []


async def test_scripts_flushed_from_the_server_are_sent_again(
    redis: Redis, usage: UsageService
) -> None:
    """A server that lost its scripts is told them by the call that needs them."""
    await usage.consume("acme", {CALLS: 1})
    await redis.script_flush()

    assert (await usage.consume("acme", {CALLS: 1})).resources[0].current == 2


async def test_in_a_tagged_layout_every_key_of_a_tenant_has_its_tag(
    redis: Redis, context: Context
) -> None:
    """On a cluster all keys of a call lie in one slot; the index is left out."""
    service = UsageService(redis, with_layout(context, KeyLayout(tagged=True)))

    await service.consume("acme", {CALLS: 1}, call_id="req-1")

    assert set(await redis.keys("*")) == {
        f"usage:{{acme}}:api_calls:{await this_month(redis)}".encode(),
        b"meterdeck:call:{acme}:req-1",
    }
    with pytest.raises(BadInput, match="cannot begin with }"):
        await service.consume("}acme", {CALLS: 1})


@pytest.mark.parametrize(
    "right", ["incrby", pytest.param("zadd", marks=pytest.mark.not_on("cluster"))]
)
async def test_a_user_without_a_right_changes_nothing(
    redis: Redis, context: Context, right: str
) -> None:
    """A missing right is found before the first write, not in the middle."""
    await UsageService(redis, context).consume("acme", {CALLS: 1})
    await redis.flushall()
    await ask(redis, "ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", f"-{right}")
    options = replace(context.redis, username="app", password=Secret("pw"))
    client = open_redis(options)
    try:
        with pytest.raises(RedisRefused, match=f"(?i)right to do that.*{right}"):
            await UsageService(client, context).consume("acme", {CALLS: 1})
        assert await redis.keys("*") == []
    finally:
        await client.aclose()
        await ask(redis, "ACL", "DELUSER", "app")
