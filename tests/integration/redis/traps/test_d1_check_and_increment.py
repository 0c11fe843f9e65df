"""Mistakes that other counting systems shipped: check and increment."""

import asyncio

import pytest
from tests.support.acme import ACTOR, counter_key, reset, used
from tests.support.contexts import CALLS, IMAGES, SEATS
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.errors import BadInput, NotFound
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_d1_denied_calls_do_not_inflate_the_counter(
    redis: Redis, usage: UsageService
) -> None:
    """100 denied calls, then a higher limit: it helps at once (envoy 185)."""
    await usage.consume("acme", {IMAGES: 10})
    for _ in range(100):
        await usage.consume("acme", {IMAGES: 1})

    await redis.hset(LAYOUT.override("acme", IMAGES), "units", "11")

    assert (await usage.consume("acme", {IMAGES: 1})).allowed


async def test_d1_a_cost_above_what_is_left_stores_nothing_negative(
    redis: Redis, usage: UsageService
) -> None:
    """Cost 5 with 2 left is refused, and a huge cost locks nothing (upstash 156)."""
    await usage.consume("acme", {IMAGES: 8})

    short = await usage.consume("acme", {IMAGES: 5})
    huge = await usage.consume("acme", {IMAGES: LARGEST})

    assert short.resources[0].reason is Refusal.OVER_LIMIT
    assert huge.resources[0].reason is Refusal.LARGER_THAN_LIMIT
    assert await redis.get(await counter_key(redis, LAYOUT, IMAGES)) == b"8"
    assert (await usage.consume("acme", {IMAGES: 2})).allowed


async def test_d1_two_limits_the_first_is_not_drained_by_the_second(
    usage: UsageService,
) -> None:
    """All or nothing, and the answer says which one failed (unkey 4080)."""
    for _ in range(50):
        made = await usage.consume("acme", {CALLS: 1, IMAGES: 11})
        assert [each.refused for each in made.resources] == [False, True]

    assert await used(usage) == 0


async def test_d1_rejected_calls_never_clamp_anothers_increment(
    redis: Redis, usage: UsageService
) -> None:
    """Nothing is taken back after a denial: the sum is exact (worldmonitor 7272)."""
    await redis.set(await counter_key(redis, LAYOUT), 900)

    made = await asyncio.gather(
        *(usage.consume("acme", {CALLS: 1 + 60 * (at % 2)}) for at in range(300))
    )

    took = sum(1 + 60 * (at % 2) for at, each in enumerate(made) if each.allowed)
    assert await used(usage) == 900 + took == 1000


@pytest.mark.parametrize("amount", [-1, -LARGEST, 0])
async def test_d1_a_negative_cost_is_no_credit(
    usage: UsageService, amount: int
) -> None:
    """Giving back is `release`, of one call, at most what it took (twenty 25278)."""
    with pytest.raises(BadInput):
        await usage.consume("acme", {CALLS: amount})
    await usage.consume("acme", {CALLS: 3}, call_id="req-1")
    with pytest.raises(BadInput):
        await usage.release("acme", "req-1", {CALLS: -5})

    await usage.release("acme", "req-1", {CALLS: 500})

    assert await used(usage) == 0


async def test_d1_a_lost_reply_does_not_lose_the_way_to_undo(
    usage: UsageService,
) -> None:
    """The id is kept in the step that counts: repeat or release it (stella 1210)."""
    await usage.consume("acme", {CALLS: 3}, call_id="req-1")

    assert (await usage.consume("acme", {CALLS: 3}, call_id="req-1")).replayed
    assert (await usage.release("acme", "req-1")).resources[0].given_back == 3
    assert await used(usage) == 0


async def test_d1_no_cache_remembers_that_a_tenant_was_blocked(
    usage: UsageService, changes: OperatorChanges
) -> None:
    """A reset and an override are seen by the next call (upstash 1ba7e3b)."""
    await usage.consume("acme", {IMAGES: 10})
    assert not (await usage.consume("acme", {IMAGES: 1})).allowed

    await reset(changes, IMAGES, "op-1")

    assert (await usage.consume("acme", {IMAGES: 10})).allowed
    await changes.set_override(
        "acme",
        IMAGES,
        11,
        expires_at=None,
        actor=ACTOR,
        reason="r",
        operation_id="op-2",
    )
    assert (await usage.consume("acme", {IMAGES: 1})).allowed


async def test_d1_a_call_sent_again_after_something_changed_counts_once(
    redis: Redis, context: Context
) -> None:
    """A client that knows no time, then an old billing cycle, then a server without
    scripts sends each call twice, and it counts once (apisix 13950)."""
    usage = UsageService(redis, context)
    now = int((await server_time(redis)).timestamp())
    for days in (10, 5):
        anchor = {"anchor": str(now - days * 86_400), "interval": "month"}
        await redis.hset(LAYOUT.tenant("acme"), mapping=anchor)  # type: ignore[arg-type]  # str is fine
        made = await usage.consume("acme", {CALLS: 1, SEATS: 1})
        assert made.resources[1].current == 1
    await ask(redis, "SCRIPT", "FLUSH")
    await usage.consume("acme", {CALLS: 1, SEATS: 1})

    assert (await used(usage), await used(usage, SEATS)) == (3, 2)


async def test_d1_a_counter_is_named_by_its_resource_and_not_by_its_limit(
    redis: Redis, usage: UsageService, changes: OperatorChanges
) -> None:
    """Equal limits share nothing, another limit begins nothing anew, and no tenant's
    name reaches into another's counter (unkey ce0505d374, 2e8de264ae)."""
    both: dict[str, int] = {CALLS: 3, IMAGES: 4}
    await usage.consume("acme", both, limits={CALLS: 7, IMAGES: 7})
    await usage.consume(f"acme:{CALLS}", {CALLS: 5})
    await changes.set_override(
        "acme",
        CALLS,
        9,
        expires_at=None,
        actor=ACTOR,
        reason="r",
        operation_id="op-1",
    )

    assert (await used(usage), await used(usage, IMAGES)) == (3, 4)
    assert await redis.get(await counter_key(redis, LAYOUT)) == b"3"
    assert (await usage.peek(f"acme:{CALLS}"))[0].used == 5


async def test_d1_nobody_passes_between_the_check_and_the_act(
    context: Context, redis: Redis
) -> None:
    """Three programs, a hundred calls each at the same time, 10 left: 10 are allowed
    (polar 547b856c00)."""
    clients = [open_redis(context.redis) for _ in range(3)]
    programs = [UsageService(each, context) for each in clients]

    made = await asyncio.gather(
        *(programs[at % 3].consume("acme", {IMAGES: 1}) for at in range(300))
    )

    assert sum(each.allowed for each in made) == 10
    assert await redis.get(await counter_key(redis, LAYOUT, IMAGES)) == b"10"
    for each in clients:
        await each.aclose()


async def test_d1_an_unknown_id_is_never_taken_for_done(usage: UsageService) -> None:
    """Nothing is given back for a call nobody made (gubernator 157)."""
    await usage.consume("acme", {CALLS: 3})

    with pytest.raises(NotFound):
        await usage.release("acme", "never")

    assert await used(usage) == 3
