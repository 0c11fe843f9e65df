"""The JavaScript client before a faulty network: once, unknown, or surely not."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.metering import counted
from tests.support.proxy import Fault, Proxy
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.sandbox.valkey import Valkey

DEADLINE_S = 60
ONE = {"api_calls": 1}


class Caller:
    """A program that makes one call after the other, each when it is told to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def heard(self) -> Any:
        """Return what the program says next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            line = await self._process.stdout.readline()
        assert line, "the program ended"
        return json.loads(line)

    async def next(self) -> Any:
        """Let it make the next call; return what became of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        return await self.heard()


@pytest.fixture
async def proxy(valkey: Valkey) -> AsyncIterator[Proxy]:
    """A proxy before the (empty) server."""
    async with Proxy(valkey.url) as running:
        yield running


@asynccontextmanager
async def calling(
    javascript: Path, proxy: Proxy, *calls: Any, timeout_ms: int = 5000
) -> AsyncIterator[Caller]:
    """A program that makes these calls through the proxy."""
    process = await asyncio.create_subprocess_exec(
        "node",
        "lost_answers.mjs",
        cwd=javascript,
        env={
            **os.environ,
            "REDIS_URL": proxy.url,
            "TIMEOUT_MS": str(timeout_ms),
            "CALLS": json.dumps(calls),
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        caller = Caller(process)
        assert await caller.heard() == "ready"
        yield caller
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def consume(**options: str) -> list[Any]:
    """Return a call of one unit."""
    return ["consume", "acme", ONE, options]


async def evaluations(redis: Redis) -> int:
    """Return how many scripts the server was asked for since it was reset."""
    stats = await ask(redis, "INFO", "commandstats")
    return sum(
        int(each["calls"])
        for name, each in stats.items()
        if name.startswith("cmdstat_eval")
    )


async def test_without_an_id_nothing_is_sent_again_after_a_reset(
    javascript: Path, proxy: Proxy, valkey: Valkey, valkey_client: Redis
) -> None:
    """The client library does not repeat it either: the server was asked once."""
    async with calling(javascript, proxy, *[consume()] * 3) as caller:
        await caller.next()
        await ask(valkey_client, "CONFIG", "RESETSTAT")
        proxy.lose_next_answer()

        lost = await caller.next()

        assert (lost["error"], lost["unknown"]) == ("lost", True)
        assert await counted(valkey.url, "acme", "api_calls") == 2
        assert (await caller.next())["resources"]["api_calls"]["current"] == 3
    assert await evaluations(valkey_client) == 2
    assert proxy.faults == 1


async def test_with_an_id_a_lost_answer_is_asked_for_once_more(
    javascript: Path, proxy: Proxy, valkey: Valkey
) -> None:
    """The second try gets the first one's answer; counted once."""
    calls = (consume(), consume(callId="r-1"))
    async with calling(javascript, proxy, *calls) as caller:
        await caller.next()
        proxy.lose_next_answer()

        made = await caller.next()

    assert (made["allowed"], made["replayed"]) == (True, True)
    assert made["resources"]["api_calls"]["current"] == 2
    assert await counted(valkey.url, "acme", "api_calls") == 2


async def test_an_id_asked_for_in_vain_is_unknown_and_can_be_repeated(
    javascript: Path, proxy: Proxy, valkey: Valkey
) -> None:
    """Both answers lost: `UnknownOutcome` names the id, and a repeat settles it."""
    calls = (consume(), consume(callId="r-1"), consume(callId="r-1"))
    async with calling(javascript, proxy, *calls) as caller:
        await caller.next()
        proxy.lose_next_answer(times=2)

        lost = await caller.next()
        made = await caller.next()

    assert (lost["unknown"], lost["callId"]) == (True, "r-1")
    assert made["replayed"]
    assert proxy.faults == 2
    assert await counted(valkey.url, "acme", "api_calls") == 2


async def test_a_lost_release_is_asked_for_once_more(
    javascript: Path, proxy: Proxy, valkey: Valkey
) -> None:
    """The answer to its first round trip arrives, that to the second is lost."""
    calls = [consume(callId=each) for each in ("a", "b")]
    releases = [["release", "acme", each] for each in ("a", "b")]
    async with calling(javascript, proxy, *calls, *releases) as caller:
        for _ in range(3):  # with the first release the server has the script
            await caller.next()
        proxy.lose_next_answer(after=1)

        made = await caller.next()

    assert proxy.faults == 1
    assert made["replayed"]
    assert made["resources"]["api_calls"]["givenBack"] == 1
    assert await counted(valkey.url, "acme", "api_calls") == 0


@pytest.mark.parametrize(
    ("call", "counts"),
    [
        (["setGauge", "acme", "disk", 7], lambda made: made["current"]),
        (
            ["countUnique", "acme", "users", ["ada"]],
            lambda made: made["resources"]["users"]["current"],
        ),
    ],
)
async def test_a_lost_reading_or_member_is_asked_for_once_more(
    javascript: Path, proxy: Proxy, call: list[Any], counts: Callable[[Any], int]
) -> None:
    """As calls are: with an id, and only so."""
    calls = ([*call], [*call, {"callId": "k-1"}], [*call])
    async with calling(javascript, proxy, *calls) as caller:
        first = await caller.next()
        proxy.lose_next_answer()
        again = await caller.next()
        proxy.lose_next_answer()
        lost = await caller.next()

    assert (first["replayed"], again["replayed"]) == (False, True)
    assert counts(first) == counts(again)
    assert (lost["error"], lost["unknown"]) == ("lost", True)


async def test_a_connection_that_falls_silent_is_left(
    javascript: Path, proxy: Proxy, valkey: Valkey
) -> None:
    """Its calls are unknown after their time; the next ones go over another."""
    calls = (consume(), consume(), consume())
    running = calling(javascript, proxy, *calls, timeout_ms=300)
    async with running as caller:
        await caller.next()
        proxy.lose_next_answer(Fault.SILENCE)
        lost = await caller.next()
        proxy.heal()

        made = await caller.next()

    assert (lost["error"], lost["unknown"]) == ("lost", True)
    assert made["resources"]["api_calls"]["current"] == 3
    assert await counted(valkey.url, "acme", "api_calls") == 3


async def test_what_was_never_sent_is_said_so(
    javascript: Path, proxy: Proxy, valkey: Valkey
) -> None:
    """Nobody listens any more: the first loss is unknown, what follows is `unsent`."""
    calls = (consume(), consume(), consume(callId="r-1"))
    running = calling(javascript, proxy, *calls, timeout_ms=300)
    async with running as caller:
        await caller.next()
        proxy.lose_next_answer(Fault.GONE)
        lost = await caller.next()

        unsent = await caller.next()

    assert lost["unknown"]
    assert (unsent["error"], unsent["unknown"]) == ("unsent", False)
    assert await counted(valkey.url, "acme", "api_calls") == 2
