"""Events that wait in an older copy: Stripe may have forgotten that they were sent."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.support.contexts import CALLS
from tests.support.delivering import Bench, until
from tests.support.set_back import (
    NOT_LATE,
    Copy,
    by_events,
    copy_of,
    put_back,
    queued_ago,
    work,
)

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.reconcile.lives import Lives
from meterdeck.core.services.reconcile.once import reconcile_once
from meterdeck.core.services.reconcile.reconciler import Scope
from meterdeck.core.services.reconcile.reconciliation import Reconciliation
from meterdeck.core.services.sync.worker import Worker
from meterdeck.core.services.usage import UsageService


async def test_an_event_of_a_copy_that_stripe_may_have_forgotten_is_not_sent_again(
    bench: Bench,
) -> None:
    """It is ambiguous until a pass has seen in Stripe's summaries what became of it.

    Stripe knows an identifier for a day: what waited in an older copy's queue would be
    billed twice. One of a younger copy is sent, and counted once.
    """
    bench = replace(bench, context=by_events(bench.context))
    names = ("sent", "waits", "young")
    customers = [bench.stripe.subscribed(each) for each in names]
    usage = UsageService(bench.redis, bench.context)
    for tenant, customer in zip(names, customers, strict=True):
        key = bench.context.redis.layout.tenant(tenant)
        await bench.redis.hset(key, "customer", customer)
        await usage.track(tenant, CALLS, 1)
    await work(bench)
    for tenant in ("sent", "young"):
        await usage.track(tenant, CALLS, 7)
    copy = await copy_of(bench)
    await work(bench)
    await put_back(bench, copy)
    await usage.track("waits", CALLS, 7)
    await queued_ago(bench, {"sent": 30, "waits": 29, "young": 6})
    del bench.stripe.requests[:]

    worker = await work(bench)

    assert (worker.queued.tally.ambiguous, bench.sent) == (2, 1)
    (letter,) = await Letters(bench.redis, bench.context).of(TenantId("waits"))
    assert "it may have been sent before" in letter.reason
    assert [await bench.billed(each) for each in customers] == [8, 1, 8]
    tenants = [
        Tenant(TenantId(name), name, customer=customer)
        for name, customer in zip(names, customers, strict=True)
    ]
    assert await settled_after(bench, timedelta(0), tenants) == 1  # Stripe has it
    assert await settled_after(bench, timedelta(hours=7), tenants) == 1
    await work(bench)
    assert [await bench.billed(each) for each in customers] == [8, 8, 8]


async def settled_after(bench: Bench, time: timedelta, tenants: list[Tenant]) -> int:
    """Let a worker's pass come so much later; return how many letters it settles."""
    context = bench.context
    assert context.stripe is not None

    async def later() -> datetime:
        return await bench.now() + time

    gateway = StripeGateway(context.stripe, context.mode)
    passing = Reconciliation(bench.redis, context, gateway, now=later)
    found = await reconcile_once(passing, Scope(tenants, context.resources))
    await gateway.close()
    return found.settled


async def compare_everything(bench: Bench) -> None:
    """Let a worker compare what the copy has with Stripe, and send nothing."""
    async with Worker(bench.context, summary_lag=NOT_LATE) as worker:
        await worker.prepare()
        await worker.duties.reconcile(everything=True)
    assert (await Lives(bench.redis, bench.context).look()).is_compared


async def tracked_since_the_copy(bench: Bench) -> Copy:
    """Return a copy in whose queue an event waits that was sent since."""
    customer = bench.stripe.subscribed("acme")
    key = bench.context.redis.layout.tenant("acme")
    await bench.redis.hset(key, "customer", customer)
    usage = UsageService(bench.redis, bench.context)
    await usage.track("acme", CALLS, 1)
    await work(bench)
    await usage.track("acme", CALLS, 7)
    copy = await copy_of(bench)
    await work(bench)  # sends the 7
    return copy


