"""Time goes wrong or on: clocks of workers an hour off, a period's end under load."""

import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.support.contexts import CALLS
from tests.support.delivering import delivering
from tests.support.doom import Doom, Step
from tests.support.fault_run import FULL, Stage, playing, until, using
from tests.support.stripe_side import StripeSide

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.periods import PeriodKind, current_period
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.directory import Directory

HOUR_S = 3600.0
KILLS = 10 if FULL else 1
ROLLOVERS = 10 if FULL else 1
TENANTS = 20 if FULL else 8

pytestmark = pytest.mark.timeout(3600 if FULL else 120)


async def test_workers_whose_clock_is_an_hour_wrong_bill_like_others(
    stage: Stage,
    valkey: Valkey,
    valkey_client: Redis,
) -> None:
    """One is ahead, one behind, one right; events have the servers' time."""
    context = delivering(stage.stripe.context(valkey.url), flush_s=0, takeover_s=0.8)
    customers = stage.customers(TENANTS)
    doom = Doom(8, dict.fromkeys(Step, KILLS), chance=0.4, trouble=0.2)
    began = time.time()
    async with playing(
        "clocks an hour wrong",
        stage,
        context,
        doom,
        redis=valkey_client,
        customers=customers,
        workers=3,
        wrong_s=(HOUR_S, -HOUR_S, 0.0),
    ) as run:
        async with using(run):
            await run.until_doomed()
        doom.relent()
        await run.until_settled()
        stage.found(await run.check())

    moments = [each.timestamp for each in run.ledger.counted]
    assert began - 1 <= min(moments)
    assert max(moments) <= time.time()


@pytest.mark.parametrize("turn", range(ROLLOVERS))
async def test_a_period_that_ends_under_load_is_billed_within_it(
    turn: int,
    stage: Stage,
    valkey: Valkey,
    valkey_client: Redis,
) -> None:
    """What was counted before the end is dated before it, all of it, and what was
    counted after it after it; workers are killed while it ends."""
    plain = delivering(stage.stripe.context(valkey.url), flush_s=0, takeover_s=0.8)
    (calls,) = (each for each in plain.resources if each.name == CALLS)
    cyclic = replace(calls, period=PeriodKind.BILLING_CYCLE)
    context = replace(plain, resources=(cyclic,))
    now = await server_time(valkey_client)
    end = now.replace(microsecond=0) + timedelta(seconds=4)
    customers = {f"t{n}": anchored(stage.stripe, f"t{n}", end) for n in range(TENANTS)}
    assert context.stripe is not None
    gateway = StripeGateway(context.stripe, context.mode)
    directory = Directory(valkey_client, context, gateway)
    cycle = (await directory.refresh()).tenants[0].cycle
    await gateway.close()
    label = current_period(PeriodKind.BILLING_CYCLE, cycle, end).label
    before = current_period(PeriodKind.BILLING_CYCLE, cycle, end - timedelta(seconds=1))
    assert (before.end, label > before.label) == (end, True)
    doom = Doom(turn, dict.fromkeys(Step, 3), chance=0.3, trouble=0.2)
    async with playing(
        "a period ends",
        stage,
        context,
        doom,
        redis=valkey_client,
        customers=customers,
        workers=2,
    ) as run:
        run.labels = (before.label, label)

        async def over() -> bool:
            return await server_time(valkey_client) > end + timedelta(seconds=1.5)

        async with using(run):
            await until(over, lambda: "the period does not end")
        doom.relent()
        await run.until_settled()
        stage.found(await run.check())
        sent = [(each.timestamp, int(each.value)) for each in run.ledger.counted]
        early = sum(units for at, units in sent if at < end.timestamp())
        late = sum(units for at, units in sent if at >= end.timestamp())
        assert (early, late) == (await run.used(before.label), await run.used(label))
        assert min(early, late) > 0


def anchored(stripe: StripeSide, tenant: str, end: datetime) -> str:
    """Create a tenant's customer whose billing cycle ends at a moment."""
    customer = stripe.customer(tenant)
    subscription = stripe.seller.subscription(customer, stripe.pro)
    # The same moment of an earlier year; the twenty-ninth of February had one in four.
    leap = (end.month, end.day) == (2, 29)
    anchor = end.replace(year=end.year - (4 if leap else 1))
    stripe.local.set_subscription(subscription, billing_cycle_anchor=anchor)
    return customer
