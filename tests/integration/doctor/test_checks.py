"""Each check of the doctor: fails alone, and passes when mended."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.integration.doctor.conftest import SOFT, Ward
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import ask_node, port_of, until

from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Mode
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.sandbox.valkey import Valkey

ANA = Actor("ana", "local")


async def test_a_healthy_context_has_nothing_to_mend(ward: Ward) -> None:
    """Every check passes, and each says why it matters."""
    assert await ward.wrong() == {}
    assert all(each.why for each in (await ward.findings()).values())


async def test_looking_changes_nothing(ward: Ward) -> None:
    """No key is written, not even one that goes again."""
    before = {key: ward.store.dump(key) for key in ward.store.scan_iter()}
    written = ward.store.info("persistence")["rdb_changes_since_last_save"]
    ward.whole = True

    await ward.findings()

    assert {key: ward.store.dump(key) for key in ward.store.scan_iter()} == before
    after = ward.store.info("persistence")["rdb_changes_since_last_save"]
    assert after == written


async def test_a_redis_that_does_not_answer_is_found_and_the_disk_still_looked_at(
    ward: Ward,
) -> None:
    """What cannot be looked at is not called fine."""
    there = ward.context
    ward.context = replace(
        there, redis=replace(there.redis, url="redis://127.0.0.1:1/0")
    )
    found = await ward.findings()

    assert found["redis"].severity is Severity.FAULT
    assert "does not answer" in found["redis"].found
    assert found["eviction"].severity is Severity.UNKNOWN
    assert found["spool"].severity is Severity.OK

    ward.context = there
    assert await ward.wrong() == {}


async def test_a_redis_that_falls_silent_in_between_ends_the_looking(
    ward: Ward,
) -> None:
    """The first check without an answer is the fault; the rest is not looked at."""
    async with Proxy(ward.context.redis.url) as proxy:
        options = replace(ward.context.redis, url=proxy.url, timeout_s=2.0)
        ward.context = replace(ward.context, redis=options)
        proxy.lose_next_answer(Fault.SILENCE, after=6)
        found = await ward.findings()

    assert found["redis"].severity is Severity.OK
    wrong = [each for each in found.values() if each.severity is Severity.FAULT]
    assert len(wrong) == 1
    assert found["audit"].found == "not looked at: Redis does not answer"


@pytest.mark.parametrize(
    ("maxmemory", "severity"), [("0", Severity.WARNING), ("1gb", Severity.FAULT)]
)
async def test_an_eviction_policy_that_removes_counters_is_found(
    ward: Ward, maxmemory: str, severity: Severity
) -> None:
    """`volatile-lru` removes counters first: they are what has an expiry."""
    ward.store.config_set("maxmemory", maxmemory)
    ward.store.config_set("maxmemory-policy", "volatile-lru")
    try:
        found = await ward.only("eviction")
        assert (found.severity, "volatile-lru" in found.found) == (severity, True)
    finally:
        ward.store.config_set("maxmemory-policy", "noeviction")
        ward.store.config_set("maxmemory", "0")
    assert await ward.wrong() == {}


@pytest.mark.parametrize(
    ("save", "severity"),
    [("", Severity.FAULT), ("3600 1", Severity.WARNING)],
    ids=["nothing", "snapshots"],
)
async def test_counters_that_a_restart_would_lose_are_found(
    ward: Ward, save: str, severity: Severity
) -> None:
    """Without an append-only file what came after the last snapshot is gone."""
    ward.store.config_set("appendonly", "no")
    ward.store.config_set("save", save)
    try:
        assert (await ward.only("persistence")).severity is severity
    finally:
        ward.store.config_set("save", "")
        ward.store.config_set("appendonly", "yes")
    assert await ward.wrong() == {}


@pytest.mark.parametrize(
    ("percent", "severity"), [(88, Severity.WARNING), (97, Severity.FAULT)]
)
async def test_memory_that_is_nearly_used_up_is_found(
    ward: Ward, percent: int, severity: Severity
) -> None:
    """With noeviction a full server refuses every write."""
    ward.store.setrange("ballast", 20_000_000, "x")  # through no buffer of that size
    used = int(ward.store.info("memory")["used_memory"])
    ward.store.config_set("maxmemory", used * 100 // percent)
    try:
        assert (await ward.only("memory")).severity is severity
    finally:
        ward.store.config_set("maxmemory", "0")
    assert await ward.wrong() == {}


async def test_a_replica_in_place_of_the_master_is_found(ward: Ward) -> None:
    """It takes no writes."""
    ward.store.replicaof("127.0.0.1", "1")
    try:
        found = await ward.only("replicas")
        assert "this server is a replica of 127.0.0.1" in found.found
    finally:
        ward.store.replicaof("NO", "ONE")
    assert await ward.wrong() == {}


async def test_a_live_context_without_a_replica_is_worth_a_word(ward: Ward) -> None:
    """In a test context it is not."""
    ward.context = replace(ward.context, mode=Mode.LIVE)
    assert (await ward.only("replicas")).severity is Severity.WARNING

    ward.context = replace(ward.context, mode=Mode.TEST)
    assert await ward.wrong() == {}


@pytest.mark.parametrize(
    ("skew", "severity", "words"),
    [
        (timedelta(seconds=40), Severity.WARNING, "40 s ahead of Redis"),
        (timedelta(minutes=-20), Severity.FAULT, "1,200 s behind Redis"),
    ],
)
async def test_a_host_whose_clock_is_wrong_is_found(
    ward: Ward, skew: timedelta, severity: Severity, words: str
) -> None:
    """Which way and how far."""
    ward.skew = skew
    found = await ward.only("clock")
    assert (found.severity, words in found.found) == (severity, True)

    ward.skew = timedelta(0)
    assert await ward.wrong() == {}


@pytest.mark.parametrize(
    ("missing", "severity"),
    [
        ("-incrby", Severity.FAULT),
        ("-eval", Severity.FAULT),
        ("-evalsha", Severity.FAULT),
        ("-pexpireat", Severity.FAULT),
        ("-xadd", Severity.WARNING),
        ("-zremrangebyscore", Severity.WARNING),
    ],
)
async def test_a_user_who_lacks_a_right_is_found(
    ward: Ward, missing: str, severity: Severity
) -> None:
    """Asked, not tried: no call has to be refused first."""
    ward.as_user("app", "nopass", "+@all", missing)
    found = await ward.only("rights")
    assert found.severity is severity
    assert f"+{missing[1:]}" in found.mend

    ward.as_user("app", "nopass", "+@all")
    assert await ward.wrong() == {}


async def test_rights_on_other_keys_are_no_rights(ward: Ward) -> None:
    """The commands are allowed, on keys that are not the context's."""
    ward.as_user("app", "nopass", "+@all", "resetkeys", "%R~*", "~meterdeck:*")
    found = await ward.only("rights")

    assert "+incrby" in found.found


