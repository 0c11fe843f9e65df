"""What the application tracked is at Stripe, once: by way of the queue and a worker."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.contexts import CALLS
from tests.support.delivering import Bench, at_work, until

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.context import Context
from meterdeck.core.model.fault_presets import preset
from meterdeck.core.model.faults import OFF
from meterdeck.core.model.usage import BilledBy
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.sync import worker as worker_module
from meterdeck.core.services.sync.worker import Worker
from meterdeck.core.services.usage import UsageService


@pytest.fixture
def context(context: Context) -> Context:
    """The same, whose calls are billed by events of their own."""
    assert context.stripe is not None
    return replace(
        context,
        stripe=replace(context.stripe, poll_s=0.2),
        resources=tuple(
            replace(each, billed_by=BilledBy.EVENTS) if each.name == CALLS else each
            for each in context.resources
        ),
        delivery=replace(context.delivery, takeover_s=0.5),
    )


async def pending(redis: Redis) -> int:
    """Return how many events are not settled."""
    return int(await redis.xlen("meterdeck:queue"))


async def test_each_use_is_an_event_and_its_counter_is_not_billed_besides(
    bench: Bench,
) -> None:
    """As many events as calls; those of a worker that died are sent by another."""
    customer = bench.stripe.subscribed("acme")
    await bench.redis.hset("meterdeck:tenant:acme", "customer", customer)
    usage = UsageService(bench.redis, bench.context)
    for units in (1, 20, 300):
        await usage.track("acme", CALLS, units, dimensions={"size": "xl"})
    assert len(await EventQueue(bench.redis, bench.context, "dead").take(4)) == 2

    async with at_work(Worker(bench.context)) as worker:
        await until(lambda: worker.queued.tally.delivered == 3, "all are there")

    assert int(await bench.billed(customer)) == 321
    assert (bench.sent, await pending(bench.redis)) == (3, 0)


async def test_an_event_waits_for_its_tenant_to_become_a_customer(
    bench: Bench,
) -> None:
    """It is given to workers again and again, and is no dead letter."""
    usage = UsageService(bench.redis, bench.context)
    await usage.track("acme", CALLS, 7)

    async with at_work(Worker(bench.context)) as worker:
        tally = worker.queued.tally
        await until(lambda: tally.left["no_customer"] > 0, "it is not sent")
        customer = bench.stripe.subscribed("acme")
        await until(lambda: tally.delivered == 1, "the directory has the customer")

    assert int(await bench.billed(customer)) == 7
    assert await bench.redis.exists("meterdeck:letters:acme") == 0


def quiet(text: str) -> None:
    """Take progress and do nothing with it."""


async def test_once_ends_when_the_queues_events_are_settled(bench: Bench) -> None:
    """Also those that Stripe was too busy for, and those that a dead worker had.

    What was queued since it began, and whose tenant is no customer, is not waited for.
    """
    customer = bench.stripe.subscribed("acme")
    await bench.redis.hset("meterdeck:tenant:acme", "customer", customer)
    usage = UsageService(bench.redis, bench.context)
    await usage.track("nobody", CALLS, 1)
    await usage.track("acme", CALLS, 20)
    await usage.track("acme", CALLS, 300)
    assert len(await EventQueue(bench.redis, bench.context, "dead").take(4)) == 2
    panel = bench.stripe.local.panel
    panel.change({"429": 1.0, "paths": "meter_events"})

    async with Worker(bench.context, hasty=True) as worker:
        run = asyncio.create_task(worker.run_once(quiet))
        await until(lambda: worker.queued.tally.later >= 2, "they are put off")
        began = await bench.now()
        panel.change({"429": 0.0})
        await run
        assert await worker.queued.unsettled(began) == 0

    assert (worker.unfinished, worker.queued.tally.left) == (0, {"no_customer": 1})
    assert int(await bench.billed(customer)) == 320


async def test_once_tells_how_many_events_of_the_queue_it_has_not_settled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Stripe is too busy for longer than it has patience."""
    monkeypatch.setattr(worker_module, "_DRAIN_S", 1.0)
    customer = bench.stripe.subscribed("acme")
    await bench.redis.hset("meterdeck:tenant:acme", "customer", customer)
    await UsageService(bench.redis, bench.context).track("acme", CALLS, 7)
    bench.stripe.local.panel.change({"429": 1.0, "paths": "meter_events"})

    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(quiet)

    assert (worker.unfinished, worker.queued.tally.delivered) == (1, 0)


async def test_the_oldest_unsent_use_may_be_an_event_of_the_queue(
    bench: Bench,
) -> None:
    """One that Stripe is away for, not one that waits for its tenant's customer."""
    customer = bench.stripe.subscribed("acme")
    await bench.redis.hset("meterdeck:tenant:acme", "customer", customer)
    usage = UsageService(bench.redis, bench.context)
    async with at_work(Worker(bench.context)) as worker:
        bench.stripe.local.panel.set(preset("outage").faults)
        await usage.track("nobody", CALLS, 7)
        between = await bench.now()
        await usage.track("acme", CALLS, 7)
        late = between + timedelta(seconds=3)
        await until(lambda: worker._own.now() > late, "both are late")
        await worker.duties.measure()
        facts = worker.facts()
        age_s = (worker._own.now() - between).total_seconds()

        bench.stripe.local.panel.set(OFF)
        await until(lambda: worker.queued.tally.delivered == 1, "it is sent")
        await worker.duties.measure()
        after = worker.facts()

    oldest_s = facts["oldest_unsent_s"]
    assert isinstance(oldest_s, float)
    assert 2 < oldest_s <= age_s
    assert (facts["unsent"], facts["queue_length"]) == (0, 2)
    assert (after["oldest_unsent_s"], after["queue_length"]) == (0, 1)
