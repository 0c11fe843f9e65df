"""The client and a server that is slow or silent: a call has a deadline."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.contexts import CALLS, IMAGES, SEATS
from tests.support.metering import library_context, spooled

from meterdeck.core.client import CircuitState, Counting, Degraded, MeterClient, Reason
from meterdeck.core.model.context import Context


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
