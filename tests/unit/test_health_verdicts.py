"""What a picture of a context's health says, and how bad it is."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.support.well import GB, NOW, SERVER, WELL, WORKER

from meterdeck.core.model.context import Mode
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.model.drift import Drifted, LastPass
from meterdeck.core.model.health import (
    FleetHealth,
    Load,
    Persistence,
    RedisHealth,
    Replication,
    Sending,
    SentinelHealth,
    Trouble,
)
from meterdeck.core.model.health_items import Expected, worst_of
from meterdeck.core.model.health_verdicts import items
from meterdeck.core.model.reconciliation import Cause, Share
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId

EXPECTED = Expected(Mode.TEST)
_LOST = Drifted(
    CounterId(TenantId("acme"), ResourceName("api_calls"), "2026-11"),
    100,
    100,
    Decimal(70),
    (Share(Cause.MISSING, Decimal(30)),),
)


def of_server(**changes: object) -> FleetHealth:
    """Return a picture whose server is changed."""
    server = replace(SERVER, **changes)  # type: ignore[arg-type]
    return replace(WELL, redis=replace(WELL.redis, servers=(server,)))


def of_worker(**changes: object) -> FleetHealth:
    """Return a picture whose worker is changed."""
    worker = replace(WORKER, **changes)  # type: ignore[arg-type]
    return replace(WELL, sending=Sending((worker,)))


def of_trouble(minutes: int) -> FleetHealth:
    """Return a picture in which Stripe put something off so long ago."""
    at = NOW - timedelta(minutes=minutes)
    trouble = Trouble(at, "slow down", 429, "rate_limit", "req_1", "one")
    assert WELL.stripe is not None
    return replace(WELL, stripe=replace(WELL.stripe, trouble=trouble))


def of_pass(found: LastPass | None) -> FleetHealth:
    """Return a picture with another last reconciliation."""
    assert WELL.waiting is not None
    return replace(WELL, waiting=replace(WELL.waiting, last_pass=found))


def of_older() -> FleetHealth:
    """Return a picture in which Redis came back after a while."""
    assert WELL.waiting is not None
    return replace(WELL, waiting=replace(WELL.waiting, older_since=NOW))


PASS = LastPass(NOW, "one", 1.0, False, 3, 9, 0, 0, (_LOST,), 2)
SILENT = NOW - timedelta(minutes=9)
WARNING, FAULT, UNKNOWN = Severity.WARNING, Severity.FAULT, Severity.UNKNOWN
CASES = [
    (of_server(memory=replace(SERVER.memory, policy="allkeys-lru")), "eviction",
     FAULT, "counters are removed"),
    (of_server(memory=replace(SERVER.memory, evicted=7)), "eviction",
     FAULT, "7 keys were removed"),
    (of_server(memory=replace(SERVER.memory, used=int(3.9 * GB))), "memory",
     FAULT, "97 % of maxmemory"),
    (of_server(memory=replace(SERVER.memory, fragmentation=2.0)), "memory",
     WARNING, "fragmentation 2.0"),
    (of_server(persistence=Persistence(snapshots=False)), "persistence",
     FAULT, "none: a restart begins with empty counters"),
    (of_server(replication=Replication("slave", "a:1")), "replication",
     FAULT, "a replica of a:1"),
    (of_server(load=Load(slow=4, spike_ms=900)), "slow", WARNING, "900 ms"),
    (of_server(load=Load()), "slow", UNKNOWN, "not allowed for this user"),
    (replace(WELL, redis=replace(WELL.redis, servers=None)), "server",
     UNKNOWN, "not allowed for this user"),
    (replace(WELL, redis=replace(WELL.redis, script_ms=None)), "redis",
     UNKNOWN, "not allowed for this user"),
    (replace(WELL, redis=replace(WELL.redis, ping_ms=240.0)), "redis",
     WARNING, "240 ms"),
    (replace(WELL, redis=replace(WELL.redis, sentinels=SentinelHealth(
        3, 1, 1, "a:1", 2))), "sentinels", FAULT, "1 of 3 name a:1"),
    (of_trouble(1), "error", WARNING, "429 rate_limit · slow down · req_1"),
    (of_trouble(60), "error", Severity.OK, "60 min ago"),
    (of_worker(rate=12), "room", WARNING, "slowed to 12/s"),
    (of_worker(per_minute=1450), "room", WARNING, "97 %"),
    (of_worker(stopped=True), "workers", FAULT, "does not accept the key"),
    (of_worker(unsent=9, oldest_s=70.0), "unsent", Severity.OK, "9 counters"),
    (of_worker(unsent=9, oldest_s=400.0), "unsent", WARNING, "the oldest 6 min"),
    (of_worker(unsent=1, oldest_s=9000.0), "unsent", FAULT, "the oldest 2 h"),
    (of_worker(oldest_s=400.0), "unsent", WARNING, "events of track(), the oldest"),
    (of_worker(refused_late=2), "reports", WARNING, "2 events accepted and not"),
    (of_worker(closing=3), "closing", WARNING, "3 counters"),
    (replace(WELL, sending=Sending((), SILENT, 40)), "workers",
     FAULT, "9 min ago; 40 tenants have used something since"),
    (of_pass(PASS), "drift", WARNING, "3 counters differ"),
    (of_pass(replace(PASS, rows=(), more=0, at=NOW - timedelta(hours=9))), "drift",
     WARNING, "none, but compared 9 h ago"),
    (of_pass(None), "drift", UNKNOWN, "never compared"),
    (of_older(), "restored", WARNING, "it may be older than it was"),
]  # fmt: skip


def test_of_a_context_that_is_well_every_item_is_good() -> None:
    """Each has a title and words; none asks for anything."""
    found = items(WELL, EXPECTED)

    assert [each.id for each in found if each.verdict.severity is not Severity.OK] == []
    assert not any(each.verdict.mend for each in found)
    assert all(each.title and each.verdict.found for each in found)
    assert len({each.id for each in found}) == len(found)


@pytest.mark.parametrize(("health", "item", "severity", "words"), CASES)
def test_what_is_not_well_is_named_with_what_to_do(
    health: FleetHealth, item: str, severity: Severity, words: str
) -> None:
    """That one item changes, and says in words what there is."""
    found = {each.id: each for each in items(health, EXPECTED)}
    verdict = found[item].verdict

    assert (verdict.severity, words in verdict.found) == (severity, True), verdict
    assert bool(verdict.mend) == (severity is not Severity.OK)


def test_a_redis_that_is_away_leaves_only_what_is_known_without_it() -> None:
    """It is the worst there is, with its sentence; Stripe is still told of."""
    away = FleetHealth(
        NOW, RedisHealth("Redis does not answer"), WELL.stripe, None, None
    )

    found = items(away, EXPECTED)

    assert [each.id for each in found] == ["redis", "stripe", "error", "reports"]
    assert worst_of(found) is Severity.FAULT
