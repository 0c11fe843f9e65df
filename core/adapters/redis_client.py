"""The Redis client: one way to open it, one mapping of its errors to ours.

The library itself is imported here and by what replaces parts of it: the pool and the
lanes.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
)

from meterdeck.core.adapters.fair_pool import FairPool, Gate
from meterdeck.core.adapters.redis_refusals import (
    is_elsewhere,
    origin_of,
    refused,
    silence,
    was_never_sent,
    words_of,
)
from meterdeck.core.errors import (
    RedisRefused,
    RedisUnreachable,
    UnknownOutcome,
)
from meterdeck.core.model.context import RedisOptions
from meterdeck.core.model.moments import moment_at as from_milliseconds
from meterdeck.core.model.moments import moment_ms as to_milliseconds

__all__ = [
    "Redis",
    "RoutedRedis",
    "enter_write",
    "execute_write",
    "from_milliseconds",
    "guard_writes",
    "open_redis",
    "redis_errors",
    "server_time",
    "to_milliseconds",
]

Argument = bytes | str | int

_QUEUE_S = 10.0  # longest wait for one of the pool's connections
_SCRIPTED = ("EVALSHA", "EVAL")
_PAUSE_S = 0.05  # between two tries to find the master


def open_redis(
    options: RedisOptions, *, connections: int = 32, reads_only: bool = False
) -> Redis:
    """Return a client that connects when it is first used; replies are bytes.

    Nothing is sent twice: the library's own retries, which count an increment
    again after a lost reply, are off. More callers than `connections` wait for
    their turn, in the order in which they came. The caller closes the client with
    `aclose`, in the event loop it was used in.

    With Sentinels it is a client of the master they name, whichever that is; of a
    cluster a `RoutedRedis`, with that many connections to each node.

    Args:
        reads_only: What writes raises `ReadOnly`, and nothing of it is sent.
    """
    # Each brings its part of the library along, which a single server does not need.
    if options.cluster is not None:
        from meterdeck.core.adapters.cluster_client import open_cluster  # noqa: PLC0415

        return open_cluster(options, connections, reads_only=reads_only)
    if options.sentinel is not None:
        from meterdeck.core.adapters.sentinel_pool import open_master  # noqa: PLC0415

        return open_master(
            options, options.sentinel, connections, reads_only=reads_only
        )
    given = connection_options(options, connections)
    pool = FairPool.from_url(options.url, reads_only=reads_only, **given)
    client: Redis = Redis.from_pool(pool)
    return client


def guard_writes(redis: Redis, gate: Gate) -> None:
    """Let a gate decide about all that a client writes; before its first use."""
    _pool(redis).gate = gate


async def enter_write(redis: Redis) -> None:
    """Let a write pass the client's gate, where it has one.

    `execute_write` and the batches of scripts do it by themselves; for what is written
    in another way.

    Raises:
        ReadOnly, ProgramTooOld: It may not; nothing was sent.
        RedisUnreachable, RedisRefused: Nobody knows; nothing was sent.
    """
    await _pool(redis).enter()


def _pool(redis: Redis) -> FairPool:
    pool = redis.connection_pool
    assert isinstance(pool, FairPool), "the client was not made by open_redis"
    return pool


def connection_options(options: RedisOptions, connections: int) -> dict[str, Any]:
    """Return what a pool and its connections are made with, besides the address."""
    return {
        "username": options.username or None,
        "password": options.password.reveal() if options.password else None,
        "max_connections": connections,
        "wait_s": _QUEUE_S,
        "socket_timeout": options.timeout_s,
        "socket_connect_timeout": options.timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,  # works with every server and needs no HELLO
        "driver_info": None,  # no CLIENT SETINFO: a restricted user may not send it
        "client_name": None,
        **_tls(options),
    }


def _tls(options: RedisOptions) -> dict[str, Any]:
    if not options.url.startswith("rediss:"):
        return {}
    given: dict[str, Any] = {}
    if not options.tls_verify:
        given = {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    password = options.tls_key_password
    # Without one OpenSSL would ask for it, on a terminal that is not its own.
    given["ssl_password"] = password.reveal() if password else ""
    return given


class RoutedRedis(Redis):
    """A client whose keys lie on several servers."""

    @abstractmethod
    async def pool_of(self, slot: int) -> FairPool:
        """Return the connections to the server that has a slot's keys.

        Raises:
            RedisUnreachable, RedisRefused: Nobody knows which one it is.
        """

    @abstractmethod
    async def execute_at(
        self, slot: int, command: bytes, *, what: str, operation_id: str
    ) -> object:
        """Send a packed write of a slot's keys as `execute_write` does."""

    @property
    @abstractmethod
    def lanes(self) -> Any:  # ScriptLanes' protocol; that module imports this one
        """What carries script calls to all the servers in the running event loop."""

    @abstractmethod
    async def look_again(self, error: RedisRefused) -> None:
        """Find out anew where the keys are, after a server said it was not the one.

        Raises:
            RedisUnreachable: No node answers.
        """

    @abstractmethod
    def lost(self) -> None:
        """Learn that a server did not answer: another one may take its place."""


