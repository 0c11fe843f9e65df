"""Redis in the picture of a context's health: its items, and a verdict on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from meterdeck.core.model import server_verdicts
from meterdeck.core.model.diagnosis import Verdict, fault, ok, unknown, warning, worst
from meterdeck.core.model.health import RedisHealth, SentinelHealth, ServerHealth
from meterdeck.core.model.health_items import (
    NOT_ALLOWED,
    Expected,
    Item,
    Section,
    age_words,
    ms_words,
    rough,
    since_words,
)
from meterdeck.core.model.text import visible
from meterdeck.core.model.wording import counted

_SLOW_MS, _BAD_MS = 100.0, 1000.0
_SPIKE_MS = 500
_FRAGMENTED, _FRAGMENTED_BYTES = 1.6, 200_000_000
_LOOK = "look at the network between here and Redis, and at SLOWLOG GET"


def redis_items(redis: RedisHealth, at: datetime, expected: Expected) -> Iterator[Item]:
    """Yield what there is to say of Redis."""
    yield _item("redis", "Answer", _answer(redis), "Every call waits for it.")
    if redis.problem:
        return
    if redis.user is not None:
        yield _item("user", "User", ok(redis.user.words), _USER)
    if redis.sentinels is not None:
        yield _item(
            "sentinels",
            "Sentinels",
            _sentinels(redis.sentinels),
            "They choose another master when this one is gone.",
        )
    if redis.servers is None:
        mend = "give it +info, +config|get, +slowlog|len and +latency|latest"
        yield _item(
            "server", "Server", unknown(f"{NOT_ALLOWED}: INFO", mend),
            "Memory, eviction, persistence and replication are not seen.",
        )  # fmt: skip
        return
    yield from _of_servers(redis.servers, at, expected)
    if redis.cluster:
        for server in redis.servers:
            yield _item(
                f"node:{server.name}", visible(server.name[:21]), _node(server), _NODE
            )


_USER = (
    "The server holds this user to that; who may change usage could also do it beside"
    " the audit trail."
)
_NODE = "Each master of a cluster has a part of the counters."
_WHY = (
    ("server", "Server", "Older servers lack what the scripts need, and refuse them."),
    (
        "memory",
        "Memory",
        "At its memory limit Redis takes no writes: every call is refused.",
    ),
    (
        "eviction",
        "Eviction",
        "An evicted counter begins again at 0: limits do not hold, the bill is short.",
    ),
    (
        "persistence",
        "Persistence",
        "What is not on the disk is gone after a restart.",
    ),
    (
        "replication",
        "Replication",
        "Redis confirms a write before a replica has it.",
    ),
    ("load", "Load", "A server that is busy answers late."),
    ("slow", "Slow commands", "While one runs, everything else waits."),
)


def _of_servers(
    servers: tuple[ServerHealth, ...], at: datetime, expected: Expected
) -> Iterator[Item]:
    judges: dict[str, Callable[[ServerHealth], Verdict]] = {
        "server": _server,
        "memory": _memory,
        "eviction": _eviction,
        "persistence": lambda server: _persistence(server, at),
        "replication": lambda server: _replication(server, expected),
        "load": _load,
        "slow": _slow,
    }
    for name, title, why in _WHY:
        yield _item(name, title, _of_all(servers, judges[name]), why)


def _of_all(
    servers: tuple[ServerHealth, ...], judge: Callable[[ServerHealth], Verdict]
) -> Verdict:
    """Return the worst verdict; of several servers it says which one's."""
    verdicts = [judge(server) for server in servers]
    chosen = worst(verdicts)
    if len(servers) == 1:
        return chosen
    server = servers[verdicts.index(chosen)]
    found = f"{server.name}: {chosen.found}"
    return Verdict(chosen.severity, found, chosen.mend)


def _item(name: str, title: str, verdict: Verdict, why: str) -> Item:
    return Item(Section.REDIS, name, title, verdict, why)


