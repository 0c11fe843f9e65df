"""Reads by the thousand: packed commands, several in flight on one connection."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.crc import key_slot
from redis.exceptions import ResponseError

from meterdeck.core.adapters.fair_pool import FairPool
from meterdeck.core.adapters.redis_client import Redis, RoutedRedis, redis_errors
from meterdeck.core.adapters.redis_refusals import is_elsewhere
from meterdeck.core.errors import RedisRefused, RedisUnreachable

IN_FLIGHT = 4
_AT_ONCE = 1000  # keys in one MGET: more hold up the server, fewer cost time
_TOGETHER = 250  # commands of few keys each that are sent as one
_LARGE = 16_384  # bytes of commands that are sent as one
_TRIES = 3
_OTHER_TYPE = "WRONGTYPE"


class Command(NamedTuple):
    """A packed command that reads, and the slot of its keys on a cluster."""

    slot: int
    packed: bytes


@dataclass(frozen=True, slots=True)
class MgetPlan:
    """Keys to be read any number of times.

    Attributes:
        places: For each command where its values stand in the result; empty where one
            command reads all.
    """

    commands: tuple[Command, ...]
    places: tuple[tuple[int, ...], ...] = ()

    def values(self, replies: Sequence[object]) -> list[bytes | None]:
        """Put the replies together, in the order of the keys."""
        if not self.places:
            (whole,) = replies
            assert isinstance(whole, list)
            return whole
        values: list[bytes | None] = [None] * sum(map(len, self.places))
        for places, reply in zip(self.places, replies, strict=True):
            assert isinstance(reply, list)
            for place, value in zip(places, reply, strict=True):
                values[place] = value
        return values


class BulkReader:
    """Sends packed commands, past the client library's work for each of them.

    Measured on 500,000 counters: as fast as a bare socket, three times as fast as
    the library's own MGET. On a cluster there is one MGET a slot, and all nodes are
    read at the same time.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._routed = redis if isinstance(redis, RoutedRedis) else None

    def plan(self, keys: Sequence[bytes]) -> MgetPlan:
        """Prepare reading these keys again and again."""
        if self._routed is None:
            return MgetPlan((Command(0, _pack(b"MGET", *keys)),))
        slots: dict[int, list[int]] = {}
        for place, key in enumerate(keys):
            slots.setdefault(key_slot(key), []).append(place)
        commands = (
            Command(slot, _pack(b"MGET", *[keys[place] for place in places]))
            for slot, places in slots.items()
        )
        return MgetPlan(tuple(commands), tuple(map(tuple, slots.values())))

    async def read(self, plans: Sequence[MgetPlan]) -> list[list[bytes | None]]:
        """Return for each plan what its keys hold, as `mget` does.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        replies = await self._replies([c for plan in plans for c in plan.commands])
        values, at = [], 0
        for plan in plans:
            past = at + len(plan.commands)
            values.append(plan.values(replies[at:past]))
            at = past
        return values

    async def mget(self, keys: Iterable[bytes]) -> list[bytes | None]:
        """Return what each key holds, None where it holds nothing or no string.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        names = list(keys)
        starts = range(0, len(names), _AT_ONCE)
        plans = [self.plan(names[start : start + _AT_ONCE]) for start in starts]
        return [value for part in await self.read(plans) for value in part]

    async def hashes(self, keys: Iterable[bytes]) -> list[dict[bytes, bytes]]:
        """Return what each hash holds, nothing where there is none, or no hash.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        replies = await self._replies(
            [Command(key_slot(key), _pack(b"HGETALL", key)) for key in keys],
            other_types=True,
        )
        return [_hash(reply) for reply in replies]

    async def types(self, keys: Iterable[bytes]) -> list[str]:
        """Return the type of what each key holds, `none` where it does not exist.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        replies = await self._replies(
            [Command(key_slot(key), _pack(b"TYPE", key)) for key in keys]
        )
        return [r.decode() if isinstance(r, bytes) else str(r) for r in replies]

    async def _replies(
        self, commands: Sequence[Command], *, other_types: bool = False
    ) -> list[object]:
        """Return the replies; None of keys of another type, if those may be there."""
        if not commands:
            return []
        if self._routed is not None:
            return await self._routed_replies(self._routed, commands, other_types)
        pool = self._redis.connection_pool
        assert isinstance(pool, FairPool), "the client was not made by open_redis"
        return await _exchange(pool, _joined(commands), other_types)

    async def _routed_replies(
        self, redis: RoutedRedis, commands: Sequence[Command], other_types: bool
    ) -> list[object]:
        for left in reversed(range(_TRIES)):
            try:
                return await _from_all(redis, commands, other_types)
            except RedisRefused as error:
                if not (left and is_elsewhere(error)):
                    raise
                await redis.look_again(error)
            except RedisUnreachable:
                redis.lost()
                raise
        raise AssertionError("the last try raised")


async def _from_all(
    redis: RoutedRedis, commands: Sequence[Command], other_types: bool
) -> list[object]:
    places: dict[FairPool, list[int]] = {}
    for place, command in enumerate(commands):
        places.setdefault(await redis.pool_of(command.slot), []).append(place)
    answers = await asyncio.gather(
        *(
            _exchange(pool, _joined([commands[place] for place in mine]), other_types)
            for pool, mine in places.items()
        ),
        return_exceptions=True,
    )
    replies: list[object] = [None] * len(commands)
    for mine, answer in zip(places.values(), answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        for place, reply in zip(mine, answer, strict=True):
            replies[place] = reply
    return replies


def _joined(commands: Sequence[Command]) -> list[tuple[bytes, int]]:
    """Put small commands together; a large one goes by itself."""
    parts: list[list[bytes]] = []
    size = _LARGE
    for command in commands:
        if size + len(command.packed) > _LARGE or len(parts[-1]) == _TOGETHER:
            parts.append([])
            size = 0
        parts[-1].append(command.packed)
        size += len(command.packed)
    return [(b"".join(part), len(part)) for part in parts]


async def _exchange(
    pool: FairPool, requests: Sequence[tuple[bytes, int]], other_types: bool
) -> list[object]:
    """Send requests, a few at once, and return the replies to all their commands.

    A connection that failed is closed, and what was in flight is lost.
    """
    with redis_errors():
        connection = await pool.get_connection()
        whole = False
        try:
            replies: list[object] = []
            await connection.send_packed_command([r for r, _ in requests[:IN_FLIGHT]])
            for number, (_, expected) in enumerate(requests):
                replies += await _read(connection, expected, other_types)
                following = number + IN_FLIGHT
                if following < len(requests):
                    await connection.send_packed_command([requests[following][0]])
            whole = True
            return replies
        finally:
            if not whole:  # replies on the way belong to nobody
                await connection.disconnect(nowait=True)
            await pool.release(connection)


async def _read(
    connection: AbstractConnection, count: int, other_types: bool
) -> list[object]:
    replies: list[object] = []
    # One deadline for all of them: the library's would be a timer each.
    async with asyncio.timeout(connection.socket_timeout):
        for _ in range(count):
            try:
                replies.append(await connection.read_response(True, timeout=math.inf))
            except ResponseError as error:
                if not (other_types and str(error).startswith(_OTHER_TYPE)):
                    raise
                replies.append(None)
    return replies


def _hash(reply: object) -> dict[bytes, bytes]:
    if isinstance(reply, dict):
        return reply
    if isinstance(reply, list):
        return dict(zip(reply[::2], reply[1::2], strict=True))
    return {}


def _pack(*parts: bytes) -> bytes:
    packed: bytes = hiredis.pack_command(parts)  # type: ignore[arg-type]  # stub says one part
    return packed
