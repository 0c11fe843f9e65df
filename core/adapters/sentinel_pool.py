"""Connections to the master that Redis Sentinels name, whichever that is now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, SSLConnection, parse_url
from redis.asyncio.sentinel import (
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.exceptions import ReadOnlyError

from meterdeck.core.adapters.fair_pool import FairPool
from meterdeck.core.adapters.master_connections import MasterConnections
from meterdeck.core.adapters.master_finder import Address, MasterFinder
from meterdeck.core.adapters.redis_client import connection_options
from meterdeck.core.adapters.sentinel_watch import SentinelWatch
from meterdeck.core.model.context import HostPort, RedisOptions, SentinelOptions

_TO_EACH_SENTINEL = 5  # one of them listens


def open_master(
    options: RedisOptions,
    sentinel: SentinelOptions,
    connections: int,
    *,
    reads_only: bool = False,
) -> Redis:
    """Return a client of the master; see `open_redis`.

    Each connection asks the Sentinels when it is made. It is made anew when a Sentinel
    announces another master, or the old one closed it or says it takes no writes.
    """
    url = _without_address(options.url)
    encrypted = url.pop("connection_class", None) is SSLConnection
    kind = _EncryptedMasterConnection if encrypted else _MasterConnection
    manager = MasterFinder(
        [_client(each, options, sentinel, encrypted) for each in sentinel.sentinels]
    )
    client: Redis = manager.master_for(
        sentinel.master_name,
        connection_pool_class=_MasterPool,
        connection_class=kind,
        reads_only=reads_only,
        **url,
        **connection_options(options, connections),
    )
    return client


def sentinels_of(redis: Redis) -> list[Redis]:
    """Return clients of the Sentinels that a master's client follows; else none."""
    pool = redis.connection_pool
    return pool.sentinel_manager.sentinels if isinstance(pool, _MasterPool) else []


@dataclass(frozen=True, slots=True)
class _Here:
    """What belongs to one event loop."""

    connections: MasterConnections
    watch: SentinelWatch


class _MasterPool(FairPool, SentinelConnectionPool):
    """A fair pool that has the library's way to the master, and is told of a new one.

    It listens to the Sentinels from the first connection on.
    """

    follows = True
    sentinel_manager: MasterFinder

    def __init__(self, service: str, manager: MasterFinder, **options: Any) -> None:
        super().__init__(service_name=service, sentinel_manager=manager, **options)
        self._here: dict[asyncio.AbstractEventLoop, _Here] = {}

    def make_connection(self) -> AbstractConnection:
        """Return a connection that will be made to whichever is the master then."""
        connection = super().make_connection()
        self._of_loop().connections.add(connection)
        return connection

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        """Connect, also where the connection was left open to another server."""
        leave = connection.should_reconnect()  # type: ignore[no-untyped-call]
        if leave:
            await connection.disconnect(nowait=True)
        await super().ensure_connection(connection)

    async def get_master_address(self) -> Address:
        """Return where the master is; see `MasterConnections.address`."""
        here = self._of_loop()
        here.watch.listen()
        self.master_address = await here.connections.address()
        return self.master_address

    async def aclose(self) -> None:
        """Close all connections, those to the Sentinels too."""
        try:
            await super().aclose()
        finally:
            here = self._here.pop(asyncio.get_running_loop(), None)
            if here is not None:
                await here.watch.aclose()
            await self.sentinel_manager.aclose()

    def _of_loop(self) -> _Here:
        loop = asyncio.get_running_loop()
        here = self._here.get(loop)
        if here is None:
            for ended in [each for each in self._here if each.is_closed()]:
                del self._here[ended]
            finder, name = self.sentinel_manager, self.service_name
            connections = MasterConnections(lambda: finder.discover_master(name))
            watch = SentinelWatch(finder.sentinels, name, connections)
            here = self._here[loop] = _Here(connections, watch)
        return here


class _MasterConnection(SentinelManagedConnection):
    """A connection that is made anew after a failover."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Return a reply; a master that has become a replica is not asked again."""
        try:
            # The library calls a refused write a lost connection. It is none: nothing
            # was done, and the replies to what was sent along are still to be read.
            return await super(SentinelManagedConnection, self).read_response(
                *args, **options
            )
        except ReadOnlyError:
            self.mark_for_reconnect()  # type: ignore[no-untyped-call]
            raise


class _EncryptedMasterConnection(_MasterConnection, SentinelManagedSSLConnection):
    """The same with TLS."""


def _client(
    place: HostPort, options: RedisOptions, sentinel: SentinelOptions, encrypted: bool
) -> Redis:
    given = connection_options(options, _TO_EACH_SENTINEL)
    given["username"] = sentinel.username or None
    given["password"] = sentinel.password.reveal() if sentinel.password else None
    if encrypted:
        url = _without_address(options.url)
        url.pop("db", None)
        given |= url
    pool = FairPool(host=place.host, port=place.port, **given)
    client: Redis = Redis.from_pool(pool)
    return client


def _without_address(url: str) -> dict[str, Any]:
    """Return a URL's options as the library takes them."""
    parsed = dict(parse_url(url))
    for name in ("host", "port", "path"):
        parsed.pop(name, None)
    return parsed
