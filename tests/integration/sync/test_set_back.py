"""A Redis that comes back with older data: Stripe is asked before it bills again."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.contexts import CALLS
from tests.support.delivering import Bench
from tests.support.set_back import LONG_AGO, NOT_LATE, copy_of, put_back, work

from meterdeck.core.model.changes import Actor
from meterdeck.core.model.events import EventOutcome, MeterEvent
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.reconcile.desk import Comparison
from meterdeck.core.services.reconcile.kept_pass import KeptPass
from meterdeck.core.services.reconcile.lives import Lives
from meterdeck.core.services.reconcile.repair_plan import Choices, Foreign, plan_of
from meterdeck.core.services.reconcile.subjects import Compared
from meterdeck.core.services.sync.worker import Worker

_MOVES = 9
"""More than a comparison has patience with."""
_PLACES = 12
"""Events on their way, of a worker that makes one request at a time."""


async def test_an_event_of_a_servers_first_second_is_none_of_before(
    bench: Bench,
) -> None:
    """Else the last one before would not be long ago, and the data no older."""
    info = await bench.redis.info("server")
    began = info["server_time_usec"] // 1_000_000 - info["uptime_in_seconds"]
    log = bench.context.redis.layout.events()
    ages_ago = began - int(LONG_AGO.total_seconds())
    for at in (ages_ago * 1_000, began * 1_000 + 1):
        await bench.redis.xadd(log, {"source": "worker"}, id=f"{at}-0")

    life = await Lives(bench.redis, bench.context).look()

    assert life.may_be_older
    assert life.ends is not None
    assert life.ends.timestamp() == ages_ago


async def foreign(bench: Bench, customer: str, units: int) -> None:
    """Send usage to Stripe beside meterdeck."""
    name = bench.context.resource(CALLS).meter
    event = MeterEvent(
        event_name=name,
        customer=customer,
        value=str(units),
        identifier=f"foreign-{units}",
        timestamp=await bench.now(),
    )
    answer = await bench.gateway.send_meter_event(event)
    assert answer.outcome is EventOutcome.ACCEPTED


async def test_a_copy_that_was_put_back_bills_nothing_twice(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Units that were unsent when it was taken were sent since: their counter is held.

    By a worker that has just begun, and to which nothing in Redis says so. Counters of
    which Stripe has what the copy knows are billed at once, also where somebody else's
    usage was there before.
    """
    customers = {x: bench.stripe.subscribed(x) for x in ("acme", "beta", "odd")}
    for tenant in customers:
        await bench.use(tenant, 100)
    await work(bench)
    await foreign(bench, customers["odd"], 9)
    async with Worker(bench.context, summary_lag=NOT_LATE) as worker:
        await worker.prepare()
        await worker.duties.reconcile(everything=True)
    await bench.use("acme", 30)
    copy = await copy_of(bench)
    await work(bench)  # sends the 30
    await put_back(bench, copy)
    await bench.use("beta", 2)
    await bench.use("odd", 3)

    caplog.clear()
    worker = await work(bench)

    billed = {x: await bench.billed(customer) for x, customer in customers.items()}
    assert billed == {"acme": 130, "beta": 102, "odd": 112}
    assert worker.counters.tally.left["held"] == 1
    said = [each.message for each in caplog.records]
    assert said == ["redis_may_be_older", "counter_held"]
    reason = vars(caplog.records[1])["facts"]["reason"]
    assert "30 units more than this Redis knows to have sent" in reason


async def test_everything_is_compared_once_in_each_life_of_the_server(
    bench: Bench,
) -> None:
    """By the next pass, and by whoever looks meanwhile; what was forgotten is held.

    Then `--foreign ours` mends it, and the bill is right to the unit.
    """
    customer = bench.stripe.subscribed("acme")
    await bench.use("acme", 10)
    await work(bench)
    async with Worker(bench.context, summary_lag=NOT_LATE) as worker:
        await worker.prepare()
        await worker.duties.reconcile()
        assert (await Lives(bench.redis, bench.context).look()).is_compared
    copy = await copy_of(bench)
    await bench.use("acme", 4)
    await work(bench)
    await put_back(bench, copy)

    last = Worker(bench.context, summary_lag=NOT_LATE)
    async with Engine(bench.context) as engine, last as worker:
        comparison = Comparison()
        await engine.drift().compare(comparison)
        await worker.prepare()
        await worker.duties.reconcile()
        kept = await KeptPass(bench.redis, bench.context.redis.layout).read()
        (row,) = comparison.wrong.rows
        again = await engine.drift().compared([row.counter])
        found = [each for each in again if isinstance(each, Compared)]
        steps = plan_of(found, Choices(Foreign.OURS))
        mended = await engine.drift().repair(steps, Actor("ada", "local"), "restored")

    assert comparison.everything
    assert kept is not None
    assert kept.everything
    assert [each.finding.facts.held[:13] for each in found] == ["Stripe has 4 "]
    assert [each.problem for each in mended] == [""] * len(mended)
    assert (await Lives(bench.redis, bench.context).look()).is_compared
    await bench.use("acme", 5)
    assert (await work(bench)).counters.tally.units == 5
    assert await bench.billed(customer) == 10 + 4 + 5


