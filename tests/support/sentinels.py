"""A master with two replicas and three Sentinels, all of the bundled server."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.redis_server import ask_node, free_ports, port_of, run, until

from meterdeck.core.model.context import HostPort, RedisOptions, SentinelOptions
from meterdeck.core.sandbox.valkey import Valkey

MASTER_NAME = "main"
_REPLICAS = 2
_SENTINELS = 3
_QUORUM = 2
_DOWN_AFTER_MS = 1000
_SETTINGS = {
    "repl-diskless-sync-delay": "0",
    "enable-debug-command": "local",
    "appendfsync": "no",
}


class Sentinels:
    """Three servers, and three Sentinels that choose the master among them."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(1 + _REPLICAS + _SENTINELS)
        self.nodes = [
            Valkey(data_dir=folder / f"node-{port}", port=port, settings=_SETTINGS)
            for port in ports[_SENTINELS:]
        ]
        self.sentinels = [
            Valkey(data_dir=folder / f"sentinel-{port}", port=port, sentinel=True)
            for port in ports[:_SENTINELS]
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
                ("down-after-milliseconds", _DOWN_AFTER_MS),
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
        _, port = await ask_node(
            self.sentinels[0], "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME
        )
        return next(node for node in self.nodes if port_of(node) == int(port))

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
            and int(state[b"num-other-sentinels"]) == _SENTINELS - 1
        )


@contextmanager
def running_sentinels(folder: Path) -> Iterator[Sentinels]:
    """Run the servers and Sentinels outside any test's event loop."""
    sentinels = Sentinels(folder)
    try:
        run(sentinels.start())
        yield sentinels
    finally:
        run(sentinels.stop())
