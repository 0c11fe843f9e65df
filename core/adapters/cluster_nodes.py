"""The nodes of a Redis Cluster: which has which keys, and the connections to each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    RedisClusterException,
    TimeoutError,
)

from meterdeck.core.adapters.fair_pool import FairPool
from meterdeck.core.adapters.redis_client import connection_options, redis_errors
from meterdeck.core.errors import MeterdeckError, RedisUnreachable
from meterdeck.core.model.context import HostPort, RedisOptions

_PAUSE_S = 0.05  # between two looks at the cluster, while it is changing
_OVER = 8  # connections of the library beyond the callers', for its own questions
_SIGNS_OF_CHANGE = (
    ClusterDownError,
    ConnectionError,
    OSError,
    RedisClusterException,
    TimeoutError,
)

T = TypeVar("T")


class ClusterNodes:
    """What is known of a cluster; belongs to one event loop.

    The library's client finds the nodes and sends ordinary commands. It never sends
    one again after a lost connection; it does follow a node that says where the keys
    are, which has not done anything then.

    Args:
        like: What may write, the nodes' connections may.

    Attributes:
        cluster: The library's client.
        timeout_s: Deadline of connecting and of one answer.
    """

    def __init__(
        self, options: RedisOptions, connections: int, *, like: FairPool
    ) -> None:
        assert options.cluster is not None
        self.timeout_s = options.timeout_s
        self._url: dict[str, Any] = dict(parse_url(options.url))
        first = HostPort(self._url.pop("host"), self._url.pop("port", 6379))
        self._url.pop("db", None)
        self._given = connection_options(options, connections)
        self._pools: dict[HostPort, FairPool] = {}
        self._like = like
        self._turns = asyncio.Semaphore(connections)
        self._looking: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self.cluster = self._library((first, *options.cluster.nodes), connections)

    def _library(self, places: tuple[HostPort, ...], connections: int) -> RedisCluster:
        given = self._given | self._url
        encrypted = given.pop("connection_class", None) is SSLConnection
        del given["wait_s"]
        key_password = given.pop("ssl_password", None)
        given["max_connections"] = connections + _OVER
        cluster: RedisCluster = RedisCluster(
            startup_nodes=[ClusterNode(each.host, each.port) for each in places],
            reinitialize_steps=0,  # it would cut off every command under way
            ssl=encrypted,
            **given,
        )
        if encrypted:
            # Its nodes' connections take it; the cluster's own client has no argument.
            nodes = (each.connection_kwargs for each in cluster.startup_nodes)
            for taken in (cluster.connection_kwargs, *nodes):
                taken["ssl_password"] = key_password
        return cluster

    def place_of(self, slot: int) -> HostPort | None:
        """Return where a slot's keys are, as far as is known."""
        try:
            node = self.cluster.nodes_manager.get_node_from_slot(slot)
        except (KeyError, RedisClusterException):
            return None
        return HostPort(node.host, int(node.port))

    def pool(self, place: HostPort) -> FairPool:
        """Return the connections to a node for what must not be sent twice."""
        pool = self._pools.get(place)
        if pool is None:
            given: dict[str, Any] = self._url | self._given
            reads_only = self._like.reads_only
            pool = FairPool(
                host=place.host, port=place.port, reads_only=reads_only, **given
            )
            pool.gate = self._like.gate
            self._pools[place] = pool
        return pool

    async def pool_of(self, slot: int) -> FairPool:
        """Return the connections to the node that has a slot's keys.

        Raises:
            RedisUnreachable, RedisRefused: No node says which one it is.
        """
        place = self.place_of(slot)
        if place is None:
            await self.look()
            place = self.place_of(slot)
        if place is None:
            raise RedisUnreachable("no node of the Redis cluster has these keys")
        return self.pool(place)

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something with the library's client, when it is its turn."""
        async with self._turns:
            if self._looking is not None and not self._looking.done():
                with suppress(MeterdeckError):  # the work finds out itself
                    await asyncio.shield(self._looking)
            try:
                # Unless asked to, the library looks for a command's key before it
                # has learnt where commands have theirs.
                await self.cluster.initialize()
                return await work()
            except _SIGNS_OF_CHANGE:
                self.lost()
                raise

    def lost(self) -> None:
        """Look at the cluster anew in the background."""
        self._look()

    async def look(self) -> None:
        """Find out which node has which keys now.

        Raises:
            RedisUnreachable, RedisRefused: No node says it.
        """
        await asyncio.shield(self._look())

    def _look(self) -> asyncio.Task[None]:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._ask())
            self._looking.add_done_callback(_heard)
        return self._looking

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._not_before - loop.time()))
        try:
            with redis_errors():
                await self.cluster.nodes_manager.initialize()
        finally:
            self._not_before = loop.time() + _PAUSE_S

    async def aclose(self) -> None:
        """Close all connections; what is on its way is lost."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for pool in self._pools.values():
            await pool.aclose()
        manager = self.cluster.nodes_manager
        await self.cluster.aclose()
        # The library closes nothing that it opened before it was ready.
        await manager.aclose()
        await manager.aclose("startup_nodes")

    def abandon(self) -> None:
        """Drop the connections of an event loop that has ended."""
        manager = self.cluster.nodes_manager
        for node in {*manager.nodes_cache.values(), *manager.startup_nodes.values()}:
            for connection in node._connections:  # no other way to them
                _drop(connection)
        self.cluster._initialize = True  # or it warns of itself


def _drop(connection: Any) -> None:
    # Without an event loop only the transport can be closed.
    writer, connection._writer, connection._reader = connection._writer, None, None
    if writer is not None:
        with suppress(RuntimeError):
            writer.close()


def _heard(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # whoever waits for it gets it, too
