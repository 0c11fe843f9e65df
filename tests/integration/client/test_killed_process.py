"""A process killed at any moment: nothing is counted twice, no answer was a lie."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.integration.client import doomed
from tests.support.contexts import CALLS
from tests.support.metering import DEADLINE_S, counted, replayed, spooled, until
from tests.support.raw import ask
from tests.support.zygote import Order, Worker, Zygote

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.spool import SpoolFolder
from meterdeck.core.adapters.spool_records import encode
from meterdeck.core.adapters.spool_root import found_spools, found_unsettled, open_root
from meterdeck.core.client import MeterClient
from meterdeck.core.model.context import Context
from meterdeck.core.model.degraded import SpooledCall
from meterdeck.core.model.usage import TenantId

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
async def zygote(tmp_path: Path) -> AsyncIterator[Zygote]:
    """What the processes are forked from."""
    with Zygote(doomed.__name__, log=tmp_path / "complaints") as found:
        async with found.listening():
            yield found
            assert not found.failed, found.complaints


@asynccontextmanager
async def running(zygote: Zygote, order: Order) -> AsyncIterator[Worker]:
    """Run a program of `doomed.py`; it is killed at the end."""
    worker = await zygote.fork(order)
    try:
        yield worker
    finally:
        worker.kill()
        await worker.gone.wait()


def said(told: Path) -> set[str]:
    """Return what a program has said so far, whole lines only."""
    text = told.read_text() if told.exists() else ""
    return set(text[: text.rfind("\n") + 1].splitlines())


def ids(lines: set[str], word: str) -> set[str]:
    """Return the call ids of the lines that begin with `word`."""
    return {line.split()[1] for line in lines if line.startswith(f"{word} ")}


async def known_ids(redis: Redis) -> set[str]:
    """Return the ids of all calls that Redis has counted."""
    keys = await ask(redis, "KEYS", "meterdeck:call:acme:*")
    return {key.decode().rpartition(":")[2] for key in keys}


async def test_killed_while_it_spools_a_process_loses_only_what_it_did_not_answer(
    context: Context,
    spool_dir: Path,
    valkey_client: Redis,
    zygote: Zygote,
    tmp_path: Path,
) -> None:
    """Ten kills, each after a random number of answers; eight callers at a time."""
    lines: set[str] = set()
    for number in range(10):
        told = tmp_path / f"told-{number}"
        goal = random.randint(1, 300)  # noqa: S311  # no secret
        order = Order(doomed.spool, (NOWHERE, spool_dir, told))
        async with running(zygote, order):
            await until(lambda: len(ids(said(told), "answered")) >= goal)  # noqa: B023  # waited for here
        lines |= said(told)
    asked, answered = ids(lines, "asked"), ids(lines, "answered")

    async with MeterClient.open(context) as meter:
        await until(lambda: spooled(meter).replayed > 0)
        await replayed(meter)

    known = await known_ids(valkey_client)
    assert len(answered) >= 10
    assert answered <= known <= asked
    assert await counted(context.redis.url, "acme", CALLS) == len(known)
    assert found_unsettled(spool_dir) == ()


async def test_killed_while_it_replays_a_process_counts_nothing_twice(
    context: Context, spool_dir: Path, valkey_client: Redis, zygote: Zygote
) -> None:
    """Killed whenever some more are counted, until all are: each is, once."""
    now = await server_time(valkey_client)
    open_root(spool_dir)
    total = 6000
    for part in range(3):
        folder = SpoolFolder.create(spool_dir)
        for number in range(part, total, 3):
            call = SpooledCall(
                f"req-{number}", TenantId("acme"), ((CALLS, 1),), now, True, False
            )
            folder.append(encode(call))
        folder.close()
    url = context.redis.url

    kills = 0
    while (before := await counted(url, "acme", CALLS)) < total and kills < 12:
        goal = min(total, before + random.randint(1, 900))  # noqa: S311  # as above
        async with running(zygote, Order(doomed.replay, (url, spool_dir))):
            async with asyncio.timeout(DEADLINE_S):
                while await counted(url, "acme", CALLS) < goal:
                    pass
        kills += 1
    async with MeterClient.open(context) as meter:
        await replayed(meter)
        await until(lambda: len(found_spools(spool_dir)) == 1)

    assert kills >= 2
    assert await counted(url, "acme", CALLS) == total
    assert len(await known_ids(valkey_client)) == total
    assert found_unsettled(spool_dir) == ()
