"""The client: what a call is answered, with Redis and without it."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.away import NOWHERE
from tests.support.contexts import CALLS, IMAGES, SEATS
from tests.support.metering import (
    DEADLINE_S,
    child_environment,
    counted,
    library_context,
    spooled,
    until,
)
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
from meterdeck.core.errors import (
    BadInput,
    ConfigError,
    NotFound,
    ReadOnly,
    RedisUnreachable,
)
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey

"""Port 1: connecting is refused at once."""


@dataclass
class SilentServer:
    """Accepts connections and never answers; counts them."""

    url: str = ""
    connections: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Read what comes, for ever."""
        self.connections += 1
        self._writers.append(writer)
        while await reader.read(65536):
            pass
        writer.close()


@asynccontextmanager
async def silence() -> AsyncIterator[SilentServer]:
    """Run a server that never answers."""
    silent = SilentServer()
    server = await asyncio.start_server(silent.serve, "127.0.0.1", 0)
    silent.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield silent
    finally:
        server.close()
        for writer in silent._writers:
            writer.transport.abort()
        await server.wait_closed()


async def test_a_call_is_counted_and_decided_by_redis(context: Context) -> None:
    """The answer is a decision, and usage shows the same counter."""
    async with MeterClient.open(context) as meter:
        answer = await meter.consume("acme", {CALLS: 3, IMAGES: 1})
        usage = await meter.usage("acme")

        assert isinstance(answer, Decision)
        assert answer.allowed
        assert [each.current for each in answer.resources] == [3, 1]
        assert [each.used for each in usage[:2]] == [3, 1]
        assert meter.status().circuit.state is CircuitState.CLOSED


async def test_a_limit_refuses_by_a_decision(context: Context) -> None:
    """It is Redis that says no; nothing is degraded."""
    async with MeterClient.open(context) as meter:
        answer = await meter.consume("acme", {IMAGES: 11})

        assert isinstance(answer, Decision)
        assert not answer.allowed
        assert meter.status().refused == 0


async def test_a_repeated_call_id_counts_once(context: Context) -> None:
    """The second answer is the first."""
    async with MeterClient.open(context) as meter:
        await meter.consume("acme", {CALLS: 2}, call_id="req-1")
        answer = await meter.consume("acme", {CALLS: 2}, call_id="req-1")

        assert isinstance(answer, Decision)
        assert answer.replayed
        assert answer.resources[0].current == 2


@pytest.mark.parametrize(
    ("tenant", "amounts", "call_id"),
    [
        ("", {CALLS: 1}, None),
        ("acme", {}, None),
        ("acme", {CALLS: 0}, None),
        ("acme", {CALLS: 2**53 + 1}, None),
        ("acme", {CALLS: True}, None),
        ("acme", {CALLS: 1}, "not an id"),
        ("acme", {"unheard_of": 1}, None),
    ],
)
@pytest.mark.parametrize("away", [False, True])
async def test_a_wrong_argument_is_an_error_whether_redis_answers_or_not(
    context: Context,
    tenant: str,
    amounts: Mapping[str, int],
    call_id: str | None,
    away: bool,
) -> None:
    """Nothing wrong gets into the spool, to be found when nobody can mend it."""
    if away:
        context = replace(context, redis=replace(context.redis, url=NOWHERE))
    async with MeterClient.open(context) as meter:
        with pytest.raises((BadInput, NotFound)):
            await meter.consume(tenant, amounts, call_id=call_id)

        assert spooled(meter).calls == 0


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


async def test_a_dead_server_is_asked_a_bounded_number_of_times(
    spool_dir: Path,
) -> None:
    """2,000 calls one after the other: five pay, the rest are answered at once.

    What connects after that are probes, one a pause.
    """
    async with silence() as server:
        context = library_context(
            server.url, spool_dir, call_timeout_s=0.4, circuit_pause_s=0.5
        )
        async with MeterClient.open(context) as meter:
            began = time.monotonic()
            for _ in range(2000):
                answer = await meter.consume("acme", {IMAGES: 1})
                assert not answer.allowed
            took_s = time.monotonic() - began

            assert meter.status().circuit.state is not CircuitState.CLOSED
            assert meter.status().refused == 2000
            # Two lanes a failing call, what looked for Redis beside them, the probes.
            assert server.connections <= 2 * 5 + 5 + took_s / 0.5 + 1


async def test_a_call_is_answered_within_its_deadline(spool_dir: Path) -> None:
    """A server that accepts and says nothing costs one deadline, then nothing."""
    async with silence() as server:
        context = library_context(server.url, spool_dir, call_timeout_s=0.3)
        async with MeterClient.open(context) as meter:
            async with asyncio.timeout(20):
                answers = await asyncio.gather(
                    *(meter.consume("acme", {CALLS: 1}) for _ in range(200))
                )

            assert all(each.allowed for each in answers)
            assert spooled(meter).calls == 200


