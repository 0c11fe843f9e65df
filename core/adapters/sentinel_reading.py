"""What each Sentinel says of the master, side by side."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from meterdeck.core.model.context import RedisOptions
from meterdeck.core.model.health import SentinelHealth


async def read_sentinels(redis: Redis, options: RedisOptions) -> SentinelHealth | None:
    """Ask all Sentinels at once; None where there are none.

    One that does not answer in the time of `redis.timeout_s` is counted as silent.
    """
    if options.sentinel is None:
        return None
    # What a single server does not need.
    from meterdeck.core.adapters.sentinel_pool import sentinels_of  # noqa: PLC0415

    clients, name = sentinels_of(redis), options.sentinel.master_name
    said = await asyncio.gather(*(_state(each, name) for each in clients))
    answers = [each for each in said if each is not None]
    names = [_address(each) for each in answers]
    master = max(names, key=names.count, default="")
    agreeing = sum(_address(each) == master and not _is_down(each) for each in answers)
    quorum = max((int(each.get("quorum", 0)) for each in answers), default=0)
    return SentinelHealth(len(clients), len(answers), agreeing, master, quorum)


async def _state(sentinel: Redis, name: str) -> dict[str, Any] | None:
    try:
        client: Any = sentinel  # the library does not type this method
        found = await client.execute_command("SENTINEL MASTER", name)
    except (RedisError, OSError):
        return None
    return found if isinstance(found, dict) else None


def _address(state: dict[str, Any]) -> str:
    return f"{state.get('ip', '')}:{state.get('port', '')}"


def _is_down(state: dict[str, Any]) -> bool:
    return bool(state.get("is_sdown") or state.get("is_odown"))
