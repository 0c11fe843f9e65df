"""What moved since the last look, in one round trip: clock, changed tenants, log."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.adapters.redis_client import (
    Redis,
    from_milliseconds,
    redis_errors,
)
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.usage import TenantId

AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class Pulse:
    """One look at Redis.

    Attributes:
        at: The server's clock.
        changed: Tenants whose counters or overrides changed since the last look.
        more: There are more of them; look again.
        restarted: The change index began anew: another database than before.
        log_id: Id of the delivery log's newest line, empty without a log.
        logged: Lines ever added to the log, 0 where the server does not tell.
    """

    at: datetime
    latency_ms: float
    changed: tuple[TenantId, ...]
    more: bool
    restarted: bool
    log_id: str
    logged: int


class ChangeFeed:
    """Follows the index of changed tenants with a cursor of its own."""

    def __init__(self, redis: Redis, layout: KeyLayout) -> None:
        self._redis = redis
        self._layout = layout
        self._cursor: int | None = None

    @property
    def cursor(self) -> int | None:
        """The number of the last change that was told; None without an index."""
        return self._cursor

    async def look(self) -> Pulse:
        """Return what changed; the first look only finds where to begin.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        started = time.monotonic()
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.execute_command("XINFO STREAM", self._layout.events())
            if not self._layout.tagged:
                since = "+inf" if self._cursor is None else f"({self._cursor}"
                pipe.get(self._layout.sequence())
                pipe.zrangebyscore(
                    self._layout.changed(),
                    since,
                    "+inf",
                    start=0,
                    num=AT_MOST,
                    withscores=True,
                )
            with redis_errors():
                clock, log, *index = await pipe.execute(raise_on_error=False)
                if isinstance(clock, Exception):
                    raise clock
        seconds, microseconds = clock
        log_id, logged = _log_state(log)
        changed, restarted = self._changed(*index) if index else ((), False)
        return Pulse(
            at=from_milliseconds(seconds * 1000 + microseconds // 1000),
            latency_ms=(time.monotonic() - started) * 1000,
            changed=changed,
            more=len(changed) == AT_MOST,
            restarted=restarted,
            log_id=log_id,
            logged=logged,
        )

    def _changed(
        self, sequence: object, members: object
    ) -> tuple[tuple[TenantId, ...], bool]:
        # An index of the wrong type, or without the right to read it, says nothing:
        # the sweep finds every change as well, later.
        if isinstance(sequence, Exception) or not isinstance(members, list):
            return (), False
        raw = sequence if isinstance(sequence, bytes) else b"0"
        newest = parse_counter(raw) or 0
        if self._cursor is None or newest < self._cursor:
            restarted = self._cursor is not None
            self._cursor = newest
            return (), restarted
        if members:
            self._cursor = int(members[-1][1])
        return tuple(_tenant(name) for name, _ in members), False


def _tenant(raw: bytes) -> TenantId:
    return TenantId(raw.decode("utf-8", "surrogateescape"))


def _log_state(info: object) -> tuple[str, int]:
    if not isinstance(info, dict):
        return "", 0  # no log yet, or not a stream
    newest = info.get("last-generated-id", b"")
    return newest.decode("ascii", "replace"), int(info.get("entries-added", 0))
