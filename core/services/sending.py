"""What is not yet at Stripe: what the workers say, and what is left without any."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import isfinite, nan
from typing import Any

from meterdeck.core.adapters.redis_client import (
    Redis,
    clock_time,
    from_milliseconds,
    redis_errors,
)
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.health import Sending, Trouble, WorkerHealth
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.services.sync.share import WorkerSeen, read_workers

SILENT = timedelta(seconds=10)
"""A worker that has said nothing for so long counts for none; it speaks every 2 s."""


async def read_sending(redis: Redis, layout: KeyLayout) -> Sending:
    """Return what the workers say; two round trips, three where there is none.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    workers = await read_workers(redis, layout.workers())
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hmget(layout.syncing(), ["worker_at", "worker_seq"])
        with redis_errors():
            clock, (at, sequence) = await pipe.execute()
    now = clock_time(clock)
    alive = tuple(_worker(each) for each in workers if now - each.at <= SILENT)
    if alive:
        return Sending(tuple(sorted(alive, key=lambda each: each.id)))
    last = _number(at)
    since = None if last is None else _moment(last)
    return Sending((), since, await _changed(redis, layout, _number(sequence)))


async def _changed(redis: Redis, layout: KeyLayout, since: int | None) -> int | None:
    """Count tenants that changed after the change with this number."""
    if since is None or layout.tagged:
        return None  # there is no index
    try:
        with redis_errors():
            count = await redis.zcount(layout.changed(), f"({since}", "+inf")
    except RedisRefused:
        return None
    return int(count)


def _worker(seen: WorkerSeen) -> WorkerHealth:
    said = _Said(seen.facts)
    return WorkerHealth(
        id=seen.id,
        seen_at=seen.at,
        since=_moment(said.whole("since")),
        tenants=said.whole("tenants"),
        unsent=said.whole("unsent"),
        oldest_s=said.number("oldest_unsent_s") or 0.0,
        on_the_way=said.whole("on_the_way"),
        per_minute=said.whole("per_minute"),
        lag_s=said.number("lag_s") or 0.0,
        latency_ms=said.number("latency_ms"),
        rate=said.whole("rate"),
        most_rate=said.whole("most_rate"),
        slowed=said.whole("slowed"),
        stopped=bool(said.facts.get("stopped")),
        unbilled=said.whole("unbilled"),
        closing=said.whole("closing"),
        refused_late=said.whole("refused_late"),
        problem=str(said.facts.get("problem", "")),
        trouble=_trouble(said.facts.get("trouble"), seen.id),
    )


class _Said:
    """A worker's words; what is no number says nothing, as from another version."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts

    def number(self, name: str) -> float | None:
        value = self.facts.get(name)
        try:
            found = float(value) if isinstance(value, int | float) else nan
        except OverflowError:
            return None
        return found if isfinite(found) else None

    def whole(self, name: str) -> int:
        value = self.facts.get(name)
        return value if isinstance(value, int) else 0


def _trouble(said: object, by: str) -> Trouble | None:
    if not isinstance(said, dict):
        return None
    words = _Said(said)
    at = _moment(words.whole("at"))
    if at is None:
        return None
    return Trouble(
        at,
        str(said.get("words", "")),
        status=words.whole("status"),
        code=str(said.get("code", "")),
        request_id=str(said.get("request_id", "")),
        by=by,
    )


def _moment(milliseconds: int) -> datetime | None:
    try:
        return from_milliseconds(milliseconds) if milliseconds else None
    except OverflowError:
        return None


def _number(raw: object) -> int | None:
    return parse_counter(raw) if isinstance(raw, bytes) else None
