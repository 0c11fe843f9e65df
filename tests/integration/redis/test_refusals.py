"""Why a call was refused: the records that refusals leave."""

import pytest
from tests.support.contexts import CALLS, IMAGES
from tests.support.raw import ask, expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import Refused
from meterdeck.core.model.decisions import Refusal
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import LimitSource
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
MOST_A_SECOND = 32


async def test_a_refusal_leaves_what_was_decided_and_on_what(
    redis: Redis, usage: UsageService
) -> None:
    """Before, cost, limit, its source, the period, the time and the call's id."""
    await redis.hset(LAYOUT.override("acme", IMAGES), "units", "5")
    await usage.consume("acme", {IMAGES: 4})
    before = await server_time(redis)

    await usage.consume("acme", {CALLS: 1, IMAGES: 2}, call_id="req-7")

    (record,) = await usage.refusals("acme")
    assert before <= record.at <= await server_time(redis)
    assert (record.resource, record.reason) == (IMAGES, Refusal.OVER_LIMIT)
    assert (record.before, record.cost, record.limit) == (4, 2, 5)
    assert record.source is LimitSource.OVERRIDE
    assert record.period == calendar_month(before)
    assert record.call_id == "req-7"


async def test_an_allowed_call_and_a_repeat_leave_no_record(
    usage: UsageService,
) -> None:
    """One refusal, one record: a repeated id gets the answer and writes nothing."""
    await usage.consume("acme", {CALLS: 1})
    for _ in range(3):
        await usage.consume("acme", {CALLS: 1001}, call_id="req-1")

    (record,) = await usage.refusals("acme")
    assert (record.reason, record.call_id) == (Refusal.LARGER_THAN_LIMIT, "req-1")


async def test_records_are_newest_first_and_each_tenants_own(
    usage: UsageService,
) -> None:
    """Another tenant's refusals are not among them."""
    for cost in (1001, 1002, 1003):
        await usage.consume("acme", {CALLS: cost})
    await usage.consume("globex", {CALLS: 2000})

    assert [each.cost for each in await usage.refusals("acme")] == [1003, 1002, 1001]
    assert [each.cost for each in await usage.refusals("acme", limit=1)] == [1003]


async def test_a_flood_of_refusals_writes_a_bounded_number_a_second(
    redis: Redis, usage: UsageService
) -> None:
    """A second that has its 32 records gets no 33rd; the next one does."""
    second = int((await server_time(redis)).timestamp()) + 3600
    key = LAYOUT.refusals("acme")
    for number in range(MOST_A_SECOND):
        await ask(redis, "XADD", key, f"{second * 1000}-{number}", "at", "0")

    made = await usage.consume("acme", {CALLS: 1001})

    assert not made.allowed
    assert await redis.xlen(key) == MOST_A_SECOND
    await ask(redis, "XTRIM", key, "MAXLEN", 0)
    for _ in range(2 * MOST_A_SECOND):
        assert not (await usage.consume("globex", {CALLS: 1001})).allowed
    found = await ask(redis, "XRANGE", LAYOUT.refusals("globex"), "-", "+")
    ids = [each for each, _ in found]
    assert all(int(each.split(b"-")[1]) < MOST_A_SECOND for each in ids)
    assert {int(each.split(b"-")[0]) % 1000 for each in ids} == {0}


@pytest.mark.not_on("sentinel")
async def test_records_are_capped_and_expire(redis: Redis, usage: UsageService) -> None:
    """A stream grown too long is cut by the next refusal, and has an expiry."""
    key = LAYOUT.refusals("acme")
    for number in range(3000):
        await ask(redis, "XADD", key, f"1-{number + 1}", "at", "0")

    await usage.consume("acme", {CALLS: 1001})

    assert await redis.xlen(key) <= 1200
    left_ms = (
        await expiry_ms(redis, key) - (await server_time(redis)).timestamp() * 1000
    )
    assert 34 * 86_400_000 < left_ms <= 35 * 86_400_000
    assert [each.cost for each in await usage.refusals("acme")] == [1001]


async def test_a_key_of_another_type_keeps_no_call_from_being_answered(
    redis: Redis, usage: UsageService
) -> None:
    """A refusal is a refusal, even if it cannot be written down."""
    await redis.set(LAYOUT.refusals("acme"), "mine")

    assert not (await usage.consume("acme", {CALLS: 1001})).allowed
    assert await redis.get(LAYOUT.refusals("acme")) == b"mine"
    with pytest.raises(Refused, match="does not hold a tenant's refusals"):
        await usage.refusals("acme")
