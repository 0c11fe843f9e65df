"""The client without Redis: what fails open or closed, and when it is asked again."""

import os
import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.away import NOWHERE
from tests.support.contexts import CALLS, IMAGES
from tests.support.metering import counted, library_context, spooled, until
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.client import (
    CircuitState,
    Counting,
    Decision,
    Degraded,
    MeterClient,
    Reason,
)
from meterdeck.core.errors import RedisUnreachable
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey


async def test_without_redis_a_resource_that_fails_closed_is_refused(
    spool_dir: Path,
) -> None:
    """The answer is a value with the reason; nothing is kept anywhere."""
    async with MeterClient.open(library_context(NOWHERE, spool_dir)) as meter:
        answer = await meter.consume("acme", {IMAGES: 1})

        assert isinstance(answer, Degraded)
        assert not answer.allowed
        assert answer.reason is Reason.REDIS_UNREACHABLE
        assert answer.counting is Counting.NOT_COUNTED
        assert answer.call_id == ""
        assert meter.status().refused == 1
        assert spooled(meter).calls == 0


async def test_without_redis_a_resource_that_fails_open_is_allowed_and_kept(
    spool_dir: Path,
) -> None:
    """The call has an id by which it will be counted once."""
    async with MeterClient.open(library_context(NOWHERE, spool_dir)) as meter:
        answer = await meter.consume("acme", {CALLS: 1})

        assert isinstance(answer, Degraded)
        assert answer.allowed
        assert answer.counting is Counting.SPOOLED
        assert answer.call_id
        assert spooled(meter).calls == 1
        assert spooled(meter).oldest_at is not None


async def test_one_resource_that_fails_closed_refuses_the_whole_call(
    spool_dir: Path,
) -> None:
    """All or nothing holds without Redis, too."""
    async with MeterClient.open(library_context(NOWHERE, spool_dir)) as meter:
        answer = await meter.consume("acme", {CALLS: 1, IMAGES: 1})

        assert not answer.allowed
        assert spooled(meter).calls == 0


async def test_a_context_without_such_resources_touches_no_disk(
    spool_dir: Path,
) -> None:
    """Fail closed needs no spool."""
    context = library_context(NOWHERE, spool_dir)
    images = context.resource(IMAGES)
    async with MeterClient.open(replace(context, resources=(images,))) as meter:
        assert not (await meter.consume("acme", {IMAGES: 1})).allowed
        assert meter.status().spool is None
        assert spool_dir.name not in os.listdir(spool_dir.parent)


async def test_a_connection_that_is_never_made_is_told_from_a_lost_call(
    spool_dir: Path,
) -> None:
    """A host that swallows packets: surely nothing was counted."""
    with socket.socket() as deaf, ExitStack() as queue:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # what fills the server's queue of connections
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        url = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        context = library_context(url, spool_dir, call_timeout_s=1.0)
        context = replace(context, redis=replace(context.redis, timeout_s=2.0))
        async with MeterClient.open(context) as meter:
            answer = await meter.consume("acme", {IMAGES: 1})

            assert isinstance(answer, Degraded)
            assert answer.reason is Reason.REDIS_UNREACHABLE
            assert answer.counting is Counting.NOT_COUNTED


async def test_calls_go_to_redis_again_once_it_answers(
    mortal: Valkey, spool_dir: Path
) -> None:
    """Nobody has to ask: the client looks by itself, and the circuit closes."""
    context = library_context(mortal.url, spool_dir)
    async with MeterClient.open(context) as meter:
        await mortal.kill()
        for _ in range(5):
            assert not (await meter.consume("acme", {IMAGES: 1})).allowed
        assert meter.status().circuit.state is not CircuitState.CLOSED
        with pytest.raises(RedisUnreachable):
            await meter.usage("acme")

        await mortal.start()
        await until(lambda: meter.status().circuit.state is CircuitState.CLOSED)

        assert isinstance(await meter.consume("acme", {IMAGES: 1}), Decision)
        assert meter.status().circuit.opened == 1


async def test_a_server_that_takes_no_writes_is_said_to_refuse(
    context: Context, valkey_client: Redis
) -> None:
    """It answers, so it is asked on; what it refused is counted in the end."""
    async with MeterClient.open(context) as meter:
        await meter.consume("acme", {CALLS: 1})
        await ask(valkey_client, "CONFIG", "SET", "maxmemory", "1")
        try:
            closed = await meter.consume("acme", {IMAGES: 1})
            answers = [await meter.consume("acme", {CALLS: 1}) for _ in range(10)]
            await until(lambda: "memory limit" in spooled(meter).trouble)
        finally:
            await ask(valkey_client, "CONFIG", "SET", "maxmemory", "0")

        assert isinstance(closed, Degraded)
        assert closed.reason is Reason.REDIS_REFUSED
        assert "memory limit" in closed.detail
        assert all(each.allowed for each in answers)
        assert meter.status().circuit.opened == 0
        await until(lambda: spooled(meter).calls == 0)
        assert await counted(context.redis.url, "acme", CALLS) == 11
        await until(lambda: spooled(meter).trouble == "")
