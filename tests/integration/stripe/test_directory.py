"""The directory follows Stripe: everything once, then what changed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.contexts import CALLS
from tests.support.stripe_faults import FaultServer, answer, page
from tests.support.stripe_side import FREE, PRO, TEAM, StripeSide

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound, StripeUnreachable
from meterdeck.core.model.context import Context, Mode, Secret, StripeOptions
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import Interval
from meterdeck.core.model.usage import Tenant, TenantId, TenantStatus
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.directory_reader import DirectoryReader, ReadState

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


async def test_the_first_refresh_reads_every_customer(
    stripe: StripeSide, directory: Directory
) -> None:
    """With and without subscription, by metadata or customer id; deleted are gone."""
    customer = stripe.subscribed("acme")
    bare = stripe.customer("", "Bare")
    stripe.delete(stripe.subscribed("gone"))

    change = await directory.refresh()

    found = named(change.tenants)
    assert list(found) == sorted(["acme", bare])
    assert change.removed == ()
    acme = found["acme"]
    assert (acme.name, acme.customer, acme.plan) == ("Acme", customer, PRO)
    assert (acme.status, acme.limits) == (TenantStatus.ACTIVE, {CALLS: 100_000})
    assert acme.subscription.startswith("sub_")
    assert acme.cycle is not None
    assert acme.cycle.interval is Interval.MONTH
    assert acme.period_start is not None
    assert acme.period_end is not None
    assert acme.period_start <= datetime.now(UTC) < acme.period_end
    assert found[bare].status is TenantStatus.NO_SUBSCRIPTION
    assert found[bare].plan == ""


async def test_more_than_a_page_is_read_to_its_end(
    stripe: StripeSide, directory: Directory
) -> None:
    """Lists come by the hundred; 205 tenants are 205 tenants."""
    for number in range(205):
        stripe.subscribed(f"t{number:03}")

    change = await directory.refresh()

    assert len(change.tenants) == 205
    assert all(tenant.plan == PRO for tenant in change.tenants)


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


async def test_an_unchanged_stripe_costs_one_request(
    stripe: StripeSide, directory: Directory
) -> None:
    """Nothing new: one look at the events, nothing told."""
    stripe.subscribed("acme")
    await directory.refresh()
    stripe.requests.clear()

    change = await directory.refresh()

    assert (change.tenants, change.removed) == ((), ())
    assert stripe.requests == ["GET /v1/events"]


async def test_only_what_changed_is_read_again(
    stripe: StripeSide, directory: Directory
) -> None:
    """Two changes of one customer are one reading; nobody else is read."""
    acme, other = stripe.subscribed("acme"), stripe.subscribed("other")
    await directory.refresh()
    stripe.requests.clear()
    stripe.rename(acme, "Acme Ltd")
    stripe.rename(acme, "Acme GmbH")
    new = stripe.subscribed("new")

    change = await directory.refresh()

    found = named(change.tenants)
    assert list(found) == ["acme", "new"]
    assert found["acme"].name == "Acme GmbH"
    assert found["acme"].plan == PRO
    assert sorted(set(stripe.requests)) == sorted(
        {
            "GET /v1/events",
            "GET /v1/subscriptions",
            f"GET /v1/customers/{acme}",
            f"GET /v1/customers/{new}",
        }
    )
    assert len(stripe.requests) == 5
    assert f"GET /v1/customers/{other}" not in stripe.requests


async def test_a_canceled_subscription_keeps_its_plans_name_and_loses_its_limits(
    stripe: StripeSide, directory: Directory, valkey_client: Redis
) -> None:
    """Ended is ended: the entry has no limits, so the default plan's apply."""
    stripe.subscribed("acme")
    (before,) = (await directory.refresh()).tenants
    stripe.cancel(before.subscription)

    (after,) = (await directory.refresh()).tenants

    assert (after.status, after.plan) == (TenantStatus.CANCELED, PRO)
    assert after.limits == {}
    assert not await valkey_client.hexists(LAYOUT.tenant("acme"), "limit:api_calls")


async def test_a_deleted_customer_is_removed_and_its_counters_stay(
    stripe: StripeSide, directory: Directory, valkey_client: Redis
) -> None:
    """The entry goes, what was counted is kept."""
    customer = stripe.subscribed("acme")
    stripe.subscribed("other")
    await directory.refresh()
    counter = LAYOUT.counter("acme", CALLS, "2026-11")
    await valkey_client.set(counter, 5)
    stripe.delete(customer)

    change = await directory.refresh()

    assert (change.tenants, change.removed) == ((), (TenantId("acme"),))
    assert not await valkey_client.exists(LAYOUT.tenant("acme"))
    assert await valkey_client.smembers(LAYOUT.tenants()) == {b"other"}
    assert await valkey_client.get(counter) == b"5"
    with pytest.raises(NotFound):
        await directory.get("acme")


