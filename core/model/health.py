"""How a context's servers and its delivery are, as plain values: one picture of all.

What this Redis user may not ask is None; what the server does not say is 0 or empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.model.acl.own_rights import RedisUser
from meterdeck.core.model.degraded import SpoolSight
from meterdeck.core.model.drift import LastPass
from meterdeck.core.model.fleet_update import Reach


@dataclass(frozen=True, slots=True)
class Memory:
    """A Redis server's memory, in bytes.

    Attributes:
        most: `maxmemory`; 0: no limit.
        machine: The machine's; 0: not told.
        fragmentation: What the process takes of the machine for each byte it uses.
        policy: What happens at the limit: `noeviction`, or which keys are removed.
        evicted: Keys that were removed since the server began.
    """

    used: int = 0
    peak: int = 0
    most: int = 0
    machine: int = 0
    fragmentation: float = 0.0
    policy: str = "unknown"
    evicted: int = 0


@dataclass(frozen=True, slots=True)
class Persistence:
    """What of a Redis server is on its disk.

    Attributes:
        append_ok: Whether the append-only file could be written last.
        fsync: When that file reaches the disk; None where this user may not ask.
        snapshot_ok: Whether the last snapshot was written.
        snapshots: Whether any are planned; None where this user may not ask.
        saved_at: When the last one was; None for never.
        unsaved: Changes that are in none yet.
    """

    loading: bool = False
    append_only: bool = False
    append_ok: bool = True
    fsync: str | None = None
    snapshot_ok: bool = True
    snapshots: bool | None = None
    saved_at: datetime | None = None
    unsaved: int = 0


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica as its master sees it.

    Attributes:
        heard_s: Seconds since it was last heard of.
        behind: Bytes of the stream that it has not confirmed.
    """

    name: str
    state: str
    heard_s: int
    behind: int


@dataclass(frozen=True, slots=True)
class Replication:
    """A Redis server among others.

    Attributes:
        master: Whom it follows, where it is a replica.
        wanted: Replicas without which it takes no writes; None: may not be asked.
        good: Replicas in step.
    """

    role: str = "master"
    master: str = ""
    link_up: bool = True
    replicas: tuple[Replica, ...] = ()
    wanted: int | None = None
    good: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """What a Redis server has to do.

    Attributes:
        per_second: Commands.
        slow: Entries of its slow log; None: may not be asked.
        spike_ms: Its latency monitor's worst event; None: may not be asked, 0: none.
    """

    clients: int = 0
    blocked: int = 0
    per_second: int = 0
    keys: int = 0
    slow: int | None = None
    spike_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """One Redis server that takes writes, or should.

    Attributes:
        name: Which of several; empty where there is one.
        product: `Redis` or `Valkey`.
    """

    name: str
    product: str
    version: str
    uptime_s: int = 0
    memory: Memory = Memory()
    persistence: Persistence = Persistence()
    replication: Replication = Replication()
    load: Load = Load()


@dataclass(frozen=True, slots=True)
class SentinelHealth:
    """What the Sentinels say of the master.

    Attributes:
        answering: How many of `known` answer.
        agreeing: How many of those name `master`, and call it up.
        quorum: How many have to agree before they choose another.
    """

    known: int
    answering: int
    agreeing: int
    master: str
    quorum: int


