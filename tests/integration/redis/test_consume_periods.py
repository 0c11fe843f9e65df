"""Consuming in the current period only, by the server's clock; expiry."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.acme import counter_key, this_month
from tests.support.contexts import CALLS, SEATS
from tests.support.raw import expiry_ms
from tests.support.script_calls import script_call

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.resp import bulks
from meterdeck.core.adapters.script_lanes import lanes_of
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
DAY_MS = 86_400_000


@pytest.mark.parametrize("offset_s", [-86_400 * 31, 60])
async def test_a_period_that_is_not_current_writes_nothing(
    redis: Redis, offset_s: int
) -> None:
    """The server's clock decides: a period that is over, or to come, is answered
    with the server's time."""
    now = await server_time(redis)

    call = script_call(LAYOUT, "acme", now + timedelta(seconds=offset_s))
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
    assert await redis.get(await counter_key(redis, LAYOUT)) == b"1"


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
        LAYOUT,
        "acme",
        await server_time(redis),
        who=bulks((b"acme", b"1700000000 month 1")),
    )

    assert await lanes_of(redis).submit(call) == CycleMoved()
    assert await redis.keys("*") == []


async def test_a_new_counter_expires_a_fixed_time_after_its_period(
    redis: Redis, usage: UsageService
) -> None:
    """Expiry is the period's end plus 35 days; later calls do not move it."""
    made = await usage.consume("acme", {CALLS: 1})
    key = await counter_key(redis, LAYOUT)
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
    key = await counter_key(redis, LAYOUT)
    await redis.incr(key)
    await redis.expire(key, 35 * 86_400)
    expiry = await expiry_ms(redis, key)

    made = await usage.consume("acme", {CALLS: 2})

    assert made.resources[0].current == 3
    assert await expiry_ms(redis, key) == expiry
