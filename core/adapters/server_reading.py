"""What Redis servers say of themselves, read into the plain values of `health`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meterdeck.core.adapters.acl_calls import who_am_i, would_run
from meterdeck.core.adapters.redis_client import (
    Redis,
    RoutedRedis,
    from_milliseconds,
    redis_errors,
)
from meterdeck.core.adapters.redis_refusals import is_no_permission
from meterdeck.core.adapters.server_facts import (
    ServerFacts,
    ask_all,
    ask_rights,
    may_run,
    read_facts,
)
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.acl.own_rights import RedisUser, abilities
from meterdeck.core.model.health import (
    Load,
    Memory,
    Persistence,
    Replica,
    Replication,
    ServerHealth,
)
from meterdeck.core.model.keys import KeyLayout


async def read_servers(redis: Redis) -> tuple[ServerHealth, ...] | None:
    """Ask every master how it is; None where this user may not ask.

    Four commands a server, none of which waits for another's answer.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    facts, slow, spikes = await asyncio.gather(
        _allowed(read_facts(redis)),
        _allowed(ask_all(redis, "SLOWLOG LEN")),
        _allowed(ask_all(redis, "LATENCY LATEST")),
    )
    if facts is None:
        return None
    return tuple(
        _with_load(health_of(each), _of(slow, each.name), _of(spikes, each.name))
        for each in facts
    )


async def ping_ms(redis: Redis) -> float:
    """Return the round trip of the shortest command, in milliseconds.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    with redis_errors():
        await redis.ping()  # so that connecting is not part of it
        started = time.perf_counter()
        await redis.ping()
        return (time.perf_counter() - started) * 1000


async def script_ms(redis: Redis, key: bytes) -> float | None:
    """Return the round trip of a script that does nothing; None: it may not be run.

    Args:
        key: Of any of our keys; it is not touched.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    started = time.perf_counter()
    answer = await _allowed(ask_rights(redis, key))
    return None if answer is None else (time.perf_counter() - started) * 1000


async def read_user(redis: Redis, layout: KeyLayout) -> RedisUser | None:
    """Return who asks, and what that user may; None where even that is not told.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    name = await _allowed(who_am_i(redis))
    if name is None:
        return None
    asked = abilities(layout, name)
    commands = [command for each in asked for command in each.commands]
    key = layout.tenant("meterdeck-health")
    may = await _allowed(may_run(redis, key, commands))
    if may is None:  # a script may not be sent: who makes users may ask without one
        may = await _allowed(would_run(redis, name, commands))
    if may is None:
        return RedisUser(name)
    answers = iter(may)
    held = {each.right: [next(answers) for _ in each.commands] for each in asked}
    return RedisUser.who_may(name, [each for each in held if all(held[each])])


def health_of(facts: ServerFacts) -> ServerHealth:
    """Return what a server's own words say."""
    info = facts.info
    valkey = info.get("valkey_version")
    return ServerHealth(
        name=facts.name,
        product="Valkey" if valkey else "Redis",
        version=str(valkey or info.get("redis_version", "unknown")),
        uptime_s=facts.number("uptime_in_seconds"),
        memory=_memory(facts),
        persistence=_persistence(facts),
        replication=_replication(facts),
        load=Load(
            clients=facts.number("connected_clients"),
            blocked=facts.number("blocked_clients"),
            per_second=facts.number("instantaneous_ops_per_sec"),
            keys=sum(
                int(each.get("keys", 0))
                for name, each in info.items()
                if name.startswith("db") and isinstance(each, Mapping)
            ),
        ),
    )


def _memory(facts: ServerFacts) -> Memory:
    ratio = facts.info.get("mem_fragmentation_ratio", 0.0)
    return Memory(
        used=facts.number("used_memory"),
        peak=facts.number("used_memory_peak"),
        most=facts.number("maxmemory"),
        machine=facts.number("total_system_memory"),
        fragmentation=float(ratio) if isinstance(ratio, int | float) else 0.0,
        policy=str(facts.info.get("maxmemory_policy", "unknown")),
        evicted=facts.number("evicted_keys"),
    )


def _persistence(facts: ServerFacts) -> Persistence:
    save, saved = facts.setting("save"), facts.number("rdb_last_save_time")
    return Persistence(
        loading=bool(facts.number("loading")),
        append_only=bool(facts.number("aof_enabled")),
        append_ok=facts.info.get("aof_last_write_status", "ok") == "ok",
        fsync=facts.setting("appendfsync"),
        snapshot_ok=facts.info.get("rdb_last_bgsave_status", "ok") == "ok",
        snapshots=None if save is None else save != "",
        saved_at=from_milliseconds(saved * 1000) if saved else None,
        unsaved=facts.number("rdb_changes_since_last_save"),
    )


def _replication(facts: ServerFacts) -> Replication:
    info, written = facts.info, facts.number("master_repl_offset")
    found = (info.get(f"slave{n}") for n in range(facts.number("connected_slaves")))
    wanted = facts.setting("min-replicas-to-write")
    host = info.get("master_host")
    return Replication(
        role=str(info.get("role", "unknown")),
        master=f"{host}:{info.get('master_port', '')}" if host else "",
        link_up=info.get("master_link_status", "up") == "up",
        replicas=tuple(_replica(r, written) for r in found if isinstance(r, Mapping)),
        wanted=None if wanted is None else int(wanted or 0),
        good=facts.number("min_slaves_good_slaves"),
    )


def _replica(said: Mapping[str, Any], written: int) -> Replica:
    return Replica(
        name=f"{said.get('ip', '')}:{said.get('port', '')}",
        state=str(said.get("state", "unknown")),
        heard_s=int(said.get("lag", 0)),
        behind=max(0, written - int(said.get("offset", 0))),
    )


def _with_load(server: ServerHealth, slow: object, spikes: object) -> ServerHealth:
    # Of each event: its name, when, milliseconds, and the most there ever were.
    worst = None
    if isinstance(spikes, list):
        worst = max((int(each[2]) for each in spikes), default=0)
    entries = int(slow) if isinstance(slow, int) else None
    return replace(server, load=replace(server.load, slow=entries, spike_ms=worst))


async def _allowed(asking: Any) -> Any:
    """Return an answer; None where this user may not ask."""
    try:
        with redis_errors():
            return await asking
    except RedisRefused as error:
        if is_no_permission(error):
            return None
        raise


def _of(answers: Any, name: str) -> object:
    if isinstance(answers, Mapping):
        return answers.get(name)
    return answers if not name else None


def is_routed(redis: Redis) -> bool:
    """Tell whether its keys lie on several servers."""
    return isinstance(redis, RoutedRedis)
