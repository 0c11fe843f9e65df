"""Mistakes that other counting systems shipped, one test each."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.contexts import CALLS, IMAGES, SEATS, STORAGE
from tests.support.raw import expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import BadInput, MeterdeckError, NotFound, Refused
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
ACTOR = Actor("ada", "local")


async def used(usage: UsageService, resource: str = CALLS) -> object:
    """Return what acme has used."""
    rows = await usage.peek("acme")
    return next(each.used for each in rows if each.resource == resource)


async def counter(redis: Redis, resource: str = CALLS) -> bytes:
    """Name acme's counter of this month."""
    label = calendar_month(await server_time(redis)).label
    return LAYOUT.counter("acme", resource, label)


# -- D1: check and increment ------------------------------------------------------


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
    assert await redis.get(await counter(redis, IMAGES)) == b"8"
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
    await redis.set(await counter(redis), 900)

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

    await changes.adjust(
        Adjustment(
            TenantId("acme"), IMAGES, AdjustKind.RESET, 0, None, Bill.QUOTA_ONLY, "paid"
        ),
        actor=ACTOR,
        operation_id="op-1",
    )

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


# -- D2: expiry -------------------------------------------------------------------


async def test_d2_every_counter_has_an_expiry_after_its_first_write(
    redis: Redis, usage: UsageService
) -> None:
    """Of each resource of a call, and by a reservation (upstash 33ada2f)."""
    await usage.consume("acme", {CALLS: 1, STORAGE: 1})
    await usage.reserve("acme", {IMAGES: 1}, ttl=timedelta(minutes=1))

    for resource in (CALLS, STORAGE, IMAGES):
        assert await expiry_ms(redis, await counter(redis, resource)) > 0


async def test_d2_a_counter_back_at_zero_keeps_its_expiry(
    redis: Redis, usage: UsageService
) -> None:
    """After everything was given back the next call is no first call (limits)."""
    key = await counter(redis)
    await usage.consume("acme", {CALLS: 4}, call_id="req-1")
    earlier = await expiry_ms(redis, key) - 5000
    await redis.pexpireat(key, earlier)

    await usage.release("acme", "req-1")
    await usage.consume("acme", {CALLS: 4})

    assert await expiry_ms(redis, key) == earlier


# -- D3, D4: periods and resets ---------------------------------------------------


async def test_d4_a_plan_change_in_mid_period_keeps_usage(
    redis: Redis, usage: UsageService
) -> None:
    """Only the limit changes, by month and by cycle alike (polar 6e1d2513e1)."""
    anchor = str(int((await server_time(redis)).timestamp()) - 86_400)
    entry = {"anchor": anchor, "interval": "month", "interval_count": "1"}
    key = LAYOUT.tenant("acme")
    limits = {"limit:api_calls": "50", "limit:seats": "5"}
    for name, value in {**entry, **limits, "plan": "small"}.items():
        await redis.hset(key, name, value)
    await usage.consume("acme", {CALLS: 50, SEATS: 5})

    await redis.hset(key, mapping={"limit:api_calls": "60", "limit:seats": "6"})

    made = await usage.consume("acme", {CALLS: 10, SEATS: 1})
    assert [each.current for each in made.resources] == [60, 6]
    assert not (await usage.consume("acme", {SEATS: 1})).allowed


async def test_d4_a_changed_anchor_begins_a_period_and_keeps_what_was_counted(
    redis: Redis, usage: UsageService
) -> None:
    """As Stripe's bill does: calendar months go on, the billing cycle's old counter
    stays for the bill of its own days, and its calls can still be released."""
    now = int((await server_time(redis)).timestamp())
    entry = {"anchor": str(now - 10 * 86_400), "interval": "month"}
    for name, value in entry.items():
        await redis.hset(LAYOUT.tenant("acme"), name, value)
    first = await usage.consume("acme", {CALLS: 7, SEATS: 5}, call_id="req-1")
    old = first.resources[1].period.label

    await redis.hset(LAYOUT.tenant("acme"), "anchor", str(now - 5 * 86_400))
    after = await usage.consume("acme", {CALLS: 1, SEATS: 1})

    calls, seats = after.resources
    assert (calls.current, seats.current) == (8, 1)
    assert seats.period.label != old
    assert await redis.get(LAYOUT.counter("acme", SEATS, old)) == b"5"
    await usage.release("acme", "req-1", {SEATS: 2})
    assert await redis.get(LAYOUT.counter("acme", SEATS, old)) == b"3"