async def lag_until(bench: Bench, seconds: float) -> timedelta:
    """Return how late summaries are that show all in so many seconds from now."""
    life = await Lives(bench.redis, bench.context).look()
    assert life.began is not None
    return await bench.now() + timedelta(seconds=seconds) - life.began


async def test_a_copy_is_compared_once_summaries_show_what_was_sent_before_it_came_back(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """That they agree before proves nothing: its units would be billed twice."""
    customer = bench.stripe.subscribed("acme")
    await bench.use("acme", 100)
    await work(bench)
    await bench.use("acme", 30)
    copy = await copy_of(bench)
    bench.stripe.local.panel.change({"summary_lag_s": 2.0})
    await work(bench)  # sends the 30, which the summaries do not show yet
    await put_back(bench, copy)

    caplog.clear()
    worker = await work(bench, await lag_until(bench, 3))

    assert [each.message for each in caplog.records] == [
        "redis_may_be_older",
        "comparing_before_billing_waits",
        "counter_held",
    ]
    assert worker.counters.tally.left["held"] == 1
    assert await bench.billed(customer) == 130


async def test_a_pass_that_begins_before_summaries_show_all_has_not_compared_all(
    bench: Bench,
) -> None:
    """The next one compares everything again."""
    lives = Lives(bench.redis, bench.context)

    for lag, compared in ((await lag_until(bench, 3_600), False), (NOT_LATE, True)):
        async with Worker(bench.context, summary_lag=lag) as worker:
            await worker.prepare()
            await worker.duties.reconcile()
        assert (await lives.look()).is_compared is compared


def asked_for_summaries(bench: Bench) -> int:
    """Count the requests for what Stripe has of a customer."""
    return sum("event_summaries" in each for each in bench.stripe.requests)


async def sent_since_the_copy(bench: Bench) -> str:
    """Put back a copy that waits to bill 30 units that were billed; return whose."""
    customer = bench.stripe.subscribed("acme")
    await bench.use("acme", 100)
    await work(bench)
    await bench.use("acme", 30)
    copy = await copy_of(bench)
    await work(bench)  # sends the 30
    await put_back(bench, copy)
    return customer


async def test_a_counter_that_moves_is_not_billed_before_it_was_compared(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can be said of it meanwhile: it waits, however often."""
    customer = await sent_since_the_copy(bench)
    month = (await bench.month()).label
    billing = bench.context.redis.layout.billing("acme", CALLS, month).decode()
    moves = iter(range(_MOVES))

    async def moving(_method: str, path: str) -> None:
        """Have an operator change the quota while Stripe is asked what it has."""
        if "event_summaries" in path and next(moves, None) is not None:
            await bench.redis.hincrby(billing, "offset", 1)

    caplog.clear()
    bench.stripe.local.pace = moving
    worker = await work(bench)

    assert [each.message for each in caplog.records] == [
        "redis_may_be_older",
        "comparing_before_billing_waits",
        "counter_held",
    ]
    assert worker.counters.tally.left["held"] == 1
    assert await bench.billed(customer) == 130


async def test_a_worker_killed_while_stripe_is_asked_has_claimed_nothing(
    bench: Bench,
) -> None:
    """Its claim would be one that may have been sent, and the next would send it."""
    customer = await sent_since_the_copy(bench)
    asked = asyncio.Event()

    async def silent(_method: str, path: str) -> None:
        if "event_summaries" in path:
            asked.set()
            await asyncio.Event().wait()

    bench.stripe.local.pace = silent
    killed = asyncio.create_task(work(bench))
    await asyncio.wait_for(asked.wait(), timeout=20)
    killed.cancel()
    with suppress(asyncio.CancelledError):
        await killed
    bench.stripe.local.pace = None

    worker = await work(bench)

    assert worker.counters.tally.left["held"] == 1
    assert await bench.billed(customer) == 130


async def test_stripe_is_asked_only_for_counters_with_something_unsent(
    bench: Bench,
) -> None:
    """A fleet has a hundred times as many; one that is used later is asked for then."""
    customers = [bench.stripe.subscribed(f"quiet-{each}") for each in range(5)]
    for each in range(5):
        await bench.use(f"quiet-{each}", 10)
    await work(bench)
    await put_back(bench, await copy_of(bench))
    asked = asked_for_summaries(bench)
    await work(bench)
    assert asked_for_summaries(bench) == asked
    await bench.use("quiet-3", 1)
    await work(bench)

    assert asked_for_summaries(bench) == asked + 1
    assert [await bench.billed(each) for each in customers] == [10, 10, 10, 11, 10]


async def test_what_was_compared_is_billed_before_more_is_compared(
    bench: Bench,
) -> None:
    """Else a fleet's first units would wait until all of it was compared."""
    for each in range(40):
        bench.stripe.subscribed(f"busy-{each}")
        await bench.use(f"busy-{each}", 10)
    await work(bench)
    for each in range(40):
        await bench.use(f"busy-{each}", 1)
    await put_back(bench, await copy_of(bench))
    del bench.stripe.requests[:]
    context = bench.context
    slow = replace(context, delivery=replace(context.delivery, at_once=1))

    async with Worker(slow, hasty=True, summary_lag=NOT_LATE) as worker:
        await worker.run_once(lambda text: None)

    first = bench.stripe.requests.index("POST /v1/billing/meter_events")
    before = bench.stripe.requests[:first]
    assert sum("event_summaries" in each for each in before) <= _PLACES
    assert bench.sent == 40
