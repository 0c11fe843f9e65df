"""Redis dies while workers deliver, and is started again or replaced by another."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.delivering import delivering
from tests.support.doom import Doom, Step
from tests.support.fault_run import FULL, Run, Stage, playing, using
from tests.support.sentinels import Sentinels, running_sentinels, stopped

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.errors import Unreachable
from meterdeck.core.model.context import RedisOptions
from meterdeck.core.sandbox.valkey import Valkey

RESTARTS = 25 if FULL else 2
FAILOVERS = 6 if FULL else 1
KILLS = 5 if FULL else 1
MORE = 50 if FULL else 10
"""Events that are delivered between one fault and the next."""
TENANTS = 100 if FULL else 10

pytestmark = pytest.mark.timeout(3600 if FULL else 120)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Valkey]:
    """A server of this test alone, with the append-only file as it usually is."""
    async with Valkey(data_dir=tmp_path / "valkey") as running:
        yield running


async def client_of(options: RedisOptions) -> AsyncIterator[Redis]:
    """A client that nobody cuts off."""
    client = open_redis(options)
    try:
        yield client
    finally:
        await client.aclose()


async def counted(run: Run, more: int) -> None:
    """Wait until the application has made so many more calls."""
    goal = run.application.calls + more
    async with asyncio.timeout(60):
        while run.application.calls < goal:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("plain", [False, True] if FULL else [True])
async def test_redis_killed_and_started_again_bills_each_unit_once(
    server: Valkey,
    stage: Stage,
    plain: bool,
) -> None:
    """With its append-only file, in the middle of claims, requests and settling, while
    workers are killed and Stripe fails, too: no count is lost and none billed twice,
    also of an application that does nothing but INCR."""
    context = delivering(stage.stripe.context(server.url), flush_s=0, takeover_s=0.8)
    customers = stage.customers(TENANTS)
    doom = Doom(5, dict.fromkeys(Step, KILLS), chance=0.2, trouble=0.3)
    async for redis in client_of(context.redis):
        async with playing(
            f"Redis killed, started again, {'INCR alone' if plain else 'consume()'}",
            stage,
            context,
            doom,
            redis=redis,
            customers=customers,
            plain=plain,
            workers=2,
        ) as run:
            async with using(run):
                for _ in range(RESTARTS):
                    await run.until_delivered(len(run.ledger.counted) + MORE)
                    await server.kill()
                    await server.start()
                    run.server_kills += 1
                await run.until_doomed()
                await run.until_delivered(len(run.ledger.counted) + MORE)
            doom.relent()
            await run.until_settled()
            stage.found(await run.check())


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    """Servers of this test alone, which it may kill."""
    with running_sentinels(tmp_path) as servers:
        yield servers


async def test_another_master_takes_back_no_event_that_was_sent(
    sentinels: Sentinels,
    stage: Stage,
) -> None:
    """A replica has each claim before its event is sent; while they hang nothing is
    sent. Whichever counts a failover loses, Stripe has in the end what the new master's
    counters have. Where Sentinels choose the replica that knows less than the one that
    acknowledged, the counter is withheld, and nothing of it is billed twice."""
    plain = delivering(stage.stripe.context("redis:///0"), flush_s=0, takeover_s=0.8)
    context = replace(plain, redis=sentinels.options)
    customers = stage.customers(TENANTS)
    kills = {Step.BEFORE_SEND: KILLS, Step.AFTER_SEND: KILLS}
    doom = Doom(6, kills, chance=0.1, trouble=0.1)
    async for redis in client_of(context.redis):
        async with playing(
            "master killed, Sentinels chose another",
            stage,
            context,
            doom,
            redis=redis,
            customers=customers,
            workers=2,
        ) as run:
            async with using(run, sampled=False):
                for left in reversed(range(FAILOVERS)):
                    await run.until_delivered(len(run.ledger.counted) + MORE)
                    before = await sentinels.master()
                    replicas = [each for each in sentinels.nodes if each is not before]
                    with stopped(replicas):
                        await counted(run, 150)
                        await before.kill()
                    await sentinels.until_all_name(other_than=before)
                    run.server_kills += 1
                    await run.until_delivered(len(run.ledger.counted) + MORE)
                    if left:
                        await before.start()
                        await sentinels.healed()
                await run.until_doomed()
                await run.kill_anywhere(2)
                await run.until_delivered(len(run.ledger.counted) + MORE)
            doom.relent()
            with suppress(Unreachable):
                await run.until_settled(or_withheld=True)
            stage.found(await run.check(kept=False))
