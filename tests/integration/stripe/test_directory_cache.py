"""The directory in Redis: written once, read by everybody, gone on from."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.proxy import Fault, Proxy
from tests.support.stripe_side import PRO, TEAM, StripeSide

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound, StripeUnreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import Tenant, TenantId, TenantStatus
from meterdeck.core.services.directory import Directory

LAYOUT = KeyLayout()
LISTS = {"GET /v1/customers", "GET /v1/subscriptions"}
HOSTILE = "\x1b]52;c;aGk=\x07[/b] {x}\r\n\u202eevil\u200b 🦀 é\x00\x9b31m"


def named(tenants: Iterable[Tenant]) -> dict[str, Tenant]:
    """Return tenants by their ids."""
    return {tenant.id: tenant for tenant in tenants}


async def everything(redis: Redis) -> dict[bytes, bytes]:
    """Return every key of the server with its serialized value."""
    keys = sorted([key async for key in redis.scan_iter(count=1000)])
    return {key: await redis.dump(key) or b"" for key in keys}


async def test_entries_come_back_from_redis_as_they_were(
    stripe: StripeSide, directory: Directory, valkey_client: Redis, context: Context
) -> None:
    """What one process wrote another reads: equal in every field, in order."""
    stripe.subscribed("acme")
    stripe.customer("bare")
    stripe.subscribed("team", metadata={"plan": "team"})

    change = await directory.refresh()

    other = Directory(valkey_client, context, None)
    assert await other.cached() == change.tenants
    raw = await valkey_client.hgetall(LAYOUT.tenant("acme"))
    assert raw[b"limit:api_calls"] == b"100000"
    assert raw[b"interval"] == b"month"
    team = await valkey_client.hgetall(LAYOUT.tenant("team"))
    assert team[b"limit:api_calls"] == b"unlimited"


async def test_names_survive_whatever_they_hold(
    stripe: StripeSide, directory: Directory, valkey_client: Redis, context: Context
) -> None:
    """Escape sequences, markup, bidi marks and NUL come back unchanged."""
    stripe.customer(HOSTILE, HOSTILE)

    await directory.refresh()

    (cached,) = await Directory(valkey_client, context, None).cached()
    assert cached.id == HOSTILE
    assert cached.name == HOSTILE
    assert (await directory.get(HOSTILE)).name == HOSTILE


async def test_a_restart_goes_on_where_the_last_one_stopped(
    stripe: StripeSide,
    directory: Directory,
    valkey_client: Redis,
    context: Context,
    gateway: StripeGateway,
) -> None:
    """The cursor is in Redis: what happened in between is read, nothing else."""
    acme = stripe.subscribed("acme")
    stripe.subscribed("other")
    await directory.refresh()
    stripe.rename(acme, "Acme Ltd")
    stripe.requests.clear()
    restarted = Directory(valkey_client, context, gateway)
    cached = await restarted.cached()

    change = await restarted.refresh()

    assert len(cached) == 2
    assert [tenant.name for tenant in change.tenants] == ["Acme Ltd"]
    assert "GET /v1/customers" not in stripe.requests


async def test_a_cursor_that_stripe_no_longer_keeps_means_reading_everything(
    stripe: StripeSide,
    directory: Directory,
    valkey_client: Redis,
    context: Context,
    gateway: StripeGateway,
) -> None:
    """Events are kept for 30 days; an older cursor is not an error."""
    acme = stripe.subscribed("acme")
    await directory.refresh()
    stripe.rename(acme, "Acme Ltd")
    await valkey_client.hset(LAYOUT.directory(), "cursor", "evt_gone")
    stripe.requests.clear()

    change = await Directory(valkey_client, context, gateway).refresh()

    assert [tenant.name for tenant in change.tenants] == ["Acme Ltd"]
    assert set(stripe.requests) >= LISTS


async def test_everything_is_read_again_after_a_day(
    stripe: StripeSide, valkey_client: Redis, context: Context, gateway: StripeGateway
) -> None:
    """Whatever the events did not tell is put right by the daily reading."""
    clock = [datetime(2026, 11, 1, tzinfo=UTC)]
    directory = Directory(valkey_client, context, gateway, now=lambda: clock[0])
    stripe.subscribed("acme")
    (tenant,) = (await directory.refresh()).tenants
    stripe.local.set_subscription(tenant.subscription, status="past_due")  # no event
    assert (await directory.refresh()).tenants == ()
    clock[0] += timedelta(hours=24)

    (tenant,) = (await directory.refresh()).tenants

    assert tenant.status is TenantStatus.PAST_DUE


async def test_entries_made_by_other_rules_are_made_again(
    stripe: StripeSide,
    directory: Directory,
    valkey_client: Redis,
    context: Context,
    gateway: StripeGateway,
) -> None:
    """After the configuration changed, what is cached is told but not believed."""
    stripe.subscribed("acme")
    await directory.refresh()
    rules = tuple(replace(rule, plan=TEAM) for rule in context.plan_rules)
    other = Directory(valkey_client, replace(context, plan_rules=rules), gateway)
    assert [tenant.plan for tenant in await other.cached()] == [PRO]

    change = await other.refresh()

    assert [tenant.plan for tenant in change.tenants] == [TEAM]


async def test_an_entry_that_is_lost_or_foreign_is_written_again(
    stripe: StripeSide,
    directory: Directory,
    valkey_client: Redis,
    context: Context,
    gateway: StripeGateway,
) -> None:
    """A key of another type hides no other tenant, and the next start mends it."""
    stripe.subscribed("acme")
    stripe.subscribed("other")
    await directory.refresh()
    await valkey_client.delete(LAYOUT.tenant("acme"))
    await valkey_client.lpush(LAYOUT.tenant("acme"), "garbage")
    restarted = Directory(valkey_client, context, gateway)
    assert list(named(await restarted.cached())) == ["other"]

    await restarted.refresh()

    cached = named(await Directory(valkey_client, context, None).cached())
    assert list(cached) == ["acme", "other"]


async def test_a_read_only_context_writes_nothing(
    stripe: StripeSide, valkey_client: Redis, context: Context, gateway: StripeGateway
) -> None:
    """Everything is told as usual; every key of the server stays as it was."""
    await valkey_client.hset(LAYOUT.tenant("stale"), "name", "Stale")
    await valkey_client.sadd(LAYOUT.tenants(), "stale")
    customer = stripe.subscribed("acme")
    before = await everything(valkey_client)
    directory = Directory(valkey_client, replace(context, read_only=True), gateway)
    await directory.cached()

    first = await directory.refresh()
    stripe.rename(customer, "Acme Ltd")
    second = await directory.refresh()
    await directory.save(first.tenants)

    assert list(named(first.tenants)) == ["acme"]
    assert first.removed == (TenantId("stale"),)
    assert [tenant.name for tenant in second.tenants] == ["Acme Ltd"]
    assert await everything(valkey_client) == before


async def test_a_context_without_stripe_sees_what_others_write(
    stripe: StripeSide, directory: Directory, valkey_client: Redis, context: Context
) -> None:
    """The cache is the directory there: changes and removals arrive through it."""
    customer = stripe.subscribed("acme")
    onlooker = Directory(valkey_client, replace(context, stripe=None), None)
    assert (await onlooker.refresh()).tenants == ()
    await directory.refresh()

    arrived = await onlooker.refresh()
    await valkey_client.delete(LAYOUT.tenant("acme"))  # by nobody who counts
    unchanged = await onlooker.refresh()  # looks at the revision only
    stripe.delete(customer)
    await directory.refresh()
    left = await onlooker.refresh()

    assert list(named(arrived.tenants)) == ["acme"]
    assert (unchanged.tenants, unchanged.removed) == ((), ())
    assert left.removed == (TenantId("acme"),)


async def test_without_redis_the_directory_is_kept_in_memory(
    stripe: StripeSide, context: Context, gateway: StripeGateway, valkey_client: Redis
) -> None:
    """Redis away is no reason not to know the tenants; back, it is written."""
    async with Proxy(context.redis.url) as proxy:
        options = replace(context.redis, url=proxy.url, timeout_s=2.0)
        redis = open_redis(options)
        directory = Directory(redis, context, gateway)
        stripe.subscribed("acme")
        proxy.lose_next_answer(Fault.SILENCE)

        change = await directory.refresh()

        assert list(named(change.tenants)) == ["acme"]
        assert not await valkey_client.exists(LAYOUT.tenant("acme"))
        proxy.heal()
        assert (await directory.refresh()).tenants == ()
        assert await valkey_client.exists(LAYOUT.tenant("acme"))
        await redis.aclose()


async def test_without_stripe_what_is_known_stays(
    stripe: StripeSide, valkey_client: Redis, context: Context, directory: Directory
) -> None:
    """A refresh fails with a sentence; cached entries and later refreshes work."""
    stripe.subscribed("acme")
    await directory.refresh()
    assert context.stripe is not None
    nowhere = replace(context.stripe, api_base="http://127.0.0.1:1")
    gateway = StripeGateway(nowhere, context.mode)
    # The address is part of what makes an entry, so this one reads everything.
    lonely = Directory(valkey_client, replace(context, stripe=nowhere), gateway)

    with pytest.raises(StripeUnreachable, match="cannot be reached"):
        await lonely.refresh()

    assert list(named(await lonely.cached())) == ["acme"]
    await gateway.close()


async def test_a_tenant_is_found_by_its_customer(
    stripe: StripeSide, directory: Directory, valkey_client: Redis, context: Context
) -> None:
    """Both names lead to the entry; an unknown one is a sentence."""
    customer = stripe.subscribed("acme")
    await directory.refresh()
    stranger = Directory(valkey_client, context, None)

    for looking in (directory, stranger):
        assert (await looking.get("acme")).customer == customer
        assert (await looking.get(customer)).id == "acme"
        with pytest.raises(NotFound, match="no tenant or customer is called nobody"):
            await looking.get("nobody")
