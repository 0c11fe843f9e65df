"""Connections to the master that Redis Sentinels name, whichever that is now."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.exceptions import ReadOnlyError

from meterdeck.core.adapters.fair_pool import FairPool
from meterdeck.core.adapters.redis_client import connection_options
from meterdeck.core.model.context import HostPort, RedisOptions, SentinelOptions

_TO_EACH_SENTINEL = 4


def open_master(
    options: RedisOptions, sentinel: SentinelOptions, connections: int
) -> Redis:
    """Return a client of the master; see `open_redis`.

    Each connection asks the Sentinels when it is made. After a failover it is made
    anew: the old master closed it, or answered that it takes no writes.
    """
    url = _without_address(options.url)
    encrypted = url.pop("connection_class", None) is SSLConnection
    kind = _EncryptedMasterConnection if encrypted else _MasterConnection
    manager = Sentinel([])  # type: ignore[no-untyped-call]  # the library's
    manager.sentinels = [
        _client(each, options, sentinel, encrypted) for each in sentinel.sentinels
    ]
    client: Redis = manager.master_for(
        sentinel.master_name,
        connection_pool_class=_MasterPool,
        connection_class=kind,
        **url,
        **connection_options(options, connections),
    )
    return client


class _MasterPool(FairPool, SentinelConnectionPool):
    """A fair pool that has the library's way to the master."""

    follows = True
    sentinel_manager: Sentinel

    def __init__(self, service: str, manager: Sentinel, **options: Any) -> None:
        super().__init__(service_name=service, sentinel_manager=manager, **options)

    async def aclose(self) -> None:
        """Close all connections, those to the Sentinels too."""
        try:
            await super().aclose()
        finally:
            await self.sentinel_manager.aclose()


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
