"""The servers: do they answer, and do they keep what they are told?"""

from __future__ import annotations

from datetime import timedelta

from meterdeck.core.adapters.server_facts import ServerFacts, read_clock
from meterdeck.core.model.context import Mode
from meterdeck.core.model.diagnosis import Verdict, fault, ok, unknown, warning
from meterdeck.core.services.doctor.check import Check, Patient, of_each_server

_OLDEST_REDIS, _OLDEST_VALKEY = (7, 0), (7, 2)
_SKEW = timedelta(seconds=2)
_STRIPE_FUTURE = timedelta(minutes=5)
_LAG_S = 10
_NEAR, _HIGH = 80, 95


async def _answers(patient: Patient) -> Verdict:
    reading = await read_clock(patient.redis)
    redis = patient.context.redis
    how = ""
    if redis.cluster is not None:
        how = f", a cluster of {len(await patient.facts())} masters"
    elif redis.sentinel is not None:
        how = f", the master {redis.sentinel.master_name} of the Sentinels"
    return ok(f"answers in {1000 * reading.round_trip_s:.1f} ms{how}")


def _version(patient: Patient, server: ServerFacts) -> Verdict:
    valkey = server.info.get("valkey_version")
    name, text = ("Valkey", valkey) if valkey else ("Redis", _redis_version(server))
    oldest = _OLDEST_VALKEY if valkey else _OLDEST_REDIS
    try:
        major, minor = (int(part) for part in str(text).split(".")[:2])
    except ValueError:
        return unknown(f"the server calls itself version {text!s:.40}")
    if (major, minor) >= oldest:
        return ok(f"{name} {text}")
    return fault(
        f"{name} {text} is too old for the scripts",
        "use Redis 7.0 or newer, or Valkey 7.2 or newer",
    )


def _redis_version(server: ServerFacts) -> object:
    return server.info.get("redis_version", "unknown")


def _eviction(patient: Patient, server: ServerFacts) -> Verdict:
    policy = str(server.info.get("maxmemory_policy", "unknown"))
    if policy == "noeviction":
        return ok("noeviction")
    mend = "set maxmemory-policy noeviction, at the server and in its configuration"
    if server.number("maxmemory"):
        return fault(f"{policy}: counters are removed when memory is full", mend)
    return warning(f"{policy}, harmless only as long as there is no maxmemory", mend)


def _persistence(patient: Patient, server: ServerFacts) -> Verdict:
    info = server.info
    if info.get("loading"):
        return warning("Redis is still loading its data", "wait until it is done")
    for name, what in (
        ("aof_last_write_status", "the append-only file could not be written"),
        ("rdb_last_bgsave_status", "the last snapshot failed"),
    ):
        if info.get(name, "ok") != "ok":
            return fault(what, "look at the server's log, its disk and its rights")
    if info.get("aof_enabled"):
        every = {"always": "with every write", "everysec": "every second"}
        synced = every.get(server.setting("appendfsync") or "", "")
        on_disk = f", on the disk {synced}" if synced else ""
        return ok(f"append-only file{on_disk}")
    return _snapshots(server)


def _snapshots(server: ServerFacts) -> Verdict:
    mend = "set appendonly yes, at the server and in its configuration"
    if server.setting("save") == "":
        return fault("none: a restart begins with empty counters", mend)
    changes = server.number("rdb_changes_since_last_save")
    return warning(f"snapshots only; {changes:,} changes are in none yet", mend)


def _memory(patient: Patient, server: ServerFacts) -> Verdict:
    used, most = server.number("used_memory"), server.number("maxmemory")
    whose = "maxmemory" if most else "the machine's memory"
    most = most or server.number("total_system_memory")
    if not most:
        return ok(f"{_bytes(used)} used, no limit set")
    percent = used * 100 // most
    found = f"{_bytes(used)} used, {percent} % of {whose}, {_bytes(most)}"
    mend = "raise maxmemory or the machine's memory, or shorten redis.retention_days"
    if percent >= _HIGH:
        return fault(found, mend)
    return warning(found, mend) if percent >= _NEAR else ok(found)


def _replicas(patient: Patient, server: ServerFacts) -> Verdict:
    info = server.info
    if info.get("role") != "master":
        return fault(
            f"this server is a replica of {info.get('master_host', 'another')}",
            "name the master in redis.url, or the Sentinels in redis.sentinel",
        )
    wanted = int(server.setting("min-replicas-to-write") or 0)
    good = server.number("min_slaves_good_slaves")
    if wanted > good:
        return fault(
            f"{good} of {wanted} replicas that min-replicas-to-write asks for",
            "start the replicas, or lower min-replicas-to-write",
        )
    return _lags(patient, server)


def _lags(patient: Patient, server: ServerFacts) -> Verdict:
    replicas = [
        replica
        for number in range(server.number("connected_slaves"))
        if isinstance(replica := server.info.get(f"slave{number}"), dict)
    ]
    if not replicas and patient.context.mode is Mode.LIVE:
        mend = "add a replica, and Sentinels or a cluster to promote it"
        return warning("none: what this machine loses is lost", mend)
    if not replicas:
        return ok("none, which a context that is not live can do without")
    lag_s = max(int(each.get("lag", 0)) for each in replicas)
    behind = [each for each in replicas if each.get("state") != "online"]
    if behind or lag_s > _LAG_S:
        return warning(
            f"{len(replicas)}, of which {len(behind)} not in step; last heard of"
            f" {lag_s} s ago",
            "look at the network and the load of the replicas",
        )
    return ok(f"{len(replicas)}, last heard of at most {lag_s} s ago")


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


def _bytes(size: int) -> str:
    amount, unit = float(size), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"


REACHABLE = Check(
    "redis", "Redis", "Without Redis nothing is counted or decided.", _answers
)
SERVER_CHECKS = (
    Check(
        "version",
        "Version",
        "Older servers lack what the scripts need, and refuse them.",
        of_each_server(_version),
    ),
    Check(
        "eviction",
        "Eviction",
        "An evicted counter begins again at 0: limits do not hold, the bill is short.",
        of_each_server(_eviction),
    ),
    Check(
        "persistence",
        "Persistence",
        "What is not on the disk is gone after a restart.",
        of_each_server(_persistence),
    ),
    Check(
        "memory",
        "Memory",
        "At its memory limit Redis takes no writes: every call is refused.",
        of_each_server(_memory),
    ),
    Check(
        "replicas",
        "Replicas",
        "Redis confirms a write before a replica has it.",
        of_each_server(_replicas),
    ),
    Check(
        "clock",
        "Clock",
        "Periods follow Redis; times sent to Stripe and kept on disk follow this host.",
        _clock,
    ),
)
