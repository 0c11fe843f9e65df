"""Calls that share one script call: each is decided and answered by itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.support.contexts import CALLS, IMAGES, with_layout
from tests.support.raw import ask, of_each_server

from meterdeck.core.adapters.consume_calls import CONSUME, ConsumeCall, Head, Term
from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.adapters.resp import bulks
from meterdeck.core.adapters.script_lanes import lanes_of
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.errors import (
    BadInput,
    BrokenCounter,
    RedisRefused,
    Refused,
)
from meterdeck.core.model.context import Context, Secret
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import NO_LIMIT
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def counted(redis: Redis, tenant: str, layout: KeyLayout | None = None) -> int:
    """Return a tenant's API calls, asked directly."""
    label = calendar_month(await server_time(redis)).label
    return int(await redis.get((layout or LAYOUT).counter(tenant, CALLS, label)) or 0)


async def script_calls(redis: Redis) -> int:
    """Return how many script calls were executed since CONFIG RESETSTAT, anywhere."""
    stats = await of_each_server(redis, "INFO", "commandstats")
    made = (each.get("cmdstat_evalsha", {"calls": 0}) for each in stats)
    return sum(int(each["calls"]) for each in made)


async def warm(redis: Redis, usage: UsageService) -> None:
    """Let the service learn the server's time, and the server the script."""
    await usage.consume("warm", {CALLS: 1})
    await of_each_server(redis, "CONFIG", "RESETSTAT")


async def test_calls_of_one_turn_share_round_trips(
    redis: Redis, usage: UsageService
) -> None:
    """200 calls of 50 tenants are four script calls, and each gets its own answer; on
    a cluster, where a script call has one tenant, they still share round trips."""
    await warm(redis, usage)

    made = await asyncio.gather(
        *(usage.consume(f"t{at % 50}", {CALLS: at + 1}) for at in range(200))
    )

    assert await script_calls(redis) == 4 or LAYOUT.tagged
    for number in range(50):
        units = sum(range(number + 1, 201, 50))
        answers = [each.resources[0].current for each in made[number::50]]
        # Two round trips under way at once may arrive in either order.
        assert max(answers) == units == await counted(redis, f"t{number}")
        assert len(set(answers)) == 4


async def test_calls_with_many_resources_are_spread_over_script_calls(
    redis: Redis, usage: UsageService
) -> None:
    """What is bounded is resources: 40 calls of two are 64 and 16."""
    await warm(redis, usage)

    await asyncio.gather(
        *(usage.consume("acme", {CALLS: 1, IMAGES: 1}) for _ in range(40))
    )

    assert await script_calls(redis) == 2


