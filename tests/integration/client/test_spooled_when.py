"""A call kept on disk: the period it counts in, and for how long its id is known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.away import left_behind, settled, spooled_call
from tests.support.contexts import CALLS, IMAGES, SEATS
from tests.support.metering import counted
from tests.support.raw import ask, expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.spool_root import found_unsettled
from meterdeck.core.client import MeterClient
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import ResourceName, TenantId

DAY = timedelta(days=1)


async def test_a_call_is_counted_in_the_month_in_which_it_was_made(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """Redis comes back in the next month; the counter of the last one still counts."""
    month = calendar_month(await server_time(valkey_client))
    last = calendar_month(month.start - DAY / 2)
    left_behind(spool_dir, spooled_call(month.start - DAY / 2))

    assert await settled(context) == 0

    assert await counted(context.redis.url, "acme", CALLS, last.label) == 1
    assert await counted(context.redis.url, "acme", CALLS) == 0
    key = f"usage:acme:{CALLS}:{last.label}".encode()
    ends = last.end + 35 * DAY
    assert await expiry_ms(valkey_client, key) == int(ends.timestamp() * 1000)


async def test_a_clock_ahead_of_the_servers_counts_in_the_current_month(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """What was made cannot have been made later than now."""
    now = await server_time(valkey_client)
    left_behind(spool_dir, spooled_call(now + 40 * DAY, server_time=False))

    assert await settled(context) == 0

    assert await counted(context.redis.url, "acme", CALLS) == 1


async def test_a_call_is_counted_in_its_billing_cycle(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """The tenant's own period holds for what was spooled, too."""
    now = await server_time(valkey_client)
    anchor = (now - 20 * DAY).replace(hour=3, minute=0, second=0, microsecond=0)
    entry = ("meterdeck:tenant:acme", "interval", "day", "interval_count", 7)
    await ask(valkey_client, "HSET", *entry, "anchor", int(anchor.timestamp()))
    made = anchor + 8 * DAY  # in the second cycle; now is the third
    left_behind(spool_dir, spooled_call(made, amounts=((SEATS, 2),)))

    assert await settled(context) == 0

    label = (anchor + 7 * DAY).strftime("%Y-%m-%d")
    assert await counted(context.redis.url, "acme", SEATS, label) == 2


async def test_a_counted_call_is_seen_by_the_console_and_known_for_a_week(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """The index of changes names the tenant; the id outlives any crash of ours."""
    now = await server_time(valkey_client)
    left_behind(spool_dir, spooled_call(now))

    await settled(context)

    assert await ask(valkey_client, "ZSCORE", "meterdeck:changed", "acme")
    assert await ask(valkey_client, "TTL", "meterdeck:call:acme:req-1") > 6 * 86_400


async def test_a_call_that_redis_counted_is_known_for_a_week_once_it_was_asked_for(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """Ten minutes are not enough for a process that dies before it notes the answer."""
    async with MeterClient.open(context) as meter:
        await meter.consume("acme", {CALLS: 1}, call_id="req-1")
    now = await server_time(valkey_client)
    left_behind(spool_dir, spooled_call(now, sent=True))

    await settled(context)

    assert await counted(context.redis.url, "acme", CALLS) == 1
    assert await ask(valkey_client, "TTL", "meterdeck:call:acme:req-1") > 6 * 86_400


@pytest.mark.parametrize(
    ("minutes", "aside"), [(1, 0), (8, 0), (10, 1), (60 * 24 * 3, 1)]
)
async def test_a_call_that_may_be_counted_is_counted_only_while_redis_knows(
    context: Context, spool_dir: Path, valkey_client: Redis, minutes: int, aside: int
) -> None:
    """A lost answer is kept ten minutes; its absence after that proves nothing."""
    made = await server_time(valkey_client) - timedelta(minutes=minutes)
    left_behind(spool_dir, spooled_call(made, sent=True))

    assert await settled(context) == aside

    unsettled = found_unsettled(spool_dir)
    assert len(unsettled) == aside
    assert all("too long ago" in each.why for each in unsettled)
    label = calendar_month(made).label
    assert await counted(context.redis.url, "acme", CALLS, label) == 1 - aside


@pytest.mark.parametrize(("days", "aside"), [(6.9, 0), (7, 1)])
async def test_a_replay_that_was_broken_off_is_taken_up_only_while_redis_knows(
    context: Context,
    spool_dir: Path,
    valkey_client: Redis,
    days: float,
    aside: int,
) -> None:
    """A host that comes back after more than a week counts nothing twice."""
    now = await server_time(valkey_client)
    left_behind(spool_dir, spooled_call(now), begun_at=now - days * DAY)

    assert await settled(context) == aside

    assert await counted(context.redis.url, "acme", CALLS) == 1 - aside


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"amounts": ((ResourceName("unheard_of"), 1),)}, "has no resource"),
        ({"amounts": ((CALLS, 2**53),)}, "would pass 2^53"),
        ({"tenant": TenantId("broken")}, "not a whole number"),
        ({"call_id": "taken"}, "used for another change"),
        ({"at": datetime(2020, 1, 1, tzinfo=UTC)}, "of that time is gone"),
    ],
)
async def test_a_call_that_cannot_be_counted_is_put_aside_and_holds_up_nothing(
    context: Context,
    spool_dir: Path,
    valkey_client: Redis,
    more: dict[str, object],
    why: str,
) -> None:
    """What is behind it is counted; it waits for an operator, with the reason."""
    now = await server_time(valkey_client)
    now = now.replace(microsecond=0)
    label = calendar_month(now).label
    await valkey_client.set(f"usage:acme:api_calls:{label}", 1)
    await valkey_client.set(f"usage:broken:api_calls:{label}", "abc")
    async with MeterClient.open(context) as meter:
        await meter.consume("acme", {IMAGES: 1}, call_id="taken")
    bad = replace(spooled_call(now), **more)  # type: ignore[arg-type]  # by name
    left_behind(spool_dir, bad, spooled_call(now, call_id="good"))

    assert await settled(context) == 1

    (unsettled,) = found_unsettled(spool_dir)
    assert unsettled.call == bad
    assert why in unsettled.why
    assert await counted(context.redis.url, "acme", CALLS) == 2
