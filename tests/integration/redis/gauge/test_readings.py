"""Gauges: a level that readings set and that does not reset."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.redis.gauge.level import level_key, row
from tests.support.contexts import DISK
from tests.support.desk import Desk
from tests.support.proxy import Proxy
from tests.support.raw import expiry_ms

from meterdeck.core.adapters.redis_client import (
    Redis,
    from_milliseconds,
    open_redis,
    server_time,
)
from meterdeck.core.errors import Refused, UnknownOutcome
from meterdeck.core.model.changes import AdjustKind
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import ENDLESS
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
HOUR = timedelta(hours=1)


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
