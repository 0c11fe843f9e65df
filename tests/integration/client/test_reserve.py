"""Reservations by the client: held for a block, with Redis and without it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.integration.client.test_release import closed
from tests.support.away import NOWHERE, through_a_proxy
from tests.support.contexts import CALLS, IMAGES
from tests.support.metering import (
    counted,
    done,
    library_context,
    spooled,
    until,
)
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.client import (
    Counting,
    Decision,
    Degraded,
    MeterClient,
    Reason,
    SyncMeterClient,
)
from meterdeck.core.errors import (
    BadInput,
    NotFound,
    ReadOnly,
    RedisUnreachable,
    Refused,
    UnknownOutcome,
)
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def commands(info: object) -> dict[str, int]:
    """Return how often each command was called, from INFO commandstats."""
    assert isinstance(info, dict)
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in info.items()}


class Failed(Exception):
    """The work of a block failed."""


async def held_and_used(meter: MeterClient, resource: str) -> tuple[object, int]:
    """Return what acme has used of a resource, and how much of it is reserved."""
    row = next(r for r in await meter.peek("acme") if r.resource == resource)
    return row.used, row.reserved


async def never_used(meter: MeterClient, resource: str) -> None:
    """Wait until nothing is used of a resource any more."""
    async with asyncio.timeout(30):
        while await held_and_used(meter, resource) != (0, 0):
            pass


async def test_a_block_confirms_what_it_reserved(context: Context) -> None:
    """While it runs the units are reserved, afterwards they are used."""
    async with MeterClient.open(context) as meter:
        async with meter.reserved("acme", {IMAGES: 4}, ttl=MINUTE) as held:
            assert held.allowed
            assert await held_and_used(meter, IMAGES) == (4, 4)

        assert await held_and_used(meter, IMAGES) == (4, 0)


async def test_a_block_keeps_what_it_says_it_used(context: Context) -> None:
    """The rest is given back; the last word counts; nonsense is refused at once."""
    async with MeterClient.open(context) as meter:
        async with meter.reserved("acme", {IMAGES: 4}, ttl=MINUTE) as held:
            held.keep({IMAGES: 1})
            held.keep({IMAGES: 3})
            with pytest.raises(BadInput, match="is no amount"):
                held.keep({IMAGES: -1})

        assert await held_and_used(meter, IMAGES) == (3, 0)


@pytest.mark.parametrize("error", [Failed, asyncio.CancelledError])
async def test_a_block_that_raises_gives_everything_back(
    context: Context, error: type[BaseException]
) -> None:
    """And its own error is what comes out of it."""
    async with MeterClient.open(context) as meter:
        with pytest.raises(error):
            async with meter.reserved("acme", {IMAGES: 4}, ttl=MINUTE):
                raise error

        assert await held_and_used(meter, IMAGES) == (0, 0)


async def test_a_block_without_a_reservation_ends_without_a_word(
    context: Context,
) -> None:
    """It is told that it may not work, and nothing is confirmed or released."""
    async with MeterClient.open(context) as meter:
        async with meter.reserved("acme", {IMAGES: 11}, ttl=MINUTE) as held:
            assert not held.allowed
            assert isinstance(held.answer, Decision)
        with pytest.raises(Failed):
            async with meter.reserved("acme", {IMAGES: 11}, ttl=MINUTE):
                raise Failed

        assert await held_and_used(meter, IMAGES) == (0, 0)


async def test_a_block_that_takes_longer_than_its_time_is_told(
    context: Context,
) -> None:
    """The units are given back by then: the work is done and is not counted."""
    async with MeterClient.open(context) as meter:
        with pytest.raises(NotFound, match="has expired"):
            async with meter.reserved("acme", {IMAGES: 4}, ttl=SECOND):
                await never_used(meter, IMAGES)


async def test_a_reservation_is_made_and_settled_apart_from_a_block(
    context: Context,
) -> None:
    """By its id, by whoever has it; limits count as in consume."""
    async with MeterClient.open(context) as meter:
        made = await meter.reserve(
            "acme", {"seats": 3}, ttl=MINUTE, call_id="job-1", limits={"seats": 5}
        )
        over = await meter.reserve(
            "acme", {"seats": 3}, ttl=MINUTE, limits={"seats": 5}
        )
        back = done(await meter.confirm("acme", "job-1", {"seats": 2}))

        assert (made.allowed, made.call_id) == (True, "job-1")
        assert not over.allowed
        assert back.resources[0].given_back == 1
        with pytest.raises(Refused, match="confirmed before, in another way"):
            await meter.release("acme", "job-1")
        with pytest.raises(BadInput, match="1 second to 24 hours"):
            await meter.reserve("acme", {"seats": 1}, ttl=timedelta(days=2))
        with pytest.raises(BadInput, match="leave amounts out"):
            await meter.confirm("acme", "job-1", {})


# -- lost answers, without a spool ---------------------------------------------


async def test_a_reservation_whose_answer_is_lost_is_asked_for_once_more(
    context: Context,
) -> None:
    """By its id, so that there is one."""
    async with through_a_proxy(closed(context)) as (proxy, meter):
        await meter.consume("acme", {IMAGES: 1})
        proxy.lose_next_answer()

        made = await meter.reserve("acme", {IMAGES: 4}, ttl=MINUTE)

        assert isinstance(made, Decision)
        assert made.allowed
        assert made.replayed
        assert await held_and_used(meter, IMAGES) == (5, 4)


async def test_a_reservation_nobody_answers_is_refused_and_gives_itself_back(
    context: Context,
) -> None:
    """Failing closed: it may have been made, and nobody works on it."""
    async with through_a_proxy(closed(context)) as (proxy, meter):
        await meter.consume("acme", {CALLS: 1})
        proxy.lose_next_answer(times=2)

        made = await meter.reserve("acme", {IMAGES: 4}, ttl=SECOND)

        assert isinstance(made, Degraded)
        assert not made.allowed
        assert made.reason is Reason.ANSWER_LOST
        assert made.counting is Counting.UNKNOWN
        assert made.call_id
        await never_used(meter, IMAGES)


async def test_a_block_whose_confirmation_is_lost_says_that_nobody_knows(
    context: Context,
) -> None:
    """The work is done; whether it stays counted is settled by the same id."""
    async with through_a_proxy(closed(context)) as (proxy, meter):
        with pytest.raises(UnknownOutcome) as unknown:
            async with meter.reserved("acme", {IMAGES: 4}, ttl=MINUTE) as held:
                proxy.lose_next_answer(times=2)

        assert unknown.value.operation_id == held.call_id
        back = done(await meter.confirm("acme", held.call_id))
        assert back.resources[0].given_back == 0
        assert await held_and_used(meter, IMAGES) == (4, 0)


async def test_a_block_that_raises_is_not_drowned_by_a_release_that_fails(
    context: Context,
) -> None:
    """Its error has a note: the units come back when the time is over."""
    async with through_a_proxy(closed(context)) as (proxy, meter):

        async def work() -> None:
            async with meter.reserved("acme", {IMAGES: 4}, ttl=MINUTE):
                proxy.lose_next_answer(times=2)
                raise Failed

        with pytest.raises(Failed) as failed:
            await work()

        (note,) = failed.value.__notes__
        assert "was not released" in note
        assert "given back when its time is over" in note


async def test_without_redis_and_failing_closed_nothing_is_reserved(
    spool_dir: Path,
) -> None:
    """Surely not: it was never sent. Settling says the same."""
    context = closed(library_context(NOWHERE, spool_dir))
    async with MeterClient.open(context) as meter:
        made = await meter.reserve("acme", {CALLS: 4}, ttl=MINUTE)

        assert isinstance(made, Degraded)
        assert (made.allowed, made.counting) == (False, Counting.NOT_COUNTED)
        with pytest.raises(RedisUnreachable):
            await meter.confirm("acme", "job-1")
        for _ in range(context.library.circuit_failures):
            await meter.reserve("acme", {CALLS: 4}, ttl=MINUTE)
        with pytest.raises(BadInput, match="1 second to 24 hours"):
            await meter.reserve("acme", {CALLS: 4}, ttl=timedelta(0))


@pytest.mark.parametrize("url", [NOWHERE, ""])
async def test_a_read_only_context_reserves_and_settles_nothing(
    context: Context, url: str
) -> None:
    """With Redis or without it."""
    redis = replace(context.redis, url=url or context.redis.url)
    async with MeterClient.open(replace(context, read_only=True, redis=redis)) as meter:
        for _ in range(6):
            with pytest.raises(ReadOnly):
                await meter.reserve("acme", {CALLS: 1}, ttl=MINUTE)
            with pytest.raises(ReadOnly):
                await meter.confirm("acme", "job-1")
        assert spooled(meter).calls == 0


# -- time that is over ---------------------------------------------------------


async def test_what_expires_is_given_back_though_nobody_calls(
    context: Context, valkey_client: Redis
) -> None:
    """The client looks now and then: the counter of a quiet tenant falls by itself."""
    library = replace(context.library, give_back_s=0.1)
    async with MeterClient.open(replace(context, library=library)) as meter:
        await meter.consume("quiet", {IMAGES: 1})
        await meter.reserve("quiet", {IMAGES: 4}, ttl=SECOND)
        assert await counted(context.redis.url, "quiet", IMAGES) == 5

        async with asyncio.timeout(30):
            while await counted(context.redis.url, "quiet", IMAGES) != 1:
                pass

        assert not await valkey_client.exists("meterdeck:reserving")


async def test_where_nothing_expires_a_look_is_one_read(
    context: Context, valkey_client: Redis
) -> None:
    """No script is run, whatever is reserved and has not expired."""
    async with MeterClient.open(context) as meter:
        await meter.reserve("acme", {IMAGES: 4}, ttl=MINUTE)
    await ask(valkey_client, "CONFIG", "RESETSTAT")
    library = replace(context.library, give_back_s=0.02)
    async with MeterClient.open(replace(context, library=library)):
        async with asyncio.timeout(30):
            while True:
                calls = commands(await valkey_client.info("commandstats"))
                if calls.get("zrangebyscore", 0) > 5:
                    break

    assert "evalsha" not in calls


async def test_looking_goes_on_after_an_outage(mortal: Valkey, spool_dir: Path) -> None:
    """And a server that is away is not looked at in vain: the circuit is open."""
    context = closed(library_context(mortal.url, spool_dir, give_back_s=0.05))
    async with MeterClient.open(context) as meter:
        await mortal.kill()
        for _ in range(context.library.circuit_failures):
            await meter.consume("acme", {IMAGES: 1})
        await mortal.start()
        await until(lambda: meter.status().circuit.state == "closed")
        await meter.reserve("acme", {IMAGES: 4}, ttl=SECOND)

        async with asyncio.timeout(30):
            while await counted(mortal.url, "acme", IMAGES) != 0:
                pass


# -- threads -------------------------------------------------------------------


def test_threads_reserve_too(context: Context) -> None:
    """Blocks, confirmations and releases without an event loop."""
    with SyncMeterClient.open(context) as meter:
        with meter.reserved("acme", {IMAGES: 4}, ttl=MINUTE) as held:
            held.keep({IMAGES: 3})
        with pytest.raises(Failed), meter.reserved("acme", {IMAGES: 4}, ttl=MINUTE):
            raise Failed
        made = meter.reserve("acme", {IMAGES: 2}, ttl=MINUTE)
        back = done(meter.confirm("acme", made.call_id))
        row = next(r for r in meter.peek("acme") if r.resource == IMAGES)

        assert back.resources[0].current == 5
        assert (row.used, row.reserved) == (5, 0)
