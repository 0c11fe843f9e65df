"""Lives of the Redis server: what Stripe once agreed to, it agreed to in one of them.

Only a server that begins to run can come back with older data than it had. So what a
billing record says of Stripe is believed within a life, and in the next one everything
is compared once.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from meterdeck.core.adapters.redis_client import (
    Redis,
    execute_write,
    from_milliseconds,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.adapters.server_facts import read_infos
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.context import Context
from meterdeck.core.services.delivery_log import DeliveryLog

_COMPARED_IN, _OLDER_IN, _OLDER_SINCE = "compared_in", "older_in", "older_since"

_SECOND = 1_000_000  # microseconds, which INFO tells

AWAY = timedelta(minutes=2)
"""So long a server may have been away before its data may be older than it was."""


@dataclass(frozen=True, slots=True)
class Life:
    """One run of the server, or of the masters of several.

    Attributes:
        name: Empty where the server does not say which it is.
        began: The second in which it began; never after it.
        compared_in: The life in which everything was compared last; empty: never.
        ends: When the last event was noted before it began; None: none is known.
        noted: When it began, where a worker has noted that its data may be older: the
            log forgets what was before.
    """

    name: str = ""
    began: datetime | None = None
    compared_in: str = ""
    ends: datetime | None = None
    noted: datetime | None = None

    @property
    def is_compared(self) -> bool:
        """Whether everything was compared with Stripe in it."""
        return not self.name or self.name == self.compared_in

    @property
    def began_older(self) -> datetime | None:
        """When it began with data that may be older than they were; None: they are not.

        That is a copy that was put back; a server that was stopped while nothing was
        sent looks the same.
        """
        if self.noted is not None or self.began is None or self.ends is None:
            return self.noted
        return self.began if self.began - self.ends > AWAY else None

    @property
    def older_since(self) -> datetime | None:
        """The same, until everything was compared."""
        return None if self.is_compared else self.began_older

    @property
    def may_be_older(self) -> bool:
        """Whether its data may be older than they were; see `older_since`."""
        return self.older_since is not None


class Lives:
    """Tells one life from the other, in the hash that all workers share."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._key = context.redis.layout.syncing()
        self._log = DeliveryLog(redis, context)

    async def look(self) -> Life:
        """Ask the server which life it is in.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`; a user who may not
                ask is told of a life without a name.
        """
        try:
            infos = await read_infos(self._redis)
        except RedisRefused:
            return Life()
        names = sorted(str(each.get("run_id", "")) for each in infos.values())
        if not all(names):
            return Life()
        life = await self._known(",".join(names))
        if life.is_compared:
            return life
        began = max([await self._start(each) for each in infos.values()])
        ends = await self._log.newest_before(began)
        return replace(life, began=began, ends=ends)

    async def _start(self, info: Mapping[str, Any]) -> datetime:
        """Return the start of the second in which a server began to run.

        An event that it noted a moment after may not pass for one of before: the server
        counts its seconds from a whole one to a whole one, by the clock it tells.
        """
        up = timedelta(seconds=int(info.get("uptime_in_seconds", 0)))
        if "server_time_usec" in info:
            return from_milliseconds(info["server_time_usec"] // _SECOND * 1_000) - up
        # Asked a moment later: it may be the next second.
        asked = (await server_time(self._redis)).replace(microsecond=0)
        return asked - up - timedelta(seconds=1)

    async def _known(self, name: str) -> Life:
        """Return what is written down of a life."""
        with redis_errors():
            raw = await self._redis.hmget(
                self._key, [_COMPARED_IN, _OLDER_IN, _OLDER_SINCE]
            )
        compared_in, older_in, older_since = map(_text, raw)
        noted = _moment(older_since) if older_in == name else None
        return Life(name, compared_in=compared_in, noted=noted)

    async def note_older(self, life: Life) -> None:
        """Note that a life began with data that may be older, for as long as it lasts.

        Raises:
            RedisUnreachable, UnknownOutcome: It may be done again.
        """
        since = life.older_since
        if since is None or life.noted is not None:
            return
        await self._write(
            *(_OLDER_IN, life.name, _OLDER_SINCE, to_milliseconds(since)),
            what="in which life of Redis its data may be older",
        )

    async def compared(self, life: Life) -> None:
        """Note that everything was compared in it.

        Raises:
            RedisUnreachable, UnknownOutcome: It may be done again.
        """
        if not life.is_compared:
            await self._write(
                *(_COMPARED_IN, life.name),
                what="in which life of Redis everything was compared",
            )

    async def _write(self, *fields: str | int, what: str) -> None:
        with suppress(RedisRefused):
            await execute_write(
                self._redis,
                *("HSET", self._key, *fields),
                what=what,
                operation_id=str(fields[0]),
            )


def _moment(text: str) -> datetime | None:
    try:
        return from_milliseconds(int(text))
    except (OverflowError, ValueError):  # anybody may write something else there
        return None


def _text(raw: object) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else ""
