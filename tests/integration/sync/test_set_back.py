"""A Redis that comes back with older data: Stripe is asked before it bills again."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.contexts import CALLS
from tests.support.delivering import Bench

from meterdeck.core.adapters.redis_client import to_milliseconds
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.events import EventOutcome, MeterEvent
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.reconcile.desk import Comparison
from meterdeck.core.services.reconcile.kept_pass import KeptPass
from meterdeck.core.services.reconcile.lives import Lives
from meterdeck.core.services.reconcile.repair_plan import Choices, Foreign, plan_of
from meterdeck.core.services.reconcile.subjects import Compared
from meterdeck.core.services.sync.worker import Worker

LONG_AGO = timedelta(hours=6)
_MOVES = 9
"""More than a comparison has patience with."""
Copy = dict[bytes | str, bytes]


async def work(bench: Bench) -> Worker:
    """Send all that is unsent by a worker that has just begun; return it, ended."""
    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(lambda text: None)
    return worker


async def copy_of(bench: Bench) -> Copy:
    """Take a backup."""
    keys = await bench.redis.keys("*")
    found = {key: await bench.redis.dump(key) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


async def put_back(bench: Bench, copy: Copy) -> None:
    """Have nothing but the copy: of long ago, in a life of its own."""
    layout = bench.context.redis.layout
    await bench.redis.flushall()
    for key, value in copy.items():
        await bench.redis.restore(key, 0, value)
    lines = await bench.redis.xrange(layout.events()) or []
    await bench.redis.delete(layout.events())
    at = to_milliseconds(await bench.now() - LONG_AGO)
    for number, (_, fields) in enumerate(lines, 1):
        line: dict[Any, Any] = {**(fields or {})}
        await bench.redis.xadd(layout.events(), line, id=f"{at}-{number}")
    await bench.redis.hset(layout.syncing().decode(), "compared_in", "another life")


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
    async with Worker(bench.context) as worker:
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
    async with Worker(bench.context) as worker:
        await worker.prepare()
        await worker.duties.reconcile()
        assert (await Lives(bench.redis, bench.context).look()).is_compared
    copy = await copy_of(bench)
    await bench.use("acme", 4)
    await work(bench)
    await put_back(bench, copy)

    async with Engine(bench.context) as engine, Worker(bench.context) as worker:
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


async def test_an_event_that_could_not_be_checked_is_checked_before_it_is_sent(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """While its counter moves nothing can be said of it: it waits, however often."""
    customer = bench.stripe.subscribed("acme")
    await bench.use("acme", 100)
    await work(bench)
    await bench.use("acme", 30)
    copy = await copy_of(bench)
    await work(bench)  # sends the 30
    await put_back(bench, copy)
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
        "claim_check_waits",
        "counter_held",
    ]
    assert worker.counters.tally.left["held"] == 1
    assert await bench.billed(customer) == 130