async def test_a_worker_that_goes_on_looks_again_before_it_sends_what_is_a_day_old(
    bench: Bench,
) -> None:
    """Redis may have begun anew, with older data, since it looked last."""
    bench = replace(bench, context=by_events(bench.context))
    copy = await tracked_since_the_copy(bench)
    async with Worker(bench.context, hasty=True, summary_lag=NOT_LATE) as worker:
        await worker.prepare()
        await put_back(bench, copy)
        await queued_ago(bench, {"acme": 30})
        del bench.stripe.requests[:]
        await worker.deliver_all(lambda text: None)

    assert (worker.queued.tally.ambiguous, bench.sent) == (1, 0)


async def test_that_counters_were_compared_says_nothing_of_an_older_copys_queue(
    bench: Bench,
) -> None:
    """Nor does the log, which by then may have forgotten what was before."""
    bench = replace(bench, context=by_events(bench.context))
    copy = await tracked_since_the_copy(bench)
    await put_back(bench, copy)
    await queued_ago(bench, {"acme": 30})
    await compare_everything(bench)
    await bench.redis.delete(bench.context.redis.layout.events())
    del bench.stripe.requests[:]

    worker = await work(bench)

    assert (worker.queued.tally.ambiguous, bench.sent) == (1, 0)


async def test_a_worker_has_noted_what_the_log_forgets(bench: Bench) -> None:
    """Its newest lines are of the life that began with older data; it stays older."""
    bench.stripe.subscribed("acme")
    await bench.use("acme", 1)
    await work(bench)
    await put_back(bench, await copy_of(bench))
    await work(bench)
    await bench.redis.delete(bench.context.redis.layout.events())

    life = await Lives(bench.redis, bench.context).look()

    assert life.ends is None
    assert life.may_be_older


async def in_flight_ago(bench: Bench, tenant: str, hours: int) -> None:
    """Let a tenant's event in flight be of so many hours ago, and nobody's now.

    By what it says Stripe was too busy for it.
    """
    layout = bench.context.redis.layout
    key = layout.billing(tenant, CALLS, (await bench.month()).label).decode()
    for name in ("claimed_at", "sent_at"):
        await bench.redis.hincrby(key, name, -hours * 3_600_000)
    await bench.redis.hincrby(key, "timestamp", -hours * 3_600)
    nobodys = {"worker": "", "maybe_sent": "0", "leased_until": "1"}
    await bench.redis.hset(key, mapping=nobodys)  # type: ignore[arg-type]
    await bench.redis.zadd(layout.unsettled().decode(), {key: 1})


@pytest.mark.parametrize("compared", [False, True])
async def test_an_event_that_was_in_flight_in_a_copy_is_not_sent_after_its_day(
    bench: Bench, *, compared: bool
) -> None:
    """Though the copy says that Stripe was busy and surely did not have it.

    The lost Redis delivered it since. Of a younger copy it is sent, and counted once.
    """
    customers = {x: bench.stripe.subscribed(x) for x in ("acme", "young")}
    for tenant in customers:
        await bench.use(tenant, 30)
    panel = bench.stripe.local.panel
    panel.change({"429": 1.0, "paths": "meter_events"})
    async with Worker(bench.context, hasty=True, summary_lag=NOT_LATE) as worker:
        run = asyncio.create_task(worker.run_once(lambda text: None))
        await until(lambda: worker.counters.tally.later >= 2, "both are put off")
        copy = await copy_of(bench)
        panel.change({"429": 0.0})
        await run  # sends both
    await put_back(bench, copy)
    await in_flight_ago(bench, "acme", 30)
    await in_flight_ago(bench, "young", 6)
    if compared:
        await compare_everything(bench)
    del bench.stripe.requests[:]

    worker = await work(bench)

    assert (worker.counters.tally.ambiguous, bench.sent) == (1, 1)
    (letter,) = await Letters(bench.redis, bench.context).of(TenantId("acme"))
    assert "it may have been sent before" in letter.reason
    assert [await bench.billed(each) for each in customers.values()] == [30, 30]
