"""Watching a real server: what counts, breaks, appears, disappears."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from tests.support.watching import (
    CALLS,
    DISK,
    tenant_of,
    watch_context,
    watched,
)

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import RedisOptions, Secret, StripeOptions
from meterdeck.core.model.events import (
    EventOutcome,
    EventSource,
    LoggedEvent,
    MeterEvent,
)
from meterdeck.core.model.fleet_update import Reach
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import (
    Broken,
    Limit,
    LimitSource,
    ResourceKind,
    TenantId,
    TenantStatus,
)
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.directory_entries import DirectoryEntries
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.matching import rules_digest

ACTOR = Actor("ada", "local")


async def key_of(client: Redis, tenant: str, resource: str = CALLS.name) -> bytes:
    """The counter's key in the server's present month."""
    month = (await server_time(client)).strftime("%Y-%m")
    return b"usage:%b:%b:%b" % (
        tenant.encode("utf-8", "surrogateescape"),
        resource.encode(),
        month.encode(),
    )


async def test_a_tenant_only_a_legacy_program_counts_is_seen_within_two_seconds(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """INCR and EXPIRE are enough: the tenant appears, and then each new value."""
    key = await key_of(valkey_client, "legacy")
    async with watched(watch_context(valkey.url, poll_s=1.0)) as (_, seen):
        await seen.until(lambda: seen.last.counters_at is not None)
        start = len(seen.updates)

        await valkey_client.incr(key)
        await valkey_client.expire(key, 3600)
        await seen.until(lambda: seen.used("legacy") == 1)
        rounds = seen.rounds(start)
        await valkey_client.incr(key)
        await seen.until(lambda: seen.used("legacy") == 2)

    assert rounds <= 2  # of one second each
    assert seen.fleet.tenant(0).status is TenantStatus.UNKNOWN


async def test_a_resource_that_is_not_configured_gets_a_column(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """The key's own name is all that is known of it."""
    await valkey_client.set(await key_of(valkey_client, "acme", "seats"), 3)

    async with watched(watch_context(valkey.url)) as (_, seen):
        await seen.until(lambda: len(seen.fleet.resources) == 3)
        await seen.until(lambda: seen.used("acme", 2) == 3)

    assert seen.fleet.resources[2].label == "seats"


