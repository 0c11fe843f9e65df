"""A master with two replicas and three Sentinels, all of the bundled server."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.redis_server import ask_node, free_ports, port_of, run, until

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.model.context import HostPort, RedisOptions, SentinelOptions
from meterdeck.core.sandbox.valkey import Valkey

MASTER_NAME = "main"
_REPLICAS = 2
SENTINELS = 3
_QUORUM = 2
DOWN_AFTER_S = 1.0
_SETTINGS = {
    "repl-diskless-sync-delay": "0",
    "enable-debug-command": "local",
    "appendfsync": "no",
}


@dataclass(frozen=True)
class Announcement:
    """What a Sentinel published, and when it was heard, by the event loop's clock."""

    channel: str
    at: float


class Sentinels:
    """Three servers, and three Sentinels that choose the master among them."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(1 + _REPLICAS + SENTINELS)
        self.nodes = [
            Valkey(data_dir=folder / f"node-{port}", port=port, settings=_SETTINGS)
            for port in ports[SENTINELS:]
        ]
        self.sentinels = [
            Valkey(data_dir=folder / f"sentinel-{port}", port=port, sentinel=True)
            for port in ports[:SENTINELS]
        ]

    @property
    def options(self) -> RedisOptions:
        """How a client finds the master, whichever it is."""
        places = tuple(HostPort("127.0.0.1", port_of(s)) for s in self.sentinels)
        return RedisOptions(
            url="redis:///0",
            timeout_s=10.0,
            sentinel=SentinelOptions(places, MASTER_NAME),
        )

    async def start(self) -> None:
        """Start all and return when every replica and every Sentinel is known."""
        await asyncio.gather(*(each.start() for each in (*self.nodes, *self.sentinels)))
        master = ("127.0.0.1", port_of(self.nodes[0]))
        for node in self.nodes[1:]:
            await ask_node(node, "REPLICAOF", *master)
        for each in self.sentinels:
            await ask_node(each, "SENTINEL", "MONITOR", MASTER_NAME, *master, _QUORUM)
            for option, value in (
                ("down-after-milliseconds", int(DOWN_AFTER_S * 1000)),
                ("failover-timeout", 3000),
                ("parallel-syncs", _REPLICAS),
            ):
                await ask_node(each, "SENTINEL", "SET", MASTER_NAME, option, value)
        await self.healed()

    async def stop(self) -> None:
        """End all servers; the Sentinels first, which would elect a new master."""
        await asyncio.gather(*(each.stop() for each in self.sentinels))
        await asyncio.gather(*(each.stop() for each in self.nodes))

    async def healed(self) -> None:
        """Return when all replicas have the master's data, and all Sentinels agree."""
        await until(self._all_well)

    async def master(self) -> Valkey:
        """Return the server that the Sentinels call the master."""
        port = await self._named(self.sentinels[0])
        return next(node for node in self.nodes if port_of(node) == port)

    async def until_all_name(self, other_than: Valkey) -> None:
        """Return when every Sentinel names a master that is not this one."""

        async def named() -> bool:
            ports = [await self._named(each) for each in self.sentinels]
            return port_of(other_than) not in ports

        await until(named)

    async def listeners(self) -> list[int]:
        """Return how many clients listen to each Sentinel."""
        command = ("CLIENT", "LIST", "TYPE", "pubsub")
        lists = [await ask_node(each, *command) for each in self.sentinels]
        return [len(each.splitlines()) for each in lists]

    @asynccontextmanager
    async def announcements(self) -> AsyncIterator[list[Announcement]]:
        """Take down what the Sentinels publish while the block runs."""
        heard: list[Announcement] = []
        clients = [
            open_redis(RedisOptions(url=f"unix://{each.socket}", timeout_s=10.0))
            for each in self.sentinels
        ]
        tasks = [asyncio.create_task(_take_down(each, heard)) for each in clients]
        try:
            yield heard
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for client in clients:
                await client.aclose()

    async def _named(self, sentinel: Valkey) -> int:
        command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
        return int((await ask_node(sentinel, *command))[1])

    async def _all_well(self) -> bool:
        states = [await ask_node(node, "ROLE") for node in self.nodes]
        replicas = [state for state in states if state[0] == b"slave"]
        if len(replicas) != _REPLICAS:
            return False
        if not all(state[3] == b"connected" for state in replicas):
            return False
        return all([await self._knows_all(each) for each in self.sentinels])

    async def _knows_all(self, sentinel: Valkey) -> bool:
        raw = await ask_node(sentinel, "SENTINEL", "MASTER", MASTER_NAME)
        state = dict(zip(raw[::2], raw[1::2], strict=True))
        return (
            state[b"flags"] == b"master"
            and int(state[b"num-slaves"]) == _REPLICAS
            and int(state[b"num-other-sentinels"]) == SENTINELS - 1
        )


async def _take_down(client: Redis, heard: list[Announcement]) -> None:
    loop = asyncio.get_running_loop()
    async with client.pubsub() as channels:
        await channels.psubscribe("*")
        async for message in channels.listen():
            if message["type"] == "pmessage":
                channel = message["channel"].decode()
                heard.append(Announcement(channel, loop.time()))


@contextmanager
def running_sentinels(folder: Path) -> Iterator[Sentinels]:
    """Run the servers and Sentinels outside any test's event loop."""
    sentinels = Sentinels(folder)
    try:
        run(sentinels.start())
        yield sentinels
    finally:
        run(sentinels.stop())


@contextmanager
def stopped(servers: list[Valkey]) -> Iterator[None]:
    """Let servers hang while the block runs."""
    for each in servers:
        os.kill(each.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in servers:
            os.kill(each.pid, signal.SIGCONT)