# -- D5: repeats ------------------------------------------------------------------


async def test_d5_an_id_is_claimed_in_the_step_that_counts(
    redis: Redis, usage: UsageService
) -> None:
    """A call that fails leaves its id free: the retry counts (openmeter 5118)."""
    key = await counter(redis)
    await redis.set(key, "broken")
    with pytest.raises(MeterdeckError):
        await usage.consume("acme", {CALLS: 2}, call_id="req-1")
    await redis.set(key, 5)

    again = await usage.consume("acme", {CALLS: 2}, call_id="req-1")

    assert (again.replayed, again.resources[0].current) == (False, 7)


async def test_d5_an_id_is_neither_too_narrow_nor_too_wide(
    usage: UsageService,
) -> None:
    """It is one tenant's, whatever the moment, and stands for one request
    (lago ed77e6bbc)."""
    for tenant in ("acme", "globex"):
        assert not (await usage.consume(tenant, {CALLS: 1}, call_id="id")).replayed
    with pytest.raises(Refused):
        await usage.consume("acme", {IMAGES: 1}, call_id="id")
    for call_id in ("id-2", "id-3"):  # two calls in one moment
        assert not (await usage.consume("acme", {CALLS: 1}, call_id=call_id)).replayed

    assert await used(usage) == 3


async def test_d5_an_empty_selector_is_an_error(usage: UsageService) -> None:
    """It never means everybody (flexprice 02171502e)."""
    with pytest.raises(BadInput):
        await usage.consume("", {CALLS: 1})
    with pytest.raises(BadInput):
        await usage.release("", "req-1")
    with pytest.raises(BadInput):
        await usage.release("acme", "")
    with pytest.raises(BadInput):
        await usage.refusals("")


# -- D7: numbers ------------------------------------------------------------------


async def test_d7_fractions_are_counted_in_whole_units(
    usage: UsageService,
) -> None:
    """A tenth of a gigabyte, ten times, is one: no float anywhere (lago a65e674da)."""
    for _ in range(10):
        await usage.consume("acme", {STORAGE: 100})

    assert await used(usage, STORAGE) == 1000


async def test_d7_what_cannot_be_exact_is_refused_near_the_largest_number(
    redis: Redis, usage: UsageService
) -> None:
    """2^53 is reached exactly and not passed, by release and count alike
    (autumn 2522)."""
    await redis.hset(LAYOUT.tenant("acme"), "limit:api_calls", "unlimited")
    await usage.consume("acme", {CALLS: LARGEST - 1}, call_id="big")
    await usage.consume("acme", {CALLS: 1})

    with pytest.raises(Refused, match="2\\^53"):
        await usage.consume("acme", {CALLS: 1})
    await usage.release("acme", "big")

    assert await used(usage) == 1


ODD = [
    "NaN",
    "inf",
    "-inf",
    "1e3",
    "0x10",
    " 7 ",
    "1_000",
    "٣",
    str(LARGEST + 1),
    "007",
]


@pytest.mark.parametrize("text", ODD)
async def test_odd_numbers_in_redis_are_broken_in_every_place(
    redis: Redis, usage: UsageService, context: Context, text: str
) -> None:
    """Counter, plan's limit, override: refused, and left as it is."""
    places = {
        "limit": (LAYOUT.tenant("acme"), "limit:api_calls"),
        "override": (LAYOUT.override("acme", CALLS), "units"),
    }
    for key, name in places.values():
        await redis.hset(key, name, text)
        with pytest.raises(MeterdeckError):
            await usage.consume("acme", {CALLS: 1})
        assert await redis.hget(key, name) == text.encode()
        await redis.delete(key)
    await redis.set(await counter(redis), text)
    with pytest.raises(MeterdeckError):
        await usage.consume("acme", {CALLS: 1})
    assert await redis.get(await counter(redis)) == text.encode()


async def test_an_unknown_id_is_never_taken_for_done(usage: UsageService) -> None:
    """Nothing is given back for a call nobody made (gubernator 157)."""
    await usage.consume("acme", {CALLS: 3})

    with pytest.raises(NotFound):
        await usage.release("acme", "never")

    assert await used(usage) == 3
