"""Failing open: what was allowed while Redis was away is counted, once."""

import asyncio
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.away import (
    NOWHERE,
    elsewhere,
    left_behind,
    settled,
    spooled_call,
    through_a_proxy,
)
from tests.support.contexts import CALLS, IMAGES
from tests.support.metering import (
    DEADLINE_S,
    counted,
    library_context,
    replayed,
    spooled,
    until,
)

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.spool_root import found_spools
from meterdeck.core.client import Counting, Decision, Degraded, MeterClient, Reason
from meterdeck.core.model.context import Context
from meterdeck.core.model.usage import OnFault
from meterdeck.core.sandbox.valkey import Valkey

DAY = timedelta(days=1)


async def test_redis_killed_under_load_counts_every_allowed_call_once(
    mortal: Valkey, spool_dir: Path
) -> None:
    """Forty callers, the server killed twice: the counter is what was allowed."""
    context = library_context(mortal.url, spool_dir)
    allowed = 0
    ended = False

    async def caller(meter: MeterClient) -> None:
        nonlocal allowed
        while not ended:
            answer = await meter.consume("acme", {CALLS: 1})
            allowed += answer.allowed
            await asyncio.sleep(0)

    def passed(more: int) -> Callable[[], bool]:
        goal = allowed + more
        return lambda: allowed > goal

    async with MeterClient.open(context) as meter:
        callers = [asyncio.create_task(caller(meter)) for _ in range(40)]
        for _ in range(2):
            await until(passed(100))
            await mortal.kill()
            await until(passed(500))
            await mortal.start()
            await until(lambda: meter.status().circuit.state == "closed")
        ended = True
        await asyncio.gather(*callers)
        await replayed(meter)

        assert await counted(mortal.url, "acme", CALLS) == allowed
        assert spooled(meter).replayed >= 1000
        assert spooled(meter).unsettled == 0
        assert meter.status().circuit.opened == 2


@pytest.mark.parametrize("call_id", [None, "req-1"])
async def test_a_call_whose_answer_was_lost_is_allowed_and_counted_once(
    context: Context, call_id: str | None
) -> None:
    """Redis counted it, nobody heard; the spool asks for the same id again."""
    async with through_a_proxy(context) as (proxy, meter):
        await meter.consume("acme", {CALLS: 1})
        proxy.lose_next_answer(times=2)

        answer = await meter.consume("acme", {CALLS: 5}, call_id=call_id)
        await replayed(meter)

        assert isinstance(answer, Degraded)
        assert answer.allowed
        assert answer.reason is Reason.ANSWER_LOST
        assert answer.counting is Counting.SPOOLED
        assert spooled(meter).replayed == 1
    assert await counted(context.redis.url, "acme", CALLS) == 6


async def test_a_lost_answer_of_a_call_that_fails_closed_is_unknown(
    context: Context,
) -> None:
    """It is refused, and not said to be uncounted, for it was counted."""
    async with through_a_proxy(context) as (proxy, meter):
        await meter.consume("acme", {IMAGES: 1})
        proxy.lose_next_answer()

        answer = await meter.consume("acme", {IMAGES: 1})

        assert isinstance(answer, Degraded)
        assert not answer.allowed
        assert answer.counting is Counting.UNKNOWN
        assert answer.call_id == ""
    assert await counted(context.redis.url, "acme", IMAGES) == 2


async def test_a_call_whose_refusal_was_lost_is_counted_beyond_the_limit(
    context: Context,
) -> None:
    """The caller was told to go on, so it was used: the counter says so."""
    async with through_a_proxy(context) as (proxy, meter):
        await meter.consume("acme", {CALLS: 1000})
        proxy.lose_next_answer(times=2)

        assert (await meter.consume("acme", {CALLS: 7})).allowed
        await replayed(meter)

    assert await counted(context.redis.url, "acme", CALLS) == 1007


