"""The servers: do they answer, and do they keep what they are told?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from meterdeck.core.adapters.server_facts import ServerFacts, read_clock
from meterdeck.core.adapters.server_reading import health_of
from meterdeck.core.model import server_verdicts
from meterdeck.core.model.diagnosis import Verdict, fault, ok, warning
from meterdeck.core.model.health import ServerHealth
from meterdeck.core.services.doctor.check import Check, Patient, of_each_server

_SKEW = timedelta(seconds=2)
_STRIPE_FUTURE = timedelta(minutes=5)


async def _answers(patient: Patient) -> Verdict:
    reading = await read_clock(patient.redis)
    redis = patient.context.redis
    how = ""
    if redis.cluster is not None:
        how = f", a cluster of {len(await patient.facts())} masters"
    elif redis.sentinel is not None:
        how = f", the master {redis.sentinel.master_name} of the Sentinels"
    return ok(f"answers in {1000 * reading.round_trip_s:.1f} ms{how}")


def _of(
    judge: Callable[[ServerHealth], Verdict],
) -> Callable[[Patient], Awaitable[Verdict]]:
    return of_each_server(lambda _, server: judge(health_of(server)))


def _replication(patient: Patient, server: ServerFacts) -> Verdict:
    return server_verdicts.replication(health_of(server), patient.context.mode)


async def _clock(patient: Patient) -> Verdict:
    reading = await read_clock(patient.redis)
    doubt = timedelta(seconds=reading.round_trip_s)
    skew = patient.wall() - reading.server
    mend = "have this host and the Redis server keep their time by NTP"
    if abs(skew) <= _SKEW + doubt:
        return ok(f"within {(_SKEW + doubt).total_seconds():.0f} s of Redis")
    ahead = "ahead of" if skew > timedelta(0) else "behind"
    found = f"this host is {abs(skew).total_seconds():,.0f} s {ahead} Redis"
    return (fault if abs(skew) > _STRIPE_FUTURE else warning)(found, mend)


REACHABLE = Check(
    "redis",
    "Redis",
    "whether it answers, and takes this user",
    "Without Redis nothing is counted or decided.",
    _answers,
)
SERVER_CHECKS = (
    Check(
        "version",
        "Version",
        "Redis 7.0 or newer, Valkey 7.2 or newer",
        "Older servers lack what the scripts need, and refuse them.",
        _of(server_verdicts.version),
    ),
    Check(
        "eviction",
        "Eviction",
        "`maxmemory-policy`: `noeviction` is right",
        "An evicted counter begins again at 0: limits do not hold, the bill is short.",
        _of(server_verdicts.eviction),
    ),
    Check(
        "persistence",
        "Persistence",
        "append-only file or snapshots, and whether the last was written",
        "What is not on the disk is gone after a restart.",
        _of(server_verdicts.persistence),
    ),
    Check(
        "memory",
        "Memory",
        "share of `maxmemory`, else of the machine's",
        "At its memory limit Redis takes no writes: every call is refused.",
        _of(server_verdicts.memory),
    ),
    Check(
        "replicas",
        "Replicas",
        "master or replica, `min-replicas-to-write`, lag; in a live context whether"
        " there is one",
        "Redis confirms a write before a replica has it.",
        of_each_server(_replication),
    ),
    Check(
        "clock",
        "Clock",
        "this host against Redis: 2 seconds are a warning, 5 minutes a fault",
        "Periods follow Redis; times sent to Stripe and kept on disk follow this host.",
        _clock,
    ),
)