async def test_a_rule_needs_rights_that_plain_limits_do_not(ward: Ward) -> None:
    """Without them each call beyond the limit would be refused."""
    ward.as_user("app", "nopass", "+@all", "-hincrby")
    assert await ward.wrong() == {}

    api, seats = ward.context.resources
    ward.context = replace(ward.context, resources=(replace(api, rule=SOFT), seats))
    assert "+hincrby" in (await ward.only("rights")).found


async def test_a_user_who_may_not_look_gets_no_tick_for_it(ward: Ward) -> None:
    """A check that cannot be made says so."""
    ward.as_user("app", "nopass", "+@all", "-scan")
    found = await ward.wrong()

    assert {each.severity for each in found.values()} == {Severity.UNKNOWN}
    assert set(found) == {"layout", "expiry", "values", "index"}


async def test_a_replica_in_step_is_told_with_its_age(
    ward: Ward, server: Valkey, replica: Valkey
) -> None:
    """That is what a live context should have."""
    ward.context = replace(ward.context, mode=Mode.LIVE)
    await ask_node(replica, "REPLICAOF", "127.0.0.1", port_of(server))

    async def online() -> bool:
        slave = ward.store.info("replication").get("slave0", {})
        return bool(slave.get("state") == "online")

    await until(online)
    found = await ward.findings()

    assert found["replicas"].severity is Severity.OK
    assert found["replicas"].found.startswith("1, last heard of")