@contextmanager
def redis_errors(*, write: str = "", operation_id: str = "") -> Iterator[None]:
    """Turn errors of the client library into ours.

    Args:
        write: What is being written, in words; empty for a read.
        operation_id: The id that makes repeating the write safe.

    Raises:
        RedisUnreachable: No answer, and nothing was written.
        UnknownOutcome: The write may have been sent; its answer was lost.
        RedisRefused: The server answered with an error.
    """
    try:
        yield
    except RedisClusterException as error:
        # The library's, before it has sent anything.
        origin = origin_of(error)
        if isinstance(origin, AuthenticationError | BusyLoadingError | ResponseError):
            raise refused(origin) from error
        if isinstance(origin, ConnectionError | TimeoutError | OSError):
            sentence = f"no node of the Redis cluster answers: {words_of(origin)}"
            raise RedisUnreachable(sentence) from error
        raise refused(error) from error
    except (AuthenticationError, BusyLoadingError) as error:
        raise refused(error) from error
    except (ConnectionError, TimeoutError, OSError) as error:
        if write and not was_never_sent(error):
            raise UnknownOutcome(write, operation_id) from error
        raise RedisUnreachable(silence(error)) from error
    except RedisError as error:
        raise refused(error) from error


async def execute_write(
    redis: Redis, *command: Argument, what: str, operation_id: str
) -> object:
    """Send one command at most once and return its reply.

    A connection is made before anything is sent, so that `RedisUnreachable` means
    nothing was done and `UnknownOutcome` that it may have been.

    Raises:
        ReadOnly, ProgramTooOld: It may not write; nothing was sent.
        RedisUnreachable, UnknownOutcome, RedisRefused: As in `redis_errors`.
    """
    await enter_write(redis)
    # The library packs in Python, which costs half of a short command's time.
    packed = pack_command(command)  # type: ignore[arg-type]  # takes any tuple
    if isinstance(redis, RoutedRedis):
        key = command[3] if command[0] in _SCRIPTED else command[1]
        assert isinstance(key, bytes)
        return await redis.execute_at(
            key_slot(key), packed, what=what, operation_id=operation_id
        )
    pool = _pool(redis)
    until = time.monotonic() + float(pool.connection_kwargs["socket_timeout"])
    while True:
        try:
            return await send_once(pool, packed, what=what, operation_id=operation_id)
        except RedisRefused as error:
            late = time.monotonic() >= until
            if late or not (pool.follows and is_elsewhere(error)):
                raise
            await asyncio.sleep(_PAUSE_S)  # until there is a master


async def send_once(
    pool: FairPool, command: bytes, *, what: str, operation_id: str
) -> object:
    """Send a packed command to a pool's server as `execute_write` does."""
    pool.refuse_write()
    with redis_errors():
        connection = await pool.get_connection()
    try:
        with redis_errors(write=what, operation_id=operation_id):
            await connection.send_packed_command(command)
            reply: object = await connection.read_response()
            return reply
    finally:
        await pool.release(connection)


async def server_time(redis: Redis) -> datetime:
    """Return the Redis server's clock.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    with redis_errors():
        return clock_time(await redis.time())


def clock_time(reply: object) -> datetime:
    """Return the moment in a reply to TIME, to the millisecond; or raise its error."""
    if isinstance(reply, Exception):
        raise reply
    seconds, microseconds = cast("tuple[int, int]", reply)
    return from_milliseconds(seconds * 1000 + microseconds // 1000)