async def test_a_replay_whose_answer_was_lost_counts_once(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """Counted and not noted on the disk: the next try finds the id."""
    now = await server_time(valkey_client)
    left_behind(spool_dir, *(spooled_call(now, call_id=f"r{n}") for n in range(900)))
    async with through_a_proxy(context) as (proxy, meter):
        await until(lambda: spooled(meter).replayed > 0)
        proxy.lose_next_answer(times=4)
        await replayed(meter)

    assert proxy.faults == 4
    assert await counted(context.redis.url, "acme", CALLS) == 900


async def test_a_call_repeated_while_redis_is_away_counts_once(
    mortal: Valkey, spool_dir: Path
) -> None:
    """Both are allowed and kept; the id tells them for one."""
    async with MeterClient.open(library_context(mortal.url, spool_dir)) as meter:
        await mortal.kill()
        for _ in range(2):
            assert (await meter.consume("acme", {CALLS: 3}, call_id="req-1")).allowed
        await mortal.start()
        await replayed(meter)
        again = await meter.consume("acme", {CALLS: 3}, call_id="req-1")

        assert isinstance(again, Decision)
        assert again.allowed
        assert again.replayed
    assert await counted(mortal.url, "acme", CALLS) == 3


async def test_a_full_spool_refuses_and_takes_calls_again_when_it_is_counted(
    mortal: Valkey, spool_dir: Path
) -> None:
    """The bound holds, every refusal is counted, and nothing kept is lost."""
    context = library_context(mortal.url, spool_dir, spool_bytes=2000)
    async with MeterClient.open(context) as meter:
        await mortal.kill()
        answers = [await meter.consume("acme", {CALLS: 1}) for _ in range(50)]
        allowed = sum(each.allowed for each in answers)

        assert 5 < allowed < 20
        assert spooled(meter).bytes <= 2000
        assert spooled(meter).refused_full == meter.status().refused == 50 - allowed
        last = answers[-1]
        assert isinstance(last, Degraded)
        assert last.reason is Reason.SPOOL_FULL
        assert last.counting is Counting.NOT_COUNTED
        await mortal.start()
        await replayed(meter)
        assert spooled(meter).bytes == 0
        assert await counted(mortal.url, "acme", CALLS) == allowed


async def test_a_spool_that_cannot_be_written_refuses(spool_dir: Path) -> None:
    """Nothing is allowed that is not on the disk."""
    async with MeterClient.open(library_context(NOWHERE, spool_dir)) as meter:
        shutil.rmtree(spool_dir)

        answer = await meter.consume("acme", {CALLS: 1})

        assert isinstance(answer, Degraded)
        assert not answer.allowed
        assert answer.reason is Reason.SPOOL_FAILED
        assert "No such file" in answer.detail
        assert spooled(meter).refused_failed == 1


async def test_callers_are_answered_after_a_sync_that_they_share(
    spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk holds back nobody is; then 500 calls have cost a few syncs."""
    disk_goes_on = threading.Event()
    syncs = 0
    sync = os.fsync

    def held_back(file: int) -> None:
        nonlocal syncs
        syncs += 1
        assert disk_goes_on.wait(DEADLINE_S)
        sync(file)

    async with MeterClient.open(library_context(NOWHERE, spool_dir)) as meter:
        for _ in range(5):  # the circuit is open: no call waits for anything else
            await meter.consume("acme", {CALLS: 1})
        monkeypatch.setattr(os, "fsync", held_back)
        calls = [
            asyncio.create_task(meter.consume("acme", {CALLS: 1})) for _ in range(500)
        ]
        await until(lambda: syncs == 1)
        assert not any(call.done() for call in calls)

        disk_goes_on.set()
        answers = await asyncio.gather(*calls)
        monkeypatch.undo()

        assert all(each.allowed for each in answers)
        assert syncs <= 5


async def test_a_disk_that_failed_once_is_used_again(
    mortal: Valkey, spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call it failed for is refused and never counted; the next one is kept."""

    def fail(file: int) -> None:
        raise OSError(5, "Input/output error")

    async with MeterClient.open(library_context(mortal.url, spool_dir)) as meter:
        await mortal.kill()
        assert (await meter.consume("acme", {CALLS: 1})).allowed
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fail)
            failed = await meter.consume("acme", {CALLS: 10})
        assert (await meter.consume("acme", {CALLS: 100})).allowed
        await mortal.start()
        await replayed(meter)

        assert isinstance(failed, Degraded)
        assert not failed.allowed
        assert failed.reason is Reason.SPOOL_FAILED
        assert failed.counting is Counting.UNKNOWN
        assert "Input/output error" in failed.detail
    assert await counted(mortal.url, "acme", CALLS) == 101


async def test_two_processes_spool_beside_one_another(
    mortal: Valkey, spool_dir: Path
) -> None:
    """Each in its own folder; both are counted, nothing is adopted from the living."""
    context = library_context(mortal.url, spool_dir)
    async with MeterClient.open(context) as one, MeterClient.open(context) as two:
        await mortal.kill()
        for meter in (one, two, two):
            assert (await meter.consume("acme", {CALLS: 1})).allowed
        assert sorted(each.calls for each in found_spools(spool_dir)) == [1, 2]
        await mortal.start()
        await replayed(one)
        await replayed(two)

        assert [spooled(each).replayed for each in (one, two)] == [1, 2]
    assert await counted(mortal.url, "acme", CALLS) == 3
    assert found_spools(spool_dir) == ()


async def test_what_a_closed_client_left_is_counted_by_the_next(
    context: Context, spool_dir: Path
) -> None:
    """Even by one in which nothing fails open any more."""
    async with MeterClient.open(elsewhere(context, NOWHERE)) as meter:
        await meter.consume("acme", {CALLS: 4})
    assert found_spools(spool_dir)[0].calls == 1

    closed = [replace(r, on_fault=OnFault.FAIL_CLOSED) for r in context.resources]
    assert await settled(replace(context, resources=tuple(closed))) == 0

    assert await counted(context.redis.url, "acme", CALLS) == 4
    assert found_spools(spool_dir) == ()


async def test_what_a_process_leaves_is_counted_by_one_that_runs(
    mortal: Valkey, spool_dir: Path
) -> None:
    """It looks for orphans whenever Redis answers again, and now and then."""
    context = library_context(mortal.url, spool_dir)
    async with MeterClient.open(context) as meter:
        await mortal.kill()
        for _ in range(5):
            await meter.consume("acme", {CALLS: 1})
        left_behind(spool_dir, spooled_call(datetime.now(UTC), call_id="orphan"))
        await mortal.start()
        await until(lambda: spooled(meter).replayed == 6)

    assert await counted(mortal.url, "acme", CALLS) == 6