async def test_calls_are_decided_in_the_order_in_which_they_were_made(
    redis: Redis, usage: UsageService
) -> None:
    """Within a round trip, a later call sees what an earlier one counted."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "10")
    await warm(redis, usage)

    made = await asyncio.gather(*(usage.consume("acme", {CALLS: 1}) for _ in range(20)))

    assert await script_calls(redis) == 1
    assert [each.allowed for each in made] == [True] * 10 + [False] * 10
    assert [each.resources[0].current for each in made] == [*range(1, 11), *[10] * 10]


async def test_what_is_wrong_with_one_call_is_answered_to_that_call_alone(
    redis: Redis, usage: UsageService
) -> None:
    """Broken counters and limits, foreign keys, overflow: the others are counted."""
    label = calendar_month(await server_time(redis)).label
    await usage.consume("reused", {CALLS: 1}, call_id="req-1")
    await redis.set(LAYOUT.counter("text", CALLS, label), "abc")
    await redis.lpush(LAYOUT.counter("list", CALLS, label), "x")
    await redis.hset(LAYOUT.tenant("limit"), "limit:api_calls", "nan")
    await redis.set(LAYOUT.tenant("entry"), "x")
    await redis.set(LAYOUT.override("override", CALLS), "x")
    await redis.hset(LAYOUT.tenant("full"), "limit:api_calls", "unlimited")
    await redis.set(LAYOUT.counter("full", CALLS, label), LARGEST)
    wrong = {
        "text": BrokenCounter,
        "list": BrokenCounter,
        "limit": BrokenCounter,
        "entry": Refused,
        "override": Refused,
        "full": Refused,
        "reused": Refused,
    }
    names = ["a", "text", "list", "b", "limit", "entry", "override", "full", "reused"]
    await of_each_server(redis, "CONFIG", "RESETSTAT")

    made = await asyncio.gather(
        *(
            usage.consume(
                name, {CALLS: 2}, call_id="req-1" if name == "reused" else None
            )
            for name in [*names, "c"]
        ),
        return_exceptions=True,
    )

    assert await script_calls(redis) == 1 or LAYOUT.tagged
    for name, each in zip([*names, "c"], made, strict=True):
        if name in wrong:
            assert type(each) is wrong[name], (name, each)
        else:
            assert isinstance(each, Decision)
            assert await counted(redis, name) == 2


async def one_call(redis: Redis, head: Head, tenant: str) -> ConsumeCall:
    """Return a call of one unit in the current month."""
    month = calendar_month(await server_time(redis))
    keys = [
        LAYOUT.tenant(tenant),
        LAYOUT.refusals(tenant),
        LAYOUT.counter(tenant, CALLS, month.label),
        LAYOUT.override(tenant, CALLS),
        LAYOUT.reserved(tenant, CALLS, month.label),
    ]
    return ConsumeCall(
        head=head,
        group=head,
        who=bulks((tenant.encode(), b"")),
        keys=bulks(keys),
        key_count=len(keys),
        terms=[Term.of(CALLS, month, NO_LIMIT)],
        amounts=[1],
        call_id="",
    )


async def test_a_bad_argument_of_one_call_keeps_no_other_from_counting(
    redis: Redis,
) -> None:
    """The script tells calls apart before it looks at what they want."""
    index = (LAYOUT.sequence(), LAYOUT.changed(), LAYOUT.reserving())
    head = Head(() if LAYOUT.tagged else index, 600, 86_400_000)
    good = await one_call(redis, head, "acme")
    lanes = lanes_of(redis)

    first, wrong, second = await asyncio.gather(
        *(lanes.submit(each) for each in (good, replace(good, amounts=[0]), good)),
        return_exceptions=True,
    )

    assert isinstance(first, Decision)
    assert isinstance(wrong, BadInput)
    assert isinstance(second, Decision)
    assert second.resources[0].current == 2


async def test_one_call_id_twice_in_a_round_trip_counts_once(
    redis: Redis, usage: UsageService
) -> None:
    """The second gets the first one's answer; for another amount it is refused."""
    await warm(redis, usage)

    first, again, other = await asyncio.gather(
        *(
            usage.consume("acme", {CALLS: units, IMAGES: 1}, call_id="req-1")
            for units in (5, 5, 6)
        ),
        return_exceptions=True,
    )

    assert await script_calls(redis) == 1
    assert isinstance(first, Decision)
    assert again == first._replace(replayed=True)
    assert isinstance(other, Refused)
    assert await counted(redis, "acme") == 5


async def test_every_tenant_of_a_round_trip_is_in_the_index_of_changes(
    redis: Redis, usage: UsageService
) -> None:
    """Each with a number of its own; those that were refused are not."""
    await warm(redis, usage)

    await asyncio.gather(
        *(
            usage.consume(name, {CALLS: units})
            for name, units in [("a", 1), ("b", 1), ("a", 1), ("c", 9999), ("d", 1)]
        )
    )

    changed = await redis.zrange(LAYOUT.changed(), 0, -1, withscores=True)
    assert changed == [(b"warm", 1.0), (b"a", 2.0), (b"b", 3.0), (b"d", 4.0)]
    assert await redis.get(LAYOUT.sequence()) == b"4"


