"""Many calls of one script, over one connection to each server that has their keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.crc import key_slot
from redis.exceptions import NoScriptError, ResponseError

from meterdeck.core.adapters.fair_pool import FairPool
from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    RoutedRedis,
    enter_write,
    redis_errors,
)
from meterdeck.core.adapters.redis_refusals import is_elsewhere
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.errors import (
    NotReplicated,
    RedisRefused,
    RedisUnreachable,
    UnknownOutcome,
)

_IN_FLIGHT = 4
_PAUSE_S = 0.05  # between two tries to find the master
_KNOWN_S = 5.0  # so long it is believed that a server has replicas, or none


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """One call of a script that may be made twice: the second changes nothing."""

    keys: Sequence[bytes]
    arguments: Sequence[Argument]


class ScriptBatches:
    """Makes calls of one script that may be repeated.

    Args:
        what: What the calls do, in words.
        timeout_s: Deadline of one answer; until it is over, the server that has the
            keys is looked for.
        replica_wait_s: Where a server has replicas, so long is waited for one of them
            to have what the calls wrote; 0: not waited for.
    """

    def __init__(
        self,
        redis: Redis,
        script: Script,
        *,
        what: str,
        timeout_s: float,
        replica_wait_s: float = 0.0,
    ) -> None:
        self._redis = redis
        self._script = script
        self._what = what
        self._timeout_s = timeout_s
        self._replica_wait_s = replica_wait_s
        self._replicas: dict[FairPool, tuple[float, bool]] = {}

    async def run(
        self, calls: Sequence[ScriptCall], *, operation_id: str
    ) -> list[list[Any]]:
        """Make the calls and return their replies in order.

        Raises:
            ReadOnly, ProgramTooOld: None was made, nor may be.
            RedisUnreachable: None was made.
            NotReplicated: All were made, and no replica has it (yet).
            RedisRefused, UnknownOutcome: Some may have been made.
        """
        if not calls:
            return []
        await enter_write(self._redis)
        until = time.monotonic() + self._timeout_s
        while True:
            try:
                return await self._run_once(calls, operation_id)
            except RedisRefused as error:
                if time.monotonic() >= until or not self._may_be_elsewhere(error):
                    raise
                if isinstance(self._redis, RoutedRedis):
                    await self._redis.look_again(error)
                else:
                    await asyncio.sleep(_PAUSE_S)  # until there is a master

    def _may_be_elsewhere(self, error: RedisRefused) -> bool:
        redis = self._redis
        follows = isinstance(redis, RoutedRedis) or _pool(redis).follows
        return follows and is_elsewhere(error)

    async def _run_once(
        self, calls: Sequence[ScriptCall], operation_id: str
    ) -> list[list[Any]]:
        redis = self._redis
        if not isinstance(redis, RoutedRedis):
            return await self._exchange(_pool(redis), calls, operation_id)
        places: dict[FairPool, list[int]] = {}
        for place, call in enumerate(calls):
            pool = await redis.pool_of(key_slot(call.keys[0]))
            places.setdefault(pool, []).append(place)
        answers = await asyncio.gather(
            *(
                self._exchange(pool, [calls[place] for place in mine], operation_id)
                for pool, mine in places.items()
            ),
            return_exceptions=True,
        )
        replies: list[list[Any]] = [[] for _ in calls]
        for mine, answer in zip(places.values(), answers, strict=True):
            if isinstance(answer, BaseException):
                if isinstance(answer, UnknownOutcome | RedisUnreachable):
                    redis.lost()
                raise answer
            for place, reply in zip(mine, answer, strict=True):
                replies[place] = reply
        return replies

    async def _exchange(
        self, pool: FairPool, calls: Sequence[ScriptCall], operation_id: str
    ) -> list[list[Any]]:
        """Make calls at one server; a connection that failed is closed."""
        pool.refuse_write()
        with redis_errors():
            connection = await pool.get_connection()
        whole = False
        try:
            with redis_errors():
                replicated = await self._has_replicas(pool, connection)
            with redis_errors(write=self._what, operation_id=operation_id):
                replies = await self._make(connection, calls)
                copies = await self._copies(connection) if replicated else 1
            whole = True
        finally:
            if not whole:  # replies on the way belong to nobody
                await connection.disconnect(nowait=True)
            await pool.release(connection)
        if not copies:
            raise NotReplicated(
                f"{self._what} was written, and no replica of Redis had it within"
                f" {self._replica_wait_s:g} s"
            )
        return replies

    async def _make(
        self, connection: AbstractConnection, calls: Sequence[ScriptCall]
    ) -> list[list[Any]]:
        found = await _pipelined(connection, [self._packed(each) for each in calls])
        unknown = [n for n, r in enumerate(found) if isinstance(r, NoScriptError)]
        again = [self._packed(calls[number], full=True) for number in unknown]
        replies = await _pipelined(connection, again)
        for number, reply in zip(unknown, replies, strict=True):
            found[number] = reply
        for reply in found:
            if isinstance(reply, Exception):
                raise reply
        return found

    def _packed(self, call: ScriptCall, *, full: bool = False) -> list[bytes]:
        head = ("EVAL", self._script.text) if full else ("EVALSHA", self._script.digest)
        return _pack(*head, len(call.keys), *call.keys, *call.arguments)

    async def _has_replicas(
        self, pool: FairPool, connection: AbstractConnection
    ) -> bool:
        if not self._replica_wait_s:
            return False
        now = time.monotonic()
        at, has = self._replicas.get(pool, (-_KNOWN_S, False))
        if pool.follows or now >= at + _KNOWN_S:
            await connection.send_packed_command(_pack("INFO", "replication"))
            text = await connection.read_response(disable_decoding=True)
            has = b"connected_slaves:0\r" not in text
            self._replicas[pool] = now, has
        return has

    async def _copies(self, connection: AbstractConnection) -> int:
        wait_ms = int(self._replica_wait_s * 1000)
        await connection.send_packed_command(_pack("WAIT", 1, wait_ms))
        timeout_s = self._replica_wait_s + self._timeout_s
        copies: int = await connection.read_response(timeout=timeout_s)
        return copies


async def _pipelined(
    connection: AbstractConnection, commands: Sequence[list[bytes]]
) -> list[Any]:
    """Send commands, a few at once, and return replies and errors in order."""
    replies: list[Any] = []
    for command in commands[:_IN_FLIGHT]:
        await connection.send_packed_command(command)
    for number in range(len(commands)):
        try:
            reply = await connection.read_response(disable_decoding=True)
        except ResponseError as error:
            reply = error
        replies.append(reply)
        if number + _IN_FLIGHT < len(commands):
            await connection.send_packed_command(commands[number + _IN_FLIGHT])
    return replies


def _pool(redis: Redis) -> FairPool:
    pool = redis.connection_pool
    assert isinstance(pool, FairPool), "the client was not made by open_redis"
    return pool


def _pack(*parts: Argument) -> list[bytes]:
    return [pack_command(parts)]  # type: ignore[arg-type]  # takes any tuple