async def test_a_gauge_is_watched_by_its_own_key_and_survives_a_month(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Its level, each change of it, and a tenant that nobody else knows of."""
    context = watch_context(valkey.url, resources=(CALLS, DISK))
    await valkey_client.set("usage:acme:disk_gb:now", 40)
    await valkey_client.set("usage:acme:disk_gb:2026-11", 999)

    async with watched(context) as (engine, seen):
        await seen.until(lambda: seen.used("acme", 1) == 40)
        await engine.usage.set_gauge("acme", DISK.name, 12)
        await seen.until(lambda: seen.used("acme", 1) == 12)

    assert seen.fleet.usage(0, 1).period.endless


async def test_a_gauge_that_is_not_configured_gets_a_column_that_does_not_reset(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """The end of its key says what it is."""
    await valkey_client.set("usage:acme:queue:now", 3)

    async with watched(watch_context(valkey.url)) as (_, seen):
        await seen.until(lambda: seen.used("acme", 2) == 3)

    assert seen.fleet.resources[2].kind is ResourceKind.GAUGE
    assert seen.fleet.resets_at(0, 2) is None


async def test_old_months_and_foreign_keys_make_no_tenants(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Only counters of the present period are looked at."""
    await valkey_client.set("usage:old:api_calls:2020-01", 3)
    await valkey_client.set("usage:nothing", 3)
    await valkey_client.set(await key_of(valkey_client, "acme"), 1)

    async with watched(watch_context(valkey.url)) as (_, seen):
        await seen.until(lambda: seen.used("acme") == 1)

    assert len(seen.fleet) == 1


async def test_broken_counters_are_told_and_spare_the_others(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """A list, a float, a padded number; each heals when the key does."""
    keys = {name: await key_of(valkey_client, name) for name in "abcd"}
    await valkey_client.rpush(keys["a"], "x")
    await valkey_client.set(keys["b"], "1.5")
    await valkey_client.set(keys["c"], " 5")
    await valkey_client.set(keys["d"], 7)

    async with watched(watch_context(valkey.url)) as (_, seen):
        await seen.until(lambda: seen.used("d") == 7)
        await seen.until(lambda: seen.used("a") == Broken("a list"))
        await seen.until(lambda: seen.used("b") == Broken("'1.5'"))
        assert seen.used("c") == Broken("' 5'")
        await valkey_client.delete(keys["a"])
        await valkey_client.set(keys["b"], 2)
        await seen.until(lambda: seen.used("a") is None and seen.used("b") == 2)


async def test_a_counter_that_becomes_a_list_is_told_apart_from_a_missing_one(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """MGET answers nil for both; only one of them is broken."""
    list_key, gone_key = [await key_of(valkey_client, name) for name in ("a", "b")]
    await valkey_client.mset({list_key: 1, gone_key: 2})

    async with watched(watch_context(valkey.url)) as (_, seen):
        await seen.until(lambda: seen.used("a") == 1 and seen.used("b") == 2)
        async with valkey_client.pipeline() as pipe:
            pipe.delete(list_key, gone_key)
            pipe.rpush(list_key, "x")
            await pipe.execute()
        await seen.until(lambda: seen.used("a") == Broken("a list"))
        await seen.until(lambda: seen.used("b") is None)


async def test_names_that_are_not_utf8_are_watched(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """The name survives as surrogate escapes, and the counter is read by it."""
    name = b"ten\xffant".decode("utf-8", "surrogateescape")
    key = await key_of(valkey_client, name)
    await valkey_client.set(key, 1)

    async with watched(watch_context(valkey.url)) as (_, seen):
        await seen.until(lambda: seen.used(name) == 1)
        await valkey_client.incr(key)
        await seen.until(lambda: seen.used(name) == 2)


async def test_the_cached_directory_comes_first_and_stripe_away_stops_nothing(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Tenants from Redis are in the first update; counters move without Stripe."""
    stripe = StripeOptions(
        Secret("sk_test_x"), "http://127.0.0.1:1", poll_s=0.2, timeout_s=1.0
    )
    context = watch_context(valkey.url, stripe=stripe)
    async with Engine(context) as engine:
        await engine.directory.save([tenant_of("acme", customer="cus_1")])
    key = await key_of(valkey_client, "acme")

    async with watched(context) as (_, seen):
        await seen.until(lambda: bool(seen.updates))
        first = seen.updates[0]
        await seen.until(lambda: seen.last.stripe.reach is Reach.DOWN)
        await valkey_client.incr(key)
        await seen.until(lambda: seen.used("acme") == 1)

    assert [tenant.customer for tenant in first.tenants] == ["cus_1"]
    assert seen.last.redis.reach is Reach.OK
    assert seen.last.stripe.message


async def test_an_unknown_tenant_becomes_known_in_its_row(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """A directory entry another process writes gives the row its name."""
    await valkey_client.set(await key_of(valkey_client, "acme"), 500)
    context = watch_context(valkey.url)

    async with watched(context) as (engine, seen):
        await seen.until(lambda: seen.used("acme") == 500)
        row = seen.fleet.row_of("acme")
        await engine.directory.save([tenant_of("acme", customer="cus_1")])
        await seen.until(lambda: seen.fleet.search("cus_1") != [])

    assert seen.fleet.search("cus_1") == [row]
    assert row is not None
    assert seen.fleet.percent(row, 0) == 50


async def test_an_override_shows_up_and_goes_away(valkey: Valkey) -> None:
    """Set and cleared, the limit in the fleet follows."""
    context = watch_context(valkey.url)
    tenant = TenantId("acme")
    async with watched(context) as (engine, seen):
        await engine.directory.save([tenant_of("acme", customer="cus_1")])
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        await engine.changes.set_override(
            tenant, CALLS.name, 5000, expires_at=expires_at,
            actor=ACTOR, reason="until friday", operation_id="op-1",
        )  # fmt: skip
        limit = Limit(5000, LimitSource.OVERRIDE)
        await seen.until(lambda: len(seen.fleet) == 1)
        await seen.until(lambda: seen.fleet.limit(0, 0) == limit)
        await engine.changes.clear_override(
            tenant, CALLS.name, actor=ACTOR, reason="done", operation_id="op-2"
        )
        await seen.until(lambda: seen.fleet.limit(0, 0).source is not limit.source)


async def test_an_override_that_expires_goes_away_by_itself(valkey: Valkey) -> None:
    """Nobody touches the change index when a key expires."""
    context = watch_context(valkey.url)
    async with watched(context) as (engine, seen):
        expires_at = datetime.now(UTC) + timedelta(seconds=3)
        await engine.changes.set_override(
            TenantId("acme"), CALLS.name, 5000, expires_at=expires_at,
            actor=ACTOR, reason="short", operation_id="op-1",
        )  # fmt: skip
        await seen.until(lambda: any(update.overrides for update in seen.updates))
        await seen.until(lambda: sum(len(u.overrides) for u in seen.updates) == 2)

    told = [change.limit for update in seen.updates for change in update.overrides]
    assert told == [Limit(5000, LimitSource.OVERRIDE), None]
    assert seen.fleet.limit(0, 0).units is None


def _line(number: int) -> LoggedEvent:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    event = MeterEvent("api_requests", f"id-{number}", "cus_1", "1", at)
    return LoggedEvent(
        "", at, EventSource.WORKER, EventOutcome.ACCEPTED,
        TenantId("acme"), CALLS.name, event,
    )  # fmt: skip


async def test_the_event_tail_shows_what_comes_and_counts_what_is_too_fast(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Two lines come as they are; of 500 at once 200 are shown, 300 counted."""
    context = watch_context(valkey.url)
    async with watched(context) as (engine, seen):
        await engine.events.append(_line(0))
        await engine.events.append(_line(1))
        await seen.until(lambda: len(seen.events) == 2)
        log = context.redis.layout.events()
        ((_, template),) = cast(
            "list[tuple[bytes, dict[Any, Any]]]",
            await valkey_client.xrange(log, count=1),
        )
        async with valkey_client.pipeline(transaction=True) as pipe:
            for number in range(500):
                fields = {**template, b"identifier": b"id-%d" % (number + 2)}
                pipe.xadd(log, dict(fields))
            await pipe.execute()
        await seen.until(lambda: len(seen.events) + seen.dropped == 502)

    shown = [line.event.identifier for line in seen.events]
    assert shown == ["id-0", "id-1", *(f"id-{n}" for n in range(302, 502))]
    assert seen.dropped == 300


async def test_nothing_changed_yields_updates_without_counters(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Updates go on, and none repeats a value."""
    await valkey_client.set(await key_of(valkey_client, "acme"), 5)
    async with watched(watch_context(valkey.url)) as (_, seen):
        await seen.until(lambda: seen.used("acme") == 5)
        count = len(seen.updates)
        await seen.until(lambda: len(seen.updates) >= count + 5)

    quiet = seen.updates[count:]
    assert [u.counters for u in quiet] == [()] * len(quiet)
    assert [u.tenants for u in quiet] == [()] * len(quiet)
    assert quiet[-1].at > quiet[0].at


async def test_counters_with_hash_tags_are_found_and_read(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """In the layout for clusters the tenant's name is inside the braces."""
    month = (await server_time(valkey_client)).strftime("%Y-%m")
    options = RedisOptions(valkey.url, layout=KeyLayout(tagged=True))
    async with watched(watch_context(valkey.url, redis=options)) as (engine, seen):
        await valkey_client.incr(f"usage:{{acme}}:api_calls:{month}")
        await seen.until(lambda: seen.used("acme") == 1)
        await engine.usage.consume("acme", {CALLS.name: 4})
        await seen.until(lambda: seen.used("acme") == 5)


async def test_a_removed_tenant_goes_and_one_that_still_counts_stays(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Gone from the directory: without counters gone, with counters unknown."""
    context = watch_context(valkey.url)
    layout = context.redis.layout
    await valkey_client.set(await key_of(valkey_client, "busy"), 3)
    async with watched(context) as (engine, seen):
        tenants = [tenant_of(name, customer=f"cus_{name}") for name in ("busy", "idle")]
        await engine.directory.save(tenants)
        await seen.until(lambda: len(seen.fleet.search("cus_")) == 2)

        async with Engine(context) as other:
            stored = DirectoryEntries(valkey_client, layout, rules_digest(context))
            await stored.remove([TenantId("busy"), TenantId("idle")])
            assert await other.directory.cached() == ()
        await seen.until(lambda: seen.fleet.search("cus_") == [])
        await seen.until(lambda: len(seen.fleet) == 1)

    assert {name for update in seen.updates for name in update.removed} == {"idle"}
    assert seen.used("busy") == 3
    assert seen.fleet.tenant(0).status is TenantStatus.UNKNOWN
