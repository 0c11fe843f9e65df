"""Real servers for tests: the bundled Valkey, and Redis 7 where it is installed."""

import asyncio
import os
import random
import shutil
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from redis.exceptions import ConnectionError
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.model.context import RedisOptions
from meterdeck.core.sandbox.valkey import Valkey, bundled_binary

KINDS = ("valkey", "redis7")
"""One server."""

TOPOLOGIES = ("sentinel", "cluster")
"""Several servers, used like one."""

DEADLINE_S = 30.0

WRITTEN_AT_ONCE = {"appendfsync": "no"}
"""For a server that a test kills: what is answered has been given to the kernel.

With `everysec` a server writes up to two seconds later while a slow disk syncs, and
SIGKILL takes with it what was answered meanwhile.
"""


class Place(Protocol):
    """Servers that a client can be opened to."""

    @property
    def options(self) -> RedisOptions:
        """How a client finds them."""


_FIRST_PORT, _SHARES, _PORTS = 10_000, 8, 2_750


@contextmanager
def running_server(kind: str, data_dir: Path) -> Iterator[Valkey]:
    """Run a server of `kind` in `data_dir`, outside any test's event loop."""
    server = Valkey(
        data_dir=data_dir,
        binary=_binary(kind),
        # DEBUG freezes the server in tests; no fsync, nothing here outlives a test.
        settings={"enable-debug-command": "local", "appendfsync": "no"},
    )
    run(server.start())
    try:
        yield server
    finally:
        run(server.stop())


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, none of those that clients are given."""
    # Each process of a run in parallel has its own: a port is free until it is taken.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _SHARES
    first = _FIRST_PORT + worker * _PORTS
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(first, first + _PORTS)  # noqa: S311  # no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def port_of(server: Valkey) -> int:
    """Return the TCP port of a server."""
    port = urlsplit(server.url).port
    assert port is not None
    return port


async def ask_node(server: Valkey, *command: str | int | bytes) -> Any:
    """Ask one server and no other; return its reply as it is."""
    client = open_redis(RedisOptions(url=f"unix://{server.socket}", timeout_s=10.0))
    try:
        return await ask(client, *command)
    finally:
        await client.aclose()


def options_of(place: Valkey | Place) -> RedisOptions:
    """Return how a client finds one server or several."""
    if isinstance(place, Valkey):
        return RedisOptions(url=place.url, timeout_s=10.0)
    return place.options


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition of servers; one that cuts us off is asked again.

    Raises:
        TimeoutError: It did not come true.
    """
    async with asyncio.timeout(DEADLINE_S):
        while not await _holds(condition):  # noqa: ASYNC110  # the servers tell nobody
            await asyncio.sleep(0.02)


async def _holds(condition: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await condition()
    except ConnectionError:
        # Who is made a master or a replica ends all its clients' connections.
        return False


def _binary(kind: str) -> Path:
    if kind == "valkey":
        return bundled_binary()
    if found := shutil.which("redis-server"):
        return Path(found)
    if os.environ.get("METERDECK_REQUIRE_ALL") == "1":
        pytest.fail("redis-server is not on PATH and METERDECK_REQUIRE_ALL is 1")
    # Valkey comes with the package, Redis 7 does not; CI cannot pass without it.
    pytest.skip("redis-server is not on PATH")


def run(work: Coroutine[Any, Any, None]) -> None:
    """Do something outside any test's event loop."""
    # asyncio.run would take away the current loop, which is pytest-asyncio's.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
