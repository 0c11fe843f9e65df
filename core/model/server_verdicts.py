"""Is a Redis server fit to count on? Each judgement in words, with what to do."""

from __future__ import annotations

from meterdeck.core.model.context import Mode
from meterdeck.core.model.diagnosis import Verdict, fault, ok, unknown, warning
from meterdeck.core.model.health import Memory, ServerHealth

_OLDEST = {"Redis": (7, 0), "Valkey": (7, 2)}
_LAG_S = 10
_NEAR, _HIGH = 80, 95


def version(server: ServerHealth) -> Verdict:
    """Judge whether it runs the scripts."""
    try:
        major, minor = (int(part) for part in server.version.split(".")[:2])
    except ValueError:
        return unknown(f"the server calls itself version {server.version:.40}")
    if (major, minor) >= _OLDEST[server.product]:
        return ok(f"{server.product} {server.version}")
    return fault(
        f"{server.product} {server.version} is too old for the scripts",
        "use Redis 7.0 or newer, or Valkey 7.2 or newer",
    )


def eviction(server: ServerHealth) -> Verdict:
    """Judge whether counters can be removed."""
    policy = server.memory.policy
    if policy == "noeviction":
        return ok("noeviction")
    mend = "set maxmemory-policy noeviction, at the server and in its configuration"
    if server.memory.most:
        return fault(f"{policy}: counters are removed when memory is full", mend)
    return warning(f"{policy}, harmless only as long as there is no maxmemory", mend)


def persistence(server: ServerHealth) -> Verdict:
    """Judge what a restart would lose."""
    kept = server.persistence
    if kept.loading:
        return warning("Redis is still loading its data", "wait until it is done")
    for fine, what in (
        (kept.append_ok, "the append-only file could not be written"),
        (kept.snapshot_ok, "the last snapshot failed"),
    ):
        if not fine:
            return fault(what, "look at the server's log, its disk and its rights")
    if kept.append_only:
        every = {"always": "with every write", "everysec": "every second"}
        synced = every.get(kept.fsync or "", "")
        on_disk = f", on the disk {synced}" if synced else ""
        return ok(f"append-only file{on_disk}")
    mend = "set appendonly yes, at the server and in its configuration"
    if kept.snapshots is False:
        return fault("none: a restart begins with empty counters", mend)
    return warning(f"snapshots only; {kept.unsaved:,} changes are in none yet", mend)


def memory(server: ServerHealth) -> Verdict:
    """Judge how much room there is."""
    used = server.memory
    whose = "maxmemory" if used.most else "the machine's memory"
    most = used.most or used.machine
    if not most:
        return ok(f"{bytes_words(used.used)} used, no limit set")
    percent = memory_percent(used)
    found = f"{bytes_words(used.used)} used, {percent} % of {whose},"
    found = f"{found} {bytes_words(most)}"
    mend = "raise maxmemory or the machine's memory, or shorten redis.retention_days"
    if percent >= _HIGH:
        return fault(found, mend)
    return warning(found, mend) if percent >= _NEAR else ok(found)


def memory_percent(used: Memory) -> int:
    """Return the share of the limit, or of the machine; 0 where neither is known."""
    most = used.most or used.machine
    return used.used * 100 // most if most else 0


def replication(server: ServerHealth, mode: Mode) -> Verdict:
    """Judge what the loss of its machine would lose."""
    role = server.replication
    if role.role != "master":
        return fault(
            f"this server is a replica of {role.master or 'another'}",
            "name the master in redis.url, or the Sentinels in redis.sentinels",
        )
    wanted = role.wanted or 0
    if wanted > role.good:
        return fault(
            f"{role.good} of {wanted} replicas that min-replicas-to-write asks for",
            "start the replicas, or lower min-replicas-to-write",
        )
    replicas = role.replicas
    if not replicas and mode is Mode.LIVE:
        mend = "add a replica, and Sentinels or a cluster to promote it"
        return warning("none: what this machine loses is lost", mend)
    if not replicas:
        return ok("none, which a context that is not live can do without")
    lag_s = max(each.heard_s for each in replicas)
    late = [each for each in replicas if each.state != "online"]
    if late or lag_s > _LAG_S:
        return warning(
            f"{len(replicas)}, of which {len(late)} not in step; last heard of"
            f" {lag_s} s ago",
            "look at the network and the load of the replicas",
        )
    return ok(f"{len(replicas)}, last heard of at most {lag_s} s ago")


def bytes_words(size: int) -> str:
    """Write a size for a person: `12 bytes`, `3.1 GB`."""
    amount, unit = float(size), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
