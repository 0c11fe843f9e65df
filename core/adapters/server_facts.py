"""What Redis servers say of themselves, and what their user may do."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, cast
from weakref import WeakSet

from meterdeck.core.adapters.redis_client import (
    Redis,
    RoutedRedis,
    clock_time,
    redis_errors,
)
from meterdeck.core.adapters.redis_refusals import (
    is_no_permission,
    is_unknown_script,
)
from meterdeck.core.errors import RedisRefused

Command = Sequence[bytes | str]

_SETTINGS = ("save", "appendfsync", "min-replicas-to-write", "min-replicas-max-lag")
# Unlike the others it needs no memory, no disk and no replica: it asks.
_FLAGS = "#!lua flags=no-writes,allow-oom,allow-stale\n"

# Clients whose user may not ask for settings: each refusal is a line in the server's
# own log of them, where it would look like an attack.
_NOT_TOLD: WeakSet[Redis] = WeakSet()


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One server that takes writes, or should.

    Attributes:
        name: Which of several; empty where there is one.
        info: What INFO says.
        settings: What CONFIG GET says; None where this user may not ask.
    """

    name: str
    info: Mapping[str, Any]
    settings: Mapping[str, str] | None

    def number(self, name: str) -> int:
        """Return a number of INFO; 0 where the server does not say it."""
        value = self.info.get(name, 0)
        return int(value) if isinstance(value, int | float) else 0

    def setting(self, name: str) -> str | None:
        """Return a setting; None where it is not known."""
        return None if self.settings is None else self.settings.get(name)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The server's clock, and the monotonic seconds that asking for it took."""

    server: datetime
    round_trip_s: float


async def read_facts(redis: Redis) -> tuple[ServerFacts, ...]:
    """Ask every master what it is and how it is.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    infos = await read_infos(redis)
    settings = await _settings(redis)
    return tuple(
        ServerFacts(name, info, _texts(settings.get(name)))
        for name, info in infos.items()
    )


async def read_infos(redis: Redis) -> dict[str, Mapping[str, Any]]:
    """Ask every master what it says of itself: its name → INFO.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    with redis_errors():
        return _by_name(redis, await ask_all(redis, "INFO"))


async def _settings(redis: Redis) -> dict[str, Mapping[str, Any]]:
    if redis in _NOT_TOLD:
        return {}
    try:
        with redis_errors():
            reply = await ask_all(redis, "CONFIG GET", *_SETTINGS)
    except RedisRefused as error:
        if is_no_permission(error):
            _NOT_TOLD.add(redis)
        return {}
    return _by_name(redis, reply)


async def read_clock(redis: Redis) -> ClockReading:
    """Ask one server for its clock.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    with redis_errors():
        await redis.ping()  # so that connecting is not part of the round trip
        started = time.monotonic()
        reply = await redis.time()
        took = time.monotonic() - started
        return ClockReading(clock_time(reply), took)


async def may_run(redis: Redis, key: bytes, commands: Sequence[Command]) -> list[bool]:
    """Ask whether this user may run each of `commands` from a script.

    Raises:
        RedisUnreachable, RedisRefused: Also where the user may run no script.
    """
    words: list[bytes | str | int] = []
    for command in commands:
        words += [len(command), *command]
    return [each == 1 for each in await ask_rights(redis, key, words)]


async def ask_rights(
    redis: Redis, key: bytes, words: Sequence[bytes | str | int] = ()
) -> list[int]:
    """Run the script that asks what its own user may; without `words` it asks nothing.

    Every role may run it by its digest, also those that may run no other script.

    Raises:
        RedisUnreachable, RedisRefused: Also where the user may run no script.
    """
    text = rights_text()
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    client: Any = redis
    try:
        with redis_errors():
            reply = await client.evalsha_ro(digest, 1, key, *words)
    except RedisRefused as error:
        if not (is_unknown_script(error) or is_no_permission(error)):
            raise
        with redis_errors():
            reply = await client.eval(text, 1, key, *words)
    return cast("list[int]", reply)


@cache  # the health screen asks by it every second
def rights_text() -> str:
    """Return the script that asks what the user who runs it may do."""
    source = files("meterdeck.core.adapters").joinpath("lua", "rights.lua")
    return _FLAGS + source.read_text()


async def ask_all(redis: Redis, *command: str | bytes) -> Any:
    """Send a command to every master; of several: name → answer."""
    client: Any = redis  # the library does not type this method
    if isinstance(redis, RoutedRedis):
        return await client.execute_command(*command, target_nodes="primaries")
    return await client.execute_command(*command)


def _by_name(redis: Redis, reply: Any) -> dict[str, Mapping[str, Any]]:
    return dict(reply) if isinstance(redis, RoutedRedis) else {"": reply}


def _texts(settings: Mapping[Any, Any] | None) -> Mapping[str, str] | None:
    if settings is None:
        return None
    return {_text(name): _text(value) for name, value in settings.items()}


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
