"""How workers share the tenants: each leaves to the others what they are alive for."""

from __future__ import annotations

import json
import os
import socket
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    execute_write,
    from_milliseconds,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.usage import TenantId

_FORGOTTEN_S = 86_400.0


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker as it last spoke of itself; `facts` is what it said."""

    id: str
    at: datetime
    facts: Mapping[str, Any]


class Share:
    """Which tenants are this worker's, among all that were heard of lately.

    It only saves double work: two that both think a tenant theirs claim the same event,
    and the claim lets one of them have it.

    Args:
        silent_s: Seconds after which a worker that says nothing counts for none.
    """

    def __init__(
        self, redis: Redis, layout: KeyLayout, worker: str, silent_s: float
    ) -> None:
        self._redis = redis
        self._key = layout.workers()
        self._shared = layout.syncing()
        self._silent_s = silent_s
        self.worker = worker
        self._alive: tuple[str, ...] = (worker,)

    @property
    def workers(self) -> int:
        """How many share the work, with this one."""
        return len(self._alive)

    def is_mine(self, tenant: TenantId) -> bool:
        """Tell whether this worker is to look after a tenant."""
        if len(self._alive) == 1:
            return True
        number = zlib.crc32(name_bytes(tenant)) % len(self._alive)
        return self._alive[number] == self.worker

    async def beat(
        self,
        now: datetime,
        facts: Mapping[str, object],
        *,
        cursor: int | None = None,
    ) -> bool:
        """Say that this worker is alive; return whether the others are not as before.

        Args:
            cursor: The number of the last change it has noticed: when all workers have
                left, what changed after it is not at Stripe.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As in `execute_write`.
        """
        said = json.dumps({"at": to_milliseconds(now), **facts})
        await execute_write(
            self._redis,
            *("HSET", self._key, self.worker, said),
            what="the worker's sign of life",
            operation_id="",
        )
        await self._note(now, cursor)
        before, alive = self._alive, {self.worker}
        for seen in await read_workers(self._redis, self._key):
            silent_s = (now - seen.at).total_seconds()
            if silent_s <= self._silent_s:
                alive.add(seen.id)
            elif silent_s > _FORGOTTEN_S:
                await self._forget(seen.id)
        self._alive = tuple(sorted(alive))
        return self._alive != before

    async def _note(self, now: datetime, cursor: int | None) -> None:
        """Leave behind when a worker was last alive, for when there is none."""
        noted: list[str | int] = ["worker_at", to_milliseconds(now)]
        if cursor is not None:
            noted += ["worker_seq", cursor]
        await execute_write(
            self._redis,
            *("HSET", self._shared, *noted),
            what="when a worker was last alive",
            operation_id="",
        )

    async def leave(self) -> None:
        """Say that this worker ends.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As in `execute_write`.
        """
        await self._forget(self.worker)

    async def _forget(self, worker: str) -> None:
        await execute_write(
            self._redis,
            *("HDEL", self._key, worker),
            what="taking out a worker",
            operation_id="",
        )


async def read_workers(redis: Redis, key: bytes) -> tuple[WorkerSeen, ...]:
    """Return every worker that has said something of itself.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    with redis_errors():
        raw = await cast("Any", redis).hgetall(key)
    found = (_seen(name, said) for name, said in raw.items())
    return tuple(seen for seen in found if seen is not None)


def worker_name() -> str:
    """Return a name that no other process has: host, process, moment."""
    host = socket.gethostname().partition(".")[0][:32] or "host"
    return f"{host}-{os.getpid()}-{time.time_ns() // 1_000_000 % 10**8:08d}"


def _seen(name: bytes, said: bytes) -> WorkerSeen | None:
    try:
        facts = json.loads(said)
        at = from_milliseconds(int(facts.pop("at")))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None  # not a worker's words
    return WorkerSeen(name.decode("utf-8", "replace"), at, facts)
