"""The Redis client: one way to open it, one mapping of its errors to ours.

The library itself is imported here and by what replaces parts of it: the pool and the
lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import cast

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)

from meterdeck.core.adapters.fair_pool import FairPool
from meterdeck.core.errors import RedisRefused, RedisUnreachable, UnknownOutcome
from meterdeck.core.model.context import RedisOptions
from meterdeck.core.model.text import visible

__all__ = ["Redis", "execute_write", "open_redis", "redis_errors", "server_time"]

Argument = bytes | str | int

_QUEUE_S = 10.0  # longest wait for one of the pool's connections
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NO_RIGHT = "this Redis user has no right to do that"
_NO_LOGIN = "Redis asks for a password: set redis.password"
_TOO_OLD = "this Redis server is too old; meterdeck needs version 7 or newer"

# The library takes the code away from the errors it has a class for.
_BY_CLASS: tuple[tuple[type[RedisError], str], ...] = (
    (BusyLoadingError, "Redis is still loading its data; it will answer soon"),
    (NoPermissionError, _NO_RIGHT),
    (ReadOnlyError, "this Redis server is a replica and takes no writes"),
    (OutOfMemoryError, "Redis has reached its memory limit and takes no writes"),
    (MasterDownError, "this Redis replica has lost its master"),
    (ClusterDownError, "the Redis cluster is down"),
    (ClusterCrossSlotError, "keys lie in different cluster slots: set redis.tagged"),
    (MovedError, "this is a node of a Redis Cluster, which is not supported yet"),
)
_BY_TEXT = (
    ("WRONGPASS", "Redis does not accept this user name and password"),
    ("invalid username-password", "Redis does not accept this user name and password"),
    ("NOAUTH", _NO_LOGIN),
    ("Authentication required", _NO_LOGIN),
    ("NOPERM", _NO_RIGHT),
    ("can't run this command", _NO_RIGHT),
    ("ACL failure", _NO_RIGHT),
    ("near '#'", _TOO_OLD),
    ("MISCONF", "Redis cannot write to its disk and takes no writes"),
    ("NOREPLICAS", "too few Redis replicas are connected; it takes no writes"),
    ("BUSY Redis", "Redis is busy with a script that does not end"),
)


def open_redis(options: RedisOptions, *, connections: int = 32) -> Redis:
    """Return a client that connects when it is first used; replies are bytes.

    Nothing is sent twice: the library's own retries, which count an increment
    again after a lost reply, are off. More callers than `connections` wait for
    their turn, in the order in which they came. The caller closes the client with
    `aclose`, in the event loop it was used in.
    """
    pool = FairPool.from_url(
        options.url,
        username=options.username or None,
        password=options.password.reveal() if options.password else None,
        max_connections=connections,
        wait_s=_QUEUE_S,
        socket_timeout=options.timeout_s,
        socket_connect_timeout=options.timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # works with every server and needs no HELLO
        driver_info=None,  # no CLIENT SETINFO: a restricted user may not send it
        client_name=None,
    )
    client: Redis = Redis.from_pool(pool)
    return client


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
    except (AuthenticationError, BusyLoadingError) as error:
        raise RedisRefused(_refusal(error)) from error
    except (ConnectionError, TimeoutError, OSError) as error:
        if write and not _never_sent(error):
            raise UnknownOutcome(write, operation_id) from error
        raise RedisUnreachable(f"Redis does not answer: {_words(error)}") from error
    except RedisError as error:
        raise RedisRefused(_refusal(error)) from error


async def execute_write(
    redis: Redis, *command: Argument, what: str, operation_id: str
) -> object:
    """Send one command at most once and return its reply.

    A connection is made before anything is sent, so that `RedisUnreachable` means
    nothing was done and `UnknownOutcome` that it may have been.

    Raises:
        RedisUnreachable, UnknownOutcome, RedisRefused: As in `redis_errors`.
    """
    pool = redis.connection_pool
    with redis_errors():
        # The library's deprecation decorator hides the types.
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        with redis_errors(write=what, operation_id=operation_id):
            # The library packs in Python, which costs half of a short command's time.
            packed = pack_command(command)  # type: ignore[arg-type]  # takes any tuple
            await connection.send_packed_command(packed)
            reply: object = await connection.read_response()
            return reply
    finally:
        await pool.release(connection)


def is_no_permission(error: RedisRefused) -> bool:
    """Tell whether the server refused for want of a right, before it did anything."""
    return isinstance(error.__cause__, NoPermissionError)


def is_unknown_script(error: RedisRefused) -> bool:
    """Tell whether the server does not know a script's digest (yet)."""
    return isinstance(error.__cause__, NoScriptError)


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


def from_milliseconds(value: int) -> datetime:
    """Return the moment `value` milliseconds after 1970, in UTC."""
    return _EPOCH + timedelta(milliseconds=value)


def to_milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _never_sent(error: Exception) -> bool:
    # The library tells the two apart only by their text.
    text = str(error)
    return "connecting to" in text or "No connection available" in text


def _refusal(error: Exception) -> str:
    sentence = _sentence(error)
    if sentence is None:
        return f"Redis refused: {_words(error)}"
    return f"{sentence} ({_words(error)})" if sentence is _NO_RIGHT else sentence


def _sentence(error: Exception) -> str | None:
    for kind, sentence in _BY_CLASS:
        if isinstance(error, kind):
            return sentence
    text = str(error)
    return next((words for sign, words in _BY_TEXT if sign in text), None)


def _words(error: Exception) -> str:
    return visible(str(error).rstrip(".") or type(error).__name__)