async def test_a_customer_that_changes_its_tenant_leaves_the_old_one(
    stripe: StripeSide, directory: Directory
) -> None:
    """New metadata: one tenant is removed, the other appears."""
    customer = stripe.subscribed("old")
    await directory.refresh()
    path = f"/v1/customers/{customer}"
    stripe.local.call("POST", path, {"metadata": {"tenant": "new"}})

    change = await directory.refresh()

    assert list(named(change.tenants)) == ["new"]
    assert change.removed == (TenantId("old"),)


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        (("canceled", "trialing", "past_due"), 1),
        (("past_due", "active", "trialing"), 1),
        (("incomplete_expired", "canceled", "unpaid"), 2),
        (("active", "active", "canceled"), 1),
    ],
)
async def test_the_best_subscription_speaks_for_its_tenant(
    stripe: StripeSide, directory: Directory, statuses: tuple[str, ...], best: int
) -> None:
    """Active before trialing before past due; the newest of equals."""
    customer = stripe.customer("acme")
    created = datetime.now(UTC) - timedelta(hours=9)
    subscriptions: list[str] = []
    for number, status in enumerate(statuses):
        subscriptions.append(stripe.seller.subscription(customer, stripe.pro))
        stripe.local.set_subscription(
            subscriptions[-1], status=status, created=created + timedelta(hours=number)
        )

    (tenant,) = (await directory.refresh()).tenants

    assert tenant.subscription == subscriptions[best]
    assert tenant.status == statuses[best]


async def test_two_customers_of_one_tenant_are_told_and_the_better_is_kept(
    stripe: StripeSide, directory: Directory, valkey_client: Redis, context: Context
) -> None:
    """Everybody sees the same one; when it goes, the other speaks, even after a
    restart."""
    bare = stripe.customer("acme", "Bare")
    paying = stripe.subscribed("acme")

    change = await directory.refresh()

    assert [tenant.customer for tenant in change.tenants] == [paying]
    (shared,) = change.shared
    assert (shared.tenant, shared.kept, shared.others) == ("acme", paying, (bare,))

    restarted = Directory(valkey_client, context, directory._reader._gateway)  # type: ignore[union-attr]
    stripe.delete(paying)
    (tenant,) = (await restarted.refresh()).tenants
    assert (tenant.customer, tenant.name) == (bare, "Bare")


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


async def test_more_than_500_changes_mean_reading_everything(
    stripe: StripeSide, directory: Directory
) -> None:
    """A list of a hundred is cheaper than a hundred single readings."""
    stripe.subscribed("acme")
    await directory.refresh()
    for number in range(501):
        stripe.customer(f"t{number}")
    stripe.requests.clear()

    change = await directory.refresh()

    assert len(change.tenants) == 501
    assert set(stripe.requests) == {"GET /v1/events", *LISTS}
    assert len(stripe.requests) < 20


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
    unchanged = await onlooker.refresh()
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
    away = open_redis(replace(context.redis, url="redis://127.0.0.1:1"))
    directory = Directory(away, context, gateway)
    stripe.subscribed("acme")

    change = await directory.refresh()

    assert list(named(change.tenants)) == ["acme"]
    directory._entries._redis = valkey_client
    assert (await directory.refresh()).tenants == ()
    assert await valkey_client.exists(LAYOUT.tenant("acme"))
    await away.aclose()


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


async def test_an_event_that_appears_late_is_not_missed(context: Context) -> None:
    """The cursor waits behind the newest events until the list has settled."""
    about = {"object": "customer", "id": "cus_2"}
    newest = {"id": "evt_2", "type": "customer.updated", "data": {"object": about}}
    late = {**newest, "id": "evt_1", "data": {"object": {**about, "id": "cus_1"}}}
    replies = (
        page(newest),
        answer({"id": "cus_2", "name": "Two"}),
        page(),
        page(newest, late),
        answer({"id": "cus_1", "name": "One"}),
        page(),
    )
    async with FaultServer(*replies) as server:
        options = StripeOptions(Secret("sk_test_1"), api_base=server.base_url)
        gateway = StripeGateway(options, Mode.TEST)
        reader = DirectoryReader(gateway, context)
        reader.resume((), ReadState("evt_0", datetime.now(UTC)))

        first = await reader.refresh()
        second = await reader.refresh()

        assert (first, second) == ({"cus_2"}, {"cus_1"})
        assert server.asked[3].form["ending_before"] == "evt_0"
        await gateway.close()


async def test_a_settled_event_is_not_asked_for_again(context: Context) -> None:
    """Once settled, the cursor moves on to the newest event."""
    about = {"object": "subscription", "id": "sub_1", "customer": "cus_1"}
    event = {"id": "evt_1", "type": "x", "data": {"object": about}}
    replies = (page(event), answer({"id": "cus_1", "name": "One"}), page())
    async with FaultServer(*replies) as server:
        options = StripeOptions(Secret("sk_test_1"), api_base=server.base_url)
        gateway = StripeGateway(options, Mode.TEST)
        reader = DirectoryReader(gateway, context, settle_s=0)
        reader.resume((), ReadState("evt_0", datetime.now(UTC)))

        await reader.refresh()
        await reader.refresh()

        assert server.asked[3].form["ending_before"] == "evt_1"
        await gateway.close()


def test_free_is_the_default_here(context: Context) -> None:
    """A tenant without limits of its own gets those of the default plan."""
    limit = context.limit_of(Tenant(TenantId("x"), "x"), CALLS)

    assert context.default_plan == FREE
    assert limit.units == 1000
