"""Each check of the doctor: fails alone, and passes when mended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.doctor.conftest import SOFT, Ward, counter
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import ask_node, port_of, until
from tests.support.spooled import call

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.adapters.spool import SpoolFolder
from meterdeck.core.adapters.spool_records import encode
from meterdeck.core.adapters.spool_root import open_root, put_aside
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import LibraryOptions, Mode
from meterdeck.core.model.degraded import Unsettled
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

ANA = Actor("ana", "local")


async def test_a_healthy_context_has_nothing_to_mend(ward: Ward) -> None:
    """Every check passes, and each says why it matters."""
    assert await ward.wrong() == {}
    assert all(each.why for each in (await ward.findings()).values())


async def test_looking_changes_nothing(ward: Ward) -> None:
    """No key is written, not even one that goes again."""
    before = {key: ward.store.dump(key) for key in ward.store.scan_iter()}
    written = ward.store.info("persistence")["rdb_changes_since_last_save"]
    ward.whole_audit = True

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
        options = replace(ward.context.redis, url=proxy.url, timeout_s=0.2)
        ward.context = replace(ward.context, redis=options)
        proxy.lose_next_answer(Fault.SILENCE, after=6)
        found = await ward.findings()

    assert found["redis"].severity is Severity.OK
    wrong = [each for each in found.values() if each.severity is Severity.FAULT]
    assert len(wrong) == 1
    assert found["audit"].found == "not looked at: Redis does not answer"


async def test_an_old_version_is_found(ward: Ward) -> None:
    """Redis 6 lacks what the scripts need; a proxy makes this server say it is one."""
    there = ward.context
    async with Proxy(there.redis.url) as proxy:
        proxy.replace(b"valkey_version:", b"valkey_remark_:")
        proxy.replace(b"redis_version:7.", b"redis_version:6.")
        ward.context = replace(there, redis=replace(there.redis, url=proxy.url))
        found = await ward.only("version")

    assert found.severity is Severity.FAULT
    assert "Redis 6." in found.found
    ward.context = there
    assert await ward.wrong() == {}


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


async def test_too_few_replicas_for_a_write_are_found(ward: Ward) -> None:
    """A server that waits for replicas that are not there takes no write."""
    ward.store.config_set("min-replicas-to-write", "1")
    try:
        found = await ward.only("replicas")
        assert found.severity is Severity.FAULT
        assert "0 of 1 replicas" in found.found
    finally:
        ward.store.config_set("min-replicas-to-write", "0")
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


@pytest.mark.parametrize(
    "name",
    [
        "usage:{{acme}}:api_calls:{month}",
        "quota/acme/api_calls/{month}",
        "{month}:api_calls:acme",
    ],
)
async def test_counters_of_another_layout_are_found(ward: Ward, name: str) -> None:
    """Their names say that somebody counts where nobody looks."""
    stranger = name.format(month=calendar_month(datetime.now(UTC)).label)
    ward.count(stranger)
    found = await ward.only("layout")
    assert stranger in found.found

    ward.store.delete(stranger)
    assert await ward.wrong() == {}


async def test_a_counter_that_never_expires_is_found(ward: Ward) -> None:
    """Trap D2: an EXPIRE that never ran."""
    ward.store.persist(counter("acme"))
    found = await ward.only("expiry")
    assert found.severity is Severity.WARNING
    assert f"1 of 1 counters never expire: {counter('acme')}" in found.found

    ward.store.expire(counter("acme"), 3_024_000)
    assert await ward.wrong() == {}


async def test_a_counter_that_ends_before_its_period_is_found(ward: Ward) -> None:
    """It would begin again at 0 in mid-period."""
    ward.store.expire(counter("acme"), 1)
    ward.store.pexpireat(counter("acme"), _in(timedelta(seconds=30)))
    now = datetime.now(UTC)
    assert calendar_month(now).end - now > timedelta(seconds=60)
    assert (await ward.only("expiry")).severity is Severity.FAULT

    ward.store.expire(counter("acme"), 3_024_000)
    assert await ward.wrong() == {}


async def test_a_counter_that_is_kept_for_years_is_found(ward: Ward) -> None:
    """Seconds where milliseconds were meant, or the other way round."""
    ward.store.expire(counter("acme"), 3_024_000_000)
    assert "last too long" in (await ward.only("expiry")).found

    ward.store.expire(counter("acme"), 3_024_000)
    assert await ward.wrong() == {}


async def test_a_billing_cycle_has_its_own_end(ward: Ward) -> None:
    """Thirty days are enough for a month that ends tomorrow, and not for this one."""
    anchor = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    entry = {"anchor": int(anchor.timestamp()), "interval": "year"}
    ward.store.hset("meterdeck:tenant:acme", mapping=entry)
    ward.count(f"usage:acme:seats:{anchor:%Y-%m-%d}")

    found = await ward.only("expiry")
    assert "end before their period: usage:acme:seats" in found.found

    ward.store.hset("meterdeck:tenant:acme", "interval", "week")
    assert await ward.wrong() == {}


@pytest.mark.parametrize("kind", ["text", "list", "float"])
async def test_a_counter_that_holds_no_number_is_found(ward: Ward, kind: str) -> None:
    """Every script refuses it, and so every call."""
    key = counter("broken")
    if kind == "list":
        ward.store.rpush(key, "1")
    else:
        ward.store.set(key, "12.5" if kind == "float" else "abc")
    ward.store.expire(key, 3_024_000)
    found = await ward.only("values")
    assert found.severity is Severity.FAULT
    assert f"{key} holds" in found.found

    ward.store.delete(key)
    assert await ward.wrong() == {}


async def test_reservations_that_nobody_gave_back_are_found(ward: Ward) -> None:
    """Their units count, and are billed, long after they ended."""
    client = open_redis(ward.context.redis)
    try:
        usage = UsageService(client, ward.context)
        await usage.reserve("acme", {"api_calls": 7}, ttl=timedelta(hours=1))
        assert await ward.wrong() == {}

        label = calendar_month(datetime.now(UTC)).label
        reserved = f"meterdeck:reserved:acme:api_calls:{label}"
        ((member, _),) = ward.store.zrange(reserved, 0, -1, withscores=True)
        past = _in(-timedelta(minutes=20))
        ward.store.zadd(reserved, {member: past})
        ward.store.zadd("meterdeck:reserving", {counter("acme"): past})
        found = await ward.only("reservations")
        assert "20 min ago" in found.found

        assert await usage.give_back_expired() == 7
        assert await ward.wrong() == {}
    finally:
        await client.aclose()


async def test_an_override_without_an_end_is_found_where_the_policy_wants_one(
    ward: Ward,
) -> None:
    """It was set before the policy, or by something else."""
    client = open_redis(ward.context.redis)
    try:
        ward.context = replace(ward.context, override_needs_expiry=False)
        changes = OperatorChanges(client, ward.context)
        await changes.set_override(
            "acme", "api_calls", 9, expires_at=None, actor=ANA, reason="x",
            operation_id="one",
        )  # fmt: skip
        assert await ward.wrong() == {}

        ward.context = replace(ward.context, override_needs_expiry=True)
        assert "acme api_calls" in (await ward.only("overrides")).found

        await changes.clear_override(
            "acme", "api_calls", actor=ANA, reason="x", operation_id="two"
        )
        assert await ward.wrong() == {}
    finally:
        await client.aclose()


async def test_an_altered_audit_trail_is_found(ward: Ward) -> None:
    """The one altered is among the latest; with --audit an old one is found as well."""
    client = open_redis(ward.context.redis)
    try:
        changes = OperatorChanges(client, ward.context)
        for number in range(22):
            wish = Adjustment(
                TenantId(f"t{number}"), ResourceName("api_calls"), AdjustKind.ADD, 1,
                None, Bill.QUOTA_ONLY, "credit",
            )  # fmt: skip
            await changes.adjust(wish, actor=ANA, operation_id=f"op{number}")
    finally:
        await client.aclose()
    assert await ward.wrong() == {}

    trail, whole = "meterdeck:audit:t0", ward.store.dump("meterdeck:audit:t0")
    ((place, fields),) = ward.store.xrange(trail)
    ward.store.delete(trail)
    ward.store.xadd(trail, {**fields, b"actor": b"bob"}, id=place)
    assert await ward.wrong() == {}
    ward.whole_audit = True
    assert (await ward.only("audit")).severity is Severity.FAULT

    assert whole is not None
    ward.store.restore(trail, 0, whole, replace=True)
    assert await ward.wrong() == {}


async def test_what_an_ended_process_left_on_disk_is_found(ward: Ward) -> None:
    """It is used and not counted, and nobody is about to."""
    open_root(ward.spool_root)
    folder = SpoolFolder.create(ward.spool_root)
    folder.append(encode(call(1)) + encode(call(2)))
    folder.close()
    found = await ward.only("spool")
    assert found.severity is Severity.WARNING
    assert "1 ended processes left 2 calls" in found.found

    adopted = SpoolFolder.adopt(folder.path)
    assert adopted is not None
    adopted.counted(adopted.next_batch(10).ends[-1])
    adopted.close()
    assert await ward.wrong() == {}


async def test_a_full_spool_is_found(ward: Ward) -> None:
    """What does not fit is refused, though its resource fails open."""
    open_root(ward.spool_root)
    folder = SpoolFolder.create(ward.spool_root)
    folder.append(encode(call(1)))
    try:
        ward.context = replace(
            ward.context, library=LibraryOptions(spool_bytes=folder.size)
        )
        found = await ward.only("spool")
        assert found.severity is Severity.FAULT
        assert "full, 100 %" in found.found
    finally:
        folder.close()


async def test_calls_that_wait_while_redis_answers_are_found(ward: Ward) -> None:
    """A process that lives should have told them long ago."""
    open_root(ward.spool_root)
    folder = SpoolFolder.create(ward.spool_root)
    folder.append(encode(call(1)))
    try:
        assert "1 calls in" in (await ward.only("spool")).found
        folder.counted(folder.next_batch(1).ends[-1])
        assert await ward.wrong() == {}
    finally:
        folder.close()


async def test_calls_put_aside_for_an_operator_are_found(ward: Ward) -> None:
    """Only a person can say what becomes of them."""
    open_root(ward.spool_root)
    put_aside(ward.spool_root, Unsettled(call(3), "would pass 2^53"))
    assert "1 calls were put aside" in (await ward.only("spool")).found


async def test_a_user_who_may_not_look_gets_no_tick_for_it(ward: Ward) -> None:
    """A check that cannot be made says so."""
    ward.as_user("app", "nopass", "+@all", "-scan")
    found = await ward.wrong()

    assert {each.severity for each in found.values()} == {Severity.UNKNOWN}
    assert set(found) == {"layout", "expiry", "values"}


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


def _in(left: timedelta) -> int:
    return int((datetime.now(UTC) + left).timestamp() * 1000)
