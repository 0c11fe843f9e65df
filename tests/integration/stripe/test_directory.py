"""The directory follows Stripe: everything once, then what changed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.contexts import CALLS
from tests.support.selling import declared, meter, price, product
from tests.support.stripe_faults import FaultServer, answer, page
from tests.support.stripe_side import PRO, StripeSide

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound
from meterdeck.core.model.catalogue_steps import Doing
from meterdeck.core.model.context import Context, Mode, Secret, StripeOptions
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import Interval
from meterdeck.core.model.usage import Tenant, TenantId, TenantStatus
from meterdeck.core.services.catalogue import CatalogueService
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.directory_reader import DirectoryReader, ReadState

LAYOUT = KeyLayout()
LISTS = {"GET /v1/customers", "GET /v1/subscriptions"}


def named(tenants: Iterable[Tenant]) -> dict[str, Tenant]:
    """Return tenants by their ids."""
    return {tenant.id: tenant for tenant in tenants}


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


async def test_who_stays_on_a_replaced_price_keeps_the_plan(
    stripe: StripeSide, directory: Directory, context: Context, gateway: StripeGateway
) -> None:
    """The lookup key that tells the plan is the new price's; the old one had it."""
    acme = stripe.subscribed("acme")
    await directory.refresh()
    dearer = declared(
        meter("api_requests"),
        product("platform", id=stripe.product, title="Platform"),
        price("pro_monthly", product="platform", meter="api_requests"),
    )
    service = CatalogueService(replace(context, catalogue=dearer), gateway)
    plan = await service.plan()
    done = [each async for each in service.apply(plan, "dearer")]
    stripe.rename(acme, "Acme Ltd")

    change = await directory.refresh()

    assert [(each.step.doing, each.error) for each in done] == [(Doing.REPLACE, None)]
    assert plan.notes == ()
    (tenant,) = change.tenants
    assert (tenant.name, tenant.plan) == ("Acme Ltd", PRO)
    assert tenant.limits == {CALLS: 100_000}


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


@pytest.mark.parametrize("before", [0, 1])
async def test_changes_are_read_to_their_last_page(
    stripe: StripeSide, directory: Directory, before: int
) -> None:
    """Events come by the hundred: 120 new and then 120 changed customers are told.

    From the first event on where the account had none, else from the last one seen.
    """
    for _ in range(before):
        stripe.customer("first")
    assert len((await directory.refresh()).tenants) == before
    stripe.requests.clear()
    customers = [stripe.customer(f"t{number}") for number in range(120)]

    arrived = await directory.refresh()
    for customer in customers:
        stripe.rename(customer, "Renamed")
    renamed = await directory.refresh()

    assert len(arrived.tenants) == 120
    assert [tenant.name for tenant in renamed.tenants] == ["Renamed"] * 120
    assert "GET /v1/customers" not in stripe.requests


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
    stripe: StripeSide,
    directory: Directory,
    valkey_client: Redis,
    context: Context,
    gateway: StripeGateway,
) -> None:
    """All see the same one; when it goes the other speaks, even after a restart."""
    bare = stripe.customer("acme", "Bare")
    paying = stripe.subscribed("acme")

    change = await directory.refresh()

    assert [tenant.customer for tenant in change.tenants] == [paying]
    (shared,) = change.shared
    assert (shared.tenant, shared.kept, shared.others) == ("acme", paying, (bare,))

    restarted = Directory(valkey_client, context, gateway)
    stripe.delete(paying)
    (tenant,) = (await restarted.refresh()).tenants
    assert (tenant.customer, tenant.name) == (bare, "Bare")


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

        assert first == frozenset({TenantId("cus_2")})
        assert second == frozenset({TenantId("cus_1")})
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
