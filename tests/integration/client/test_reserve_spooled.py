"""Reserving and giving back by way of the spool, while Redis does not answer."""

import asyncio
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from tests.integration.client.test_reserve import Failed, commands, held_and_used
from tests.support.away import NOWHERE, through_a_proxy
from tests.support.contexts import CALLS, IMAGES
from tests.support.metering import (
    DEADLINE_S,
    counted,
    done,
    library_context,
    replayed,
    spooled,
    until,
)
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.spool_root import found_unsettled
from meterdeck.core.client import (
    Counting,
    Decision,
    Deferred,
    Degraded,
    MeterClient,
)
from meterdeck.core.errors import (
    BadInput,
    NotFound,
    RedisUnreachable,
    UnknownOutcome,
)
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


async def test_without_redis_and_failing_open_a_reservation_is_kept_as_use(
    mortal: Valkey, spool_dir: Path
) -> None:
    """It waits without an end for the word that ends it, from whichever process."""
    async with MeterClient.open(library_context(mortal.url, spool_dir)) as meter:
        await mortal.kill()
        made = await meter.reserve("acme", {CALLS: 9}, ttl=SECOND)
        assert isinstance(made, Degraded)
        assert (made.allowed, made.counting) == (True, Counting.SPOOLED)
        await mortal.start()
        await replayed(meter)

        assert await held_and_used(meter, CALLS) == (9, 9)
        back = done(await meter.confirm("acme", made.call_id, {CALLS: 7}))
        assert back.resources[0].given_back == 2
        assert await held_and_used(meter, CALLS) == (7, 0)
        again = await meter.reserve(
            "acme", {CALLS: 9}, ttl=SECOND, call_id=made.call_id
        )
        assert isinstance(again, Decision)
        assert again.replayed


@pytest.mark.parametrize("orphaned", [False, True])
async def test_what_is_said_of_a_call_in_the_spool_is_done_after_it(
    mortal: Valkey, spool_dir: Path, orphaned: bool
) -> None:
    """Confirmed, released, in part: none is lost and none is counted twice."""
    context = library_context(mortal.url, spool_dir)
    async with MeterClient.open(context) as meter:
        await mortal.kill()
        kept = await meter.reserve("acme", {CALLS: 100}, ttl=MINUTE)
        part = await meter.reserve("acme", {CALLS: 20}, ttl=MINUTE)
        gone = await meter.reserve("acme", {CALLS: 5}, ttl=MINUTE)
        used = await meter.consume("acme", {CALLS: 4})
        answers = [
            await meter.confirm("acme", kept.call_id),
            await meter.confirm("acme", part.call_id, {CALLS: 13}),
            await meter.release("acme", gone.call_id),
            await meter.release("acme", used.call_id, {CALLS: 3}),
        ]
        for answer, call in zip(answers, (kept, part, gone, used), strict=True):
            assert isinstance(answer, Deferred)
            assert answer.call_id == call.call_id
            assert "kept on local disk, to be done once" in answer.detail
        assert spooled(meter).calls == 8
        if not orphaned:
            await mortal.start()
            await replayed(meter)
    if orphaned:
        await mortal.start()
        async with MeterClient.open(context) as meter:
            await until(lambda: spooled(meter).replayed == 8)

    assert found_unsettled(spool_dir) == ()
    assert await counted(mortal.url, "acme", CALLS) == 114
    async with MeterClient.open(context) as meter:
        assert await held_and_used(meter, CALLS) == (114, 0)
        again = done(await meter.release("acme", used.call_id, {CALLS: 3}))
        assert again.replayed