def _answer(redis: RedisHealth) -> Verdict:
    if redis.problem:
        return fault(redis.problem, "start Redis, or correct redis.url")
    ping = redis.ping_ms or 0.0
    script = redis.script_ms
    how = f"{ms_words(ping)}; a script "
    if script is None:
        return unknown(f"{how}is {NOT_ALLOWED}", "give it +eval and +evalsha")
    found = f"{how}{ms_words(script)}"
    slowest = max(ping, script)
    if slowest >= _BAD_MS:
        return fault(found, _LOOK)
    return warning(found, _LOOK) if slowest >= _SLOW_MS else ok(found)


def _server(server: ServerHealth) -> Verdict:
    verdict = server_verdicts.version(server)
    up = f", up {age_words(max(server.uptime_s, 60))}" if server.uptime_s else ""
    return Verdict(verdict.severity, verdict.found + up, verdict.mend)


def _memory(server: ServerHealth) -> Verdict:
    verdict, used = server_verdicts.memory(server), server.memory
    found = f"{verdict.found}; peak {server_verdicts.bytes_words(used.peak)}"
    torn = used.fragmentation >= _FRAGMENTED and used.used >= _FRAGMENTED_BYTES
    if torn:
        found += f"; fragmentation {used.fragmentation:.1f}"
    if torn and not verdict.mend:
        return warning(found, "set activedefrag yes, or restart it in a quiet hour")
    return Verdict(verdict.severity, found, verdict.mend)


def _eviction(server: ServerHealth) -> Verdict:
    verdict, evicted = server_verdicts.eviction(server), server.memory.evicted
    if not evicted:
        return verdict
    lost = f"{verdict.found}; {counted(evicted, 'key was', 'keys were')} removed"
    mend = verdict.mend or "compare with Stripe what is left: meterdeck reconcile --all"
    return fault(f"{lost} since it began", mend)


def _persistence(server: ServerHealth, at: datetime) -> Verdict:
    verdict, saved = server_verdicts.persistence(server), server.persistence.saved_at
    if saved is None or server.persistence.snapshots is False:
        return verdict
    found = f"{verdict.found}; last snapshot {since_words(at - saved)}"
    return Verdict(verdict.severity, found, verdict.mend)


def _replication(server: ServerHealth, expected: Expected) -> Verdict:
    verdict = server_verdicts.replication(server, expected.mode)
    behind = max((each.behind for each in server.replication.replicas), default=0)
    if not behind:
        return verdict
    late = f"{server_verdicts.bytes_words(behind)} behind"
    return Verdict(verdict.severity, f"{verdict.found}, {late}", verdict.mend)


def _load(server: ServerHealth) -> Verdict:
    load = server.load
    parts = [
        f"about {rough(load.per_second, 1):,} commands/s",
        counted(load.clients, "client"),
        counted(load.keys, "key"),
    ]
    if load.blocked:
        parts.append(f"{load.blocked:,} blocked")
    return ok(", ".join(parts))


def _slow(server: ServerHealth) -> Verdict:
    load = server.load
    if load.slow is None and load.spike_ms is None:
        return unknown(NOT_ALLOWED, "give it +slowlog|len and +latency|latest")
    parts = []
    if load.slow is not None:
        parts.append(f"{counted(load.slow, 'entry', 'entries')} in the slow log")
    if load.spike_ms:
        parts.append(f"the worst moment took {ms_words(load.spike_ms)}")
    found = "; ".join(parts) or "none"
    if (load.spike_ms or 0) >= _SPIKE_MS:
        return warning(found, "ask it: SLOWLOG GET and LATENCY DOCTOR")
    return ok(found)


def _sentinels(said: SentinelHealth) -> Verdict:
    found = f"{said.agreeing} of {said.known} name {said.master or 'nobody'}"
    mend = "start the Sentinels that do not answer"
    if said.agreeing < said.quorum or not said.answering:
        return fault(f"{found}; {said.quorum} are needed to choose another", mend)
    return warning(found, mend) if said.agreeing < said.known else ok(found)


def _node(server: ServerHealth) -> Verdict:
    replicas = counted(len(server.replication.replicas), "replica")
    memory = server_verdicts.bytes_words(server.memory.used)
    found = (
        f"{memory}, about {rough(server.load.per_second, 1):,} commands/s, {replicas}"
    )
    linked = server.replication.role == "master" and server.replication.link_up
    return ok(found) if linked else warning(found, "look at this node's own log")