@asynccontextmanager
async def slowed(url: str, delay_s: float) -> AsyncIterator[str]:
    """Run a relay that holds back each answer of the server at `url`."""
    target = urlsplit(url)
    tasks: set[asyncio.Task[None]] = set()

    async def copy(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float
    ) -> None:
        while data := await reader.read(65536):
            await asyncio.sleep(delay_s)
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(
            target.hostname, target.port
        )
        tasks.add(asyncio.create_task(copy(reader, up_writer, 0)))
        tasks.add(asyncio.create_task(copy(up_reader, writer, delay_s)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        await server.wait_closed()


async def test_the_deadline_is_of_the_whole_call_not_of_each_question(
    context: Context,
) -> None:
    """The server answers each question in time, and all of them together too late.

    The first call asks for the time, for the billing cycle, and then to be counted.
    """
    async with slowed(context.redis.url, 0.8) as url:
        library = replace(context.library, call_timeout_s=2.0)
        redis = replace(context.redis, url=url)
        slow = replace(context, redis=redis, library=library)
        async with MeterClient.open(slow) as meter:
            answer = await meter.consume("acme", {SEATS: 1, IMAGES: 1})

            assert isinstance(answer, Degraded)
            assert answer.reason is Reason.ANSWER_LOST
            assert answer.counting is Counting.UNKNOWN


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


@pytest.mark.parametrize("away", [False, True])
async def test_a_read_only_context_counts_and_spools_nothing(
    context: Context, away: bool
) -> None:
    """It is an error, not an outage."""
    url = NOWHERE if away else context.redis.url
    context = replace(context, read_only=True, redis=replace(context.redis, url=url))
    async with MeterClient.open(context) as meter:
        for _ in range(6):
            with pytest.raises(ReadOnly):
                await meter.consume("acme", {CALLS: 1})

        assert spooled(meter).calls == 0


async def test_a_context_is_opened_by_its_name_without_stripes_key(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application that only counts need not hold the key; `on_fault` is read."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path / "state"))
    config = tmp_path / "meterdeck.toml"
    config.write_text(f"""
[resources.api_calls]
on_fault = "fail_open"
[contexts.production]
mode = "live"
[contexts.production.redis]
url = "{valkey.url}"
[contexts.production.stripe]
api_key = {{ env = "NOT_HERE" }}
[contexts.production.library]
call_timeout_seconds = 20
""")

    async with MeterClient.open("production", config=config) as meter:
        assert isinstance(await meter.consume("acme", {CALLS: 1}), Decision)
        assert spooled(meter).directory == tmp_path / "state" / "spool" / "production"


async def test_a_wrong_configuration_is_an_error_at_once(tmp_path: Path) -> None:
    """Opening raises; no task and no connection is left."""
    config = tmp_path / "meterdeck.toml"
    config.write_text("[contexts.production]\n")

    with pytest.raises(ConfigError):
        async with MeterClient.open("production", config=config):
            pass


async def test_closing_waits_for_the_calls_under_way(context: Context) -> None:
    """Each gets its answer; who comes later is told that the client is closed."""
    async with MeterClient.open(context) as meter:
        calls = [
            asyncio.create_task(meter.consume("acme", {CALLS: 1})) for _ in range(50)
        ]
        await asyncio.sleep(0)

    answers = [call.result() for call in calls]
    assert all(isinstance(each, Decision) for each in answers)
    with pytest.raises(BadInput, match="closed"):
        await meter.consume("acme", {CALLS: 1})


def test_a_client_does_not_work_in_a_forked_process(
    valkey: Valkey, spool_dir: Path
) -> None:
    """It says so, in place of two processes that share sockets and a spool."""
    script = f"""
import asyncio, os
from pathlib import Path
from tests.support.metering import library_context
from meterdeck.core.client import MeterClient
from meterdeck.core.errors import BadInput

async def main():
    context = library_context({valkey.url!r}, Path({str(spool_dir)!r}))
    async with MeterClient.open(context) as meter:
        await meter.consume("acme", {{"api_calls": 1}})
        child = os.fork()
        if not child:
            try:
                await meter.consume("acme", {{"api_calls": 1}})
            except BadInput as error:
                print(error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        await meter.consume("acme", {{"api_calls": 1}})

asyncio.run(main())
"""

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "open one in each process" in done.stdout


async def test_a_client_that_is_closed_at_any_moment_of_its_start_ends(
    context: Context,
) -> None:
    """Python 3.11's `wait_for`, which redis-py sends with, may swallow the end."""
    for turns in range(30):
        async with asyncio.timeout(DEADLINE_S), MeterClient.open(context):
            for _ in range(turns):
                await asyncio.sleep(0)
