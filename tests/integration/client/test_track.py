"""Use that is billed by events, in the client: once, whatever Redis does."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.support.away import NOWHERE, left_behind, settled, through_a_proxy
from tests.support.contexts import RENDERS, with_events
from tests.support.metering import counted, library_context, replayed, spooled, until
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.client import (
    Counting,
    Decision,
    Degraded,
    MeterClient,
    SyncMeterClient,
)
from meterdeck.core.errors import BadInput, Unreachable
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.degraded import SpooledCall, SpooledKind
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import OnFault, TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

ACME = TenantId("acme")


def opened(context: Context) -> Context:
    """Return a context with a resource that is billed by events and fails open."""
    found = with_events(context)
    *others, renders = found.resources
    return replace(
        found, resources=(*others, replace(renders, on_fault=OnFault.FAIL_OPEN))
    )


@pytest.fixture
def context(context: Context) -> Context:
    """The same context with such a resource."""
    return opened(context)


def use(at: datetime, call_id: str, *, sent: bool = False) -> SpooledCall:
    """Return a spooled use of acme's."""
    plain = SpooledCall(call_id, ACME, ((RENDERS, 7),), at, True, sent)
    return replace(plain, kind=SpooledKind.TRACK, dimensions=(("size", "xl"),))


async def queued(url: str) -> list[dict[str, str]]:
    """Return the fields of every queued event, asked directly."""
    client = open_redis(RedisOptions(url=url, timeout_s=10.0))
    try:
        found: list[tuple[bytes, dict[bytes, bytes]]]
        found = await ask(client, "XRANGE", "meterdeck:queue", "-", "+")
        return [
            {name.decode(): value.decode() for name, value in fields.items()}
            for _, fields in found
        ]
    finally:
        await client.aclose()


async def test_it_is_answered_by_redis_where_it_answers(context: Context) -> None:
    """With an id of its own, where the caller gives none."""
    async with MeterClient.open(context) as meter:
        made = await meter.track("acme", RENDERS, meter.units(RENDERS, "1.5"))
        over = await meter.track("acme", RENDERS, 51, limits={RENDERS: 200})

    assert isinstance(made, Decision)
    assert (made.allowed, made.resources[0].current, over.allowed) == (True, 150, False)
    assert made.call_id
    assert [each["value"] for each in await queued(context.redis.url)] == ["1.5"]


def test_it_is_the_same_for_threads(context: Context) -> None:
    """With dimensions, a time and an id."""
    with SyncMeterClient.open(context) as meter:
        made = [
            meter.track("acme", RENDERS, 2, dimensions={"a": "b"}, call_id="r-1")
            for _ in range(2)
        ]

    assert [each.replayed for each in made if isinstance(each, Decision)] == [
        False,
        True,
    ]


async def test_where_it_fails_closed_nothing_is_kept(spool_dir: Path) -> None:
    """The default: refused, and neither counted nor queued later."""
    closed = with_events(library_context(NOWHERE, spool_dir))
    async with MeterClient.open(closed) as meter:
        answer = await meter.track("acme", RENDERS)

        assert isinstance(answer, Degraded)
        assert not answer.allowed
        assert answer.counting is Counting.NOT_COUNTED
        assert spooled(meter).calls == 0


async def test_what_was_used_without_redis_is_counted_and_queued_once_it_is_back(
    mortal: Valkey, spool_dir: Path
) -> None:
    """With its dimensions, and the second in which it was used, or the caller's."""
    context = opened(library_context(mortal.url, spool_dir))
    async with MeterClient.open(context) as meter:
        first = await meter.track("acme", RENDERS, 1)
        assert isinstance(first, Decision)
        period = first.resources[0].period
        await mortal.kill()
        answer = await meter.track("acme", RENDERS, 20, dimensions={"b": "2", "a": "1"})
        await meter.track("acme", RENDERS, 300, timestamp=period.start)
        early = period.start - timedelta(days=36)
        with pytest.raises(BadInput, match="more than 35 days ago"):
            await meter.track("acme", RENDERS, 1, timestamp=early)
        await mortal.start()
        await replayed(meter)

        assert isinstance(answer, Degraded)
        assert (answer.allowed, answer.counting) == (True, Counting.SPOOLED)
        assert spooled(meter).unsettled == 0
    events = {each["units"]: each for each in await queued(mortal.url)}
    assert sorted(events) == ["1", "20", "300"]
    assert json.loads(events["20"]["dimensions"]) == {"a": "1", "b": "2"}
    assert events["300"]["timestamp"] == str(int(period.start.timestamp()))
    assert await counted(mortal.url, "acme", RENDERS) == 321


async def test_a_lost_answer_is_counted_and_queued_once(context: Context) -> None:
    """Also where Redis had refused it: the caller was told to go on."""
    async with through_a_proxy(context) as (proxy, meter):
        await meter.track("acme", RENDERS, 1)
        proxy.lose_next_answer(times=2)
        once = await meter.track("acme", RENDERS, 20)
        await replayed(meter)
        proxy.lose_next_answer(times=2)
        beyond = await meter.track("acme", RENDERS, 300, limits={RENDERS: 22})
        await replayed(meter)

        assert [each.allowed for each in (once, beyond)] == [True, True]
        assert spooled(meter).unsettled == 0
    units = [each["units"] for each in await queued(context.redis.url)]
    assert units == ["1", "20", "300"]
    assert await counted(context.redis.url, "acme", RENDERS) == 321


async def test_it_is_counted_in_the_period_in_which_it_was_used_and_told_once(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """What Stripe would not take, and what nobody knows of, is put aside."""
    now = await server_time(valkey_client)
    before = calendar_month(now).start - timedelta(seconds=1)
    left = [
        use(before, "r-1"),
        use(before, "r-1"),
        use(now - timedelta(days=36), "r-2"),
        use(now - timedelta(minutes=15), "r-3", sent=True),
    ]
    left_behind(spool_dir, *left)

    assert await settled(context) == 2
    (event,) = await queued(context.redis.url)
    label = calendar_month(before).label
    assert (event["period"], event["timestamp"]) == (
        label,
        str(int(before.timestamp())),
    )
    assert await counted(context.redis.url, "acme", RENDERS, label) == 7
    assert await counted(context.redis.url, "acme", RENDERS) == 0


async def test_a_server_that_is_killed_at_any_moment_has_counted_what_it_has_queued(
    mortal: Valkey, spool_dir: Path
) -> None:
    """Between the two there is no moment; and what it answered is there."""
    context = with_events(library_context(mortal.url, spool_dir))
    answered = 0

    async def track_until_it_dies(usage: UsageService, number: int) -> None:
        nonlocal answered
        with suppress(Unreachable):
            while True:
                await usage.track("acme", RENDERS, number)
                answered += number

    for _ in range(4):
        redis = open_redis(context.redis)
        usage = UsageService(redis, context)
        calls = [track_until_it_dies(usage, number) for number in range(1, 9)]
        async with asyncio.TaskGroup() as group:
            for each in calls:
                group.create_task(each)
            before = answered
            await until(lambda before=before: answered > before + 200)  # type: ignore[misc]  # an int
            await mortal.kill()
        await redis.aclose()
        await mortal.start()

        events = await queued(mortal.url)
        assert await counted(mortal.url, "acme", RENDERS) == sum(
            int(each["units"]) for each in events
        )
        assert len({each["identifier"] for each in events}) == len(events)
        assert sum(int(each["units"]) for each in events) >= answered
