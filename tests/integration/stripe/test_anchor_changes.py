"""Billing cycles that change on Stripe, and the limits of their tenants."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.support.contexts import SEATS
from tests.support.stripe_side import StripeSide

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.context import Context
from meterdeck.core.model.usage import Tenant
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

ONE: dict[str, int] = {SEATS: 1}


def days_ago(days: float) -> datetime:
    """Return a moment."""
    return datetime.now(UTC) - timedelta(days=days)


async def subscribed(stripe: StripeSide, directory: Directory, days: float) -> Tenant:
    """Subscribe acme to a cycle that is anchored so many days ago."""
    stripe.subscribed("acme")
    (tenant,) = (await directory.refresh()).tenants
    return await anchored(stripe, directory, tenant, days)


async def anchored(
    stripe: StripeSide, directory: Directory, tenant: Tenant, days: float
) -> Tenant:
    """Move the anchor of a subscription, and read what Stripe tells of it."""
    stripe.local.set_subscription(
        tenant.subscription, billing_cycle_anchor=days_ago(days)
    )
    change(stripe, tenant, metadata={"moved": str(days)})  # with an event
    (changed,) = (await directory.refresh()).tenants
    return changed


def change(stripe: StripeSide, tenant: Tenant, **what: object) -> None:
    """Update a subscription."""
    stripe.local.call("POST", f"/v1/subscriptions/{tenant.subscription}", what)


async def test_an_anchor_that_moved_back_on_stripe_keeps_usage(
    stripe: StripeSide, directory: Directory, valkey_client: Redis, context: Context
) -> None:
    """The process that reads it carries it; the others have nothing left to do."""
    usage = UsageService(valkey_client, context)
    tenant = await subscribed(stripe, directory, 5)
    for _ in range(7):
        await usage.consume("acme", ONE)

    await anchored(stripe, directory, tenant, 12)
    await Directory(valkey_client, context, None).cached()

    assert (await usage.consume("acme", ONE)).resources[0].current == 8
    (entry,) = await OperatorChanges(valkey_client, context).audit("acme")
    assert (entry.actor, entry.before, entry.after) == ("meterdeck", "0", "7")


async def test_a_cycle_that_stripe_begins_anew_begins_at_nothing(
    stripe: StripeSide, directory: Directory, valkey_client: Redis, context: Context
) -> None:
    """`billing_cycle_anchor=now`: Stripe ends the period and bills it."""
    usage = UsageService(valkey_client, context)
    tenant = await subscribed(stripe, directory, 5)
    await usage.consume("acme", ONE)

    change(stripe, tenant, billing_cycle_anchor="now", proration_behavior="none")
    await directory.refresh()

    made = (await usage.consume("acme", ONE)).resources[0]
    assert made.current == 1
    assert made.period.start > days_ago(1)


async def test_a_trial_that_ends_on_another_day_keeps_usage_of_its_month(
    stripe: StripeSide, directory: Directory, valkey_client: Redis, context: Context
) -> None:
    """The anchor moves into the future, and the month that ends there began before
    what was used."""
    usage = UsageService(valkey_client, context)
    tenant = await subscribed(stripe, directory, 5)
    await usage.consume("acme", ONE)
    ends = int((datetime.now(UTC) + timedelta(days=14)).timestamp())

    change(stripe, tenant, trial_end=ends, proration_behavior="none")
    await directory.refresh()

    assert (await usage.consume("acme", ONE)).resources[0].current == 2


async def test_processes_that_read_it_at_once_carry_it_once(
    stripe: StripeSide,
    directory: Directory,
    gateway: StripeGateway,
    valkey_client: Redis,
    context: Context,
) -> None:
    """Three consoles follow one Stripe."""
    usage = UsageService(valkey_client, context)
    tenant = await subscribed(stripe, directory, 5)
    others = [Directory(valkey_client, context, gateway) for _ in range(2)]
    for each in others:
        await each.refresh()
    await usage.consume("acme", ONE)
    stripe.local.set_subscription(
        tenant.subscription, billing_cycle_anchor=days_ago(12)
    )
    change(stripe, tenant, metadata={"moved": "12"})

    await asyncio.gather(*(each.refresh() for each in (directory, *others)))

    assert (await usage.consume("acme", ONE)).resources[0].current == 2
    assert len(await OperatorChanges(valkey_client, context).audit("acme")) == 1