@dataclass(frozen=True, slots=True)
class RedisHealth:
    """All of Redis.

    Attributes:
        problem: Why it could not be asked at all; empty where it was.
        ping_ms: Round trip of the shortest command.
        script_ms: Of a script that does nothing; None: may not be run.
        servers: Each master; None where this user may not ask.
        user: Who asks; None: not told.
    """

    problem: str = ""
    ping_ms: float | None = None
    script_ms: float | None = None
    servers: tuple[ServerHealth, ...] | None = None
    cluster: bool = False
    sentinels: SentinelHealth | None = None
    user: RedisUser | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """The last time Stripe did not do what it was asked.

    Attributes:
        by: Who had asked: a worker's name, `console`.
    """

    at: datetime
    words: str
    status: int = 0
    code: str = ""
    request_id: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """A worker as it last spoke of itself.

    Attributes:
        since: When it began; None where it does not say.
        tenants: Whose usage it brings to Stripe.
        unsent: Counters of theirs that changed and are not at Stripe.
        oldest_s: Seconds for which the oldest of them waits, or of `track()`'s events.
        per_minute: Events delivered in the last minute.
        lag_s: From use to Stripe, the longest of the last minute.
        latency_ms: Stripe's, smoothed; None before the first answer.
        rate: Events a second that it allows itself now, of at most `most_rate`.
        slowed: How often Stripe asked it to slow down.
        stopped: Whether Stripe does not accept its key.
        closing: Counters unsent of periods that end soon.
    """

    id: str
    seen_at: datetime
    since: datetime | None = None
    tenants: int = 0
    unsent: int = 0
    oldest_s: float = 0.0
    on_the_way: int = 0
    per_minute: int = 0
    lag_s: float = 0.0
    latency_ms: float | None = None
    rate: int = 0
    most_rate: int = 0
    slowed: int = 0
    stopped: bool = False
    unbilled: int = 0
    closing: int = 0
    refused_late: int = 0
    problem: str = ""
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """What is not yet at Stripe, by what the workers say; cheap enough for every look.

    Attributes:
        workers: Those that were heard of a moment ago.
        silent_since: Where there is none: when the last one was heard of; None: never.
        changed: Where there is none: tenants that used something since; None: nobody
            can tell.
    """

    workers: tuple[WorkerHealth, ...] = ()
    silent_since: datetime | None = None
    changed: int | None = None

    @property
    def unsent(self) -> int:
        """Counters that changed and are not at Stripe."""
        return sum(each.unsent for each in self.workers)

    @property
    def oldest_s(self) -> float:
        """Seconds for which the oldest of them waits, or of `track()`'s events."""
        return max((each.oldest_s for each in self.workers), default=0.0)

    @property
    def per_minute(self) -> int:
        """Events delivered in the last minute."""
        return sum(each.per_minute for each in self.workers)

    @property
    def lag_s(self) -> float:
        """From use to Stripe, the longest of the last minute."""
        return max((each.lag_s for each in self.workers), default=0.0)

    @property
    def rate(self) -> int:
        """Events a second that they allow themselves, together."""
        return sum(each.rate for each in self.workers)

    @property
    def most_rate(self) -> int:
        """The most of it."""
        return sum(each.most_rate for each in self.workers)


@dataclass(frozen=True, slots=True)
class StripeHealth:
    """Stripe, as the workers and whoever asks see it.

    Attributes:
        reach: Whether it answers whoever asks here; CONNECTING: nobody has asked.
        latency_ms: Of the last answer here; None before the first.
        reports_read_at: Up to when late reports were read; None: never.
        faults: What a sandbox's Stripe does wrong on purpose, in words.
    """

    reach: Reach = Reach.CONNECTING
    latency_ms: float | None = None
    problem: str = ""
    trouble: Trouble | None = None
    reports_read_at: datetime | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What needs somebody, or somebody's machine.

    Attributes:
        letters: Events that need somebody; `letters_more`: there may be more.
        queued: Events of `track()` that are not settled.
        spool: What waits on this machine's disk; None where it cannot be read.
        last_pass: The workers' last reconciliation; None before the first.
        older_since: When Redis began to run with data that may be older than they were,
            and that were not all compared since; None: they are as they were.
    """

    letters: int = 0
    letters_more: bool = False
    queued: int = 0
    spool: SpoolSight | None = None
    last_pass: LastPass | None = None
    older_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class FleetHealth:
    """All of a context at one moment, by the Redis server's clock.

    Attributes:
        stripe: None where the context has no Stripe.
        sending: None where Redis could not be asked.
    """

    at: datetime
    redis: RedisHealth
    stripe: StripeHealth | None
    sending: Sending | None
    waiting: Waiting | None


def newest_trouble(troubles: Sequence[Trouble | None]) -> Trouble | None:
    """Return the last of them; None where there is none."""
    known = [each for each in troubles if each is not None]
    return max(known, key=lambda each: each.at, default=None)