async def test_a_release_comes_after_a_call_that_redis_does_not_know_yet(
    mortal: Valkey, spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is back and answers that there is no such call: it still waits on disk."""
    disk_goes_on = threading.Event()
    sync = os.fsync

    def held_back(file: int) -> None:
        assert disk_goes_on.wait(DEADLINE_S)
        sync(file)

    async with MeterClient.open(library_context(mortal.url, spool_dir)) as meter:
        await mortal.kill()
        for _ in range(6):
            used = await meter.consume("acme", {CALLS: 4})
        monkeypatch.setattr(os, "fsync", held_back)  # so that nothing is replayed
        await mortal.start()
        await until(lambda: meter.status().circuit.state == "closed")

        releasing = asyncio.create_task(meter.release("acme", used.call_id))
        client = open_redis(RedisOptions(url=mortal.url, timeout_s=10.0))
        async with asyncio.timeout(DEADLINE_S):
            while "eval" not in commands(await client.info("commandstats")):
                pass
        await client.aclose()
        disk_goes_on.set()
        answer = await releasing
        await replayed(meter)

        assert isinstance(answer, Deferred)
        assert "was not told of calls before this one yet" in answer.detail
        assert spooled(meter).unsettled == 0
    assert await counted(mortal.url, "acme", CALLS) == 20


async def test_a_block_works_the_same_without_redis(
    mortal: Valkey, spool_dir: Path
) -> None:
    """One is confirmed and one is released, and the program does not notice."""
    async with MeterClient.open(library_context(mortal.url, spool_dir)) as meter:
        await mortal.kill()
        async with meter.reserved("acme", {CALLS: 9}, ttl=MINUTE) as held:
            assert held.allowed
            held.keep({CALLS: 6})
        with pytest.raises(Failed) as failed:
            async with meter.reserved("acme", {CALLS: 50}, ttl=MINUTE):
                raise Failed
        assert not hasattr(failed.value, "__notes__")
        await mortal.start()
        await replayed(meter)

        assert await held_and_used(meter, CALLS) == (6, 0)


async def test_a_release_during_an_outage_of_a_call_that_was_counted_is_kept(
    context: Context, valkey_client: Redis
) -> None:
    """Also of a resource that fails closed: the spool is there."""
    async with MeterClient.open(context) as meter:
        await meter.consume("acme", {IMAGES: 4}, call_id="req-1")
        await ask(valkey_client, "CONFIG", "SET", "maxmemory", "1")
        try:
            answer = await meter.release("acme", "req-1")
            assert await counted(context.redis.url, "acme", IMAGES) == 4
        finally:
            await ask(valkey_client, "CONFIG", "SET", "maxmemory", "0")
        await replayed(meter)

        assert isinstance(answer, Deferred)
        assert await counted(context.redis.url, "acme", IMAGES) == 0


@pytest.mark.parametrize("settle", ["confirm", "release"])
async def test_a_settling_whose_answer_was_lost_is_kept_and_done_once(
    context: Context, settle: str
) -> None:
    """Redis had done it; the spool asks for the same again."""
    async with through_a_proxy(context) as (proxy, meter):
        await meter.consume("acme", {CALLS: 100})
        made = await meter.reserve("acme", {CALLS: 9}, ttl=MINUTE)
        proxy.lose_next_answer(times=2, after=1)

        answer = await getattr(meter, settle)("acme", made.call_id)
        await replayed(meter)

        assert isinstance(answer, Deferred)
        assert spooled(meter).unsettled == 0
    left = {"confirm": 109, "release": 100}[settle]
    assert await counted(context.redis.url, "acme", CALLS) == left


@pytest.mark.parametrize("ended", ["yes", "and given back", "no"])
async def test_a_reservation_whose_answer_was_lost_is_made_to_last(
    context: Context, valkey_client: Redis, ended: str
) -> None:
    """The caller was told to go on: whether it has expired or not, it counts once."""
    async with through_a_proxy(context) as (proxy, meter):
        await meter.consume("acme", {CALLS: 100})
        usage = UsageService(valkey_client, context)
        ttl = MINUTE if ended == "no" else SECOND
        await usage.reserve("acme", {CALLS: 9}, ttl=ttl, call_id="job-1")
        if ended != "no":
            async with asyncio.timeout(30):
                while (await usage.peek("acme"))[0].used != 100:
                    pass
        if ended == "and given back":
            await usage.give_back_expired()
        proxy.lose_next_answer(times=2)

        made = await meter.reserve("acme", {CALLS: 9}, ttl=ttl, call_id="job-1")
        await replayed(meter)

        assert made.allowed
        assert isinstance(made, Degraded)
        assert await held_and_used(meter, CALLS) == (109, 9)
        await meter.release("acme", "job-1")
        assert await held_and_used(meter, CALLS) == (100, 0)
        await meter.reserve("acme", {CALLS: 9}, ttl=ttl, call_id="job-1")
        assert await held_and_used(meter, CALLS) == (100, 0)


async def test_what_was_settled_before_the_spool_was_counted_stays_settled(
    context: Context, valkey_client: Redis
) -> None:
    """The answer was lost, the reservation was there, and somebody released it."""
    async with through_a_proxy(context) as (proxy, meter):
        await meter.consume("acme", {CALLS: 100})
        usage = UsageService(valkey_client, context)
        await usage.reserve("acme", {CALLS: 9}, ttl=MINUTE, call_id="job-1")
        await usage.release("acme", "job-1")
        proxy.lose_next_answer(times=2)

        made = await meter.reserve("acme", {CALLS: 9}, ttl=MINUTE, call_id="job-1")
        await replayed(meter)

        assert made.allowed
        assert await held_and_used(meter, CALLS) == (100, 0)
        again = done(await meter.release("acme", "job-1"))
        assert again.replayed


async def test_a_release_of_what_nobody_knows_is_put_aside_with_its_reason(
    mortal: Valkey, spool_dir: Path
) -> None:
    """It could not be asked at once; the operator sees what was meant."""
    async with MeterClient.open(library_context(mortal.url, spool_dir)) as meter:
        await mortal.kill()
        await meter.release("acme", "no-such-call", {CALLS: 2})
        await mortal.start()
        await replayed(meter)

        assert spooled(meter).unsettled == 1
        (aside,) = found_unsettled(spool_dir)
        assert aside.why.startswith("release: nothing is known of call no-such-call")
        with pytest.raises(NotFound, match="nothing is known"):
            await meter.release("acme", "no-such-call")


async def test_a_full_or_broken_spool_says_what_became_of_a_release(
    spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full: surely not done. Not written: nobody knows what is on the disk."""

    def fail(file: int) -> None:
        raise OSError(5, "Input/output error")

    async def fail_in_a_block(meter: MeterClient) -> None:
        async with meter.reserved("acme", {CALLS: 1}, ttl=MINUTE):
            monkeypatch.setattr(os, "fsync", fail)
            raise Failed

    context = library_context(NOWHERE, spool_dir, spool_bytes=300)
    async with MeterClient.open(context) as meter:
        await meter.release("acme", "a")
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fail)
            with pytest.raises(UnknownOutcome):
                await meter.release("acme", "b")
        await meter.release("acme", "b")
        with pytest.raises(RedisUnreachable, match="holds all that it may"):
            await meter.release("acme", "c")
        with pytest.raises(BadInput, match="is no amount"):
            await meter.release("acme", "c", {CALLS: -2})
    async with MeterClient.open(library_context(NOWHERE, spool_dir)) as meter:
        with pytest.raises(Failed) as failed:
            await fail_in_a_block(meter)
        assert "stays counted until it is released" in failed.value.__notes__[0]