async def test_sums_of_a_round_trip_that_pass_what_is_exact_are_counted_exactly(
    redis: Redis, usage: UsageService
) -> None:
    """From −2^53 to 2^53 in two calls at once: together they are 2^54."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "unlimited")
    label = calendar_month(await server_time(redis)).label
    await redis.set(LAYOUT.counter("acme", CALLS, label), -LARGEST)

    made = await asyncio.gather(
        usage.consume("acme", {CALLS: LARGEST}),
        usage.consume("acme", {CALLS: LARGEST - 1}),
        usage.consume("acme", {CALLS: 1}),
    )

    assert [each.resources[0].current for each in made] == [0, LARGEST - 1, LARGEST]
    assert await counted(redis, "acme") == LARGEST


async def test_an_index_of_another_type_keeps_everything_from_counting(
    redis: Redis, usage: UsageService
) -> None:
    """The first write is the one that can fail: nothing is half done."""
    await redis.set(LAYOUT.changed(), "x")

    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        await usage.consume("acme", {CALLS: 1})

    assert await counted(redis, "acme") == 0


async def test_a_tenant_a_user_may_not_touch_is_refused_alone(
    redis: Redis, context: Context
) -> None:
    """The server refuses the whole script call; each call is then made by itself."""
    own = LAYOUT.counter("acme", "*", "*").decode()
    keys = (f"~{own}", "~meterdeck:*")
    await ask(redis, "ACL", "SETUSER", "app", "on", ">pw", *keys, "+@all")
    client = open_redis(replace(context.redis, username="app", password=Secret("pw")))
    service = UsageService(client, context)
    try:
        acme, globex, again = await asyncio.gather(
            *(service.consume(name, {CALLS: 1}) for name in ("acme", "globex", "acme")),
            return_exceptions=True,
        )
    finally:
        await client.aclose()
        await ask(redis, "ACL", "DELUSER", "app")

    assert isinstance(acme, Decision)
    assert isinstance(globex, RedisRefused)
    assert isinstance(again, Decision)
    assert await counted(redis, "acme") == 2
    assert await counted(redis, "globex") == 0


async def test_in_a_tagged_layout_a_script_call_has_one_tenant(
    redis: Redis, context: Context
) -> None:
    """Its keys lie in one slot of a cluster; tenants still share the round trip."""
    layout = KeyLayout(tagged=True)
    service = UsageService(redis, with_layout(context, layout))
    await warm(redis, service)

    made = await asyncio.gather(
        *(service.consume(f"t{at % 7}", {CALLS: 1}) for at in range(63))
    )

    assert await script_calls(redis) == 7
    assert [each.resources[0].current for each in made] == [
        at // 7 + 1 for at in range(63)
    ]
    assert await counted(redis, "t6", layout) == 9


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("0", "0", "0", "0", "1"), "ARGV[1]"),
        (("65", "0", "0", "0", "1"), "ARGV[1]"),
        (("1", "9", "0", "0", "1"), "ARGV[2]"),
        (("1", "0", "x", "0", "1"), "ARGV[3]"),
        (("1", "0", "0", "2", "1"), "ARGV[4]"),
        (("1", "0", "0", "0", "-1"), "ARGV[5]"),
        (("1", "0", "0", "0", "1"), "number of resources"),
        (("1", "0", "0", "0", "1", "acme", "", "0", "65"), "number of resources"),
        (("1", "0", "0", "0", "1", "acme", "", "1", "1", "1", "1"), "call id"),
        (("1", "0", "0", "0", "1", "acme", "", "0", "2", "1", "1"), "number of KEYS"),
        (("1", "0", "0", "0", "1", "acme", "", "0", "1", "1"), "number of ARGV"),
        (("1", "0", "0", "0", "1", "acme", "", "0", "1", "1", "1"), "number of a term"),
    ],
)
async def test_a_script_call_that_makes_no_sense_is_told_what_is_wrong(
    redis: Redis, arguments: Sequence[str], what: str
) -> None:
    """Every structural mistake of another program has its own words."""
    text = Script(*CONSUME).text

    keys = [f"{{one slot}}{name}" for name in "ercoz"]

    reply = await ask(redis, "EVAL", text, 5, *keys, *arguments)

    assert reply == [[b"bad", what.encode()]]
    assert await redis.keys("*") == []
