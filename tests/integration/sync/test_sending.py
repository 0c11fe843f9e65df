"""What workers leave behind of themselves: for the console, and when they are gone."""

import json
from decimal import Decimal
from typing import Any

from tests.support.contexts import CALLS
from tests.support.delivering import Bench, at_work, until

from meterdeck.core.adapters.redis_client import server_time, to_milliseconds
from meterdeck.core.model.drift import Drifted, LastPass
from meterdeck.core.model.fault_presets import preset
from meterdeck.core.model.reconciliation import Cause, Share
from meterdeck.core.model.usage import CounterId, TenantId
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.reconcile.desk import Comparison
from meterdeck.core.services.reconcile.kept_pass import KeptPass
from meterdeck.core.services.reconcile.subjects import Compared
from meterdeck.core.services.sending import read_sending
from meterdeck.core.services.sync.worker import Worker
from meterdeck.core.services.usage import UsageService


async def test_a_worker_tells_its_pulse_and_what_it_left_when_it_is_gone(
    bench: Bench,
) -> None:
    """Deliveries, latency, rate and tenants; then since when nobody delivers."""
    layout = bench.context.redis.layout
    bench.stripe.subscribed("acme")
    usage = UsageService(bench.redis, bench.context)
    async with at_work(Worker(bench.context, name="one")) as worker:
        await usage.consume("acme", {CALLS: 5})
        await until(lambda: worker.counters.tally.delivered == 1, "it is delivered")
        await worker._beat()
        (told,) = (await read_sending(bench.redis, layout)).workers

    assert (told.id, told.tenants, told.per_minute) == ("one", 1, 1)
    assert (told.rate, told.most_rate, told.stopped) == (5_000, 5_000, False)
    assert told.latency_ms is not None is not told.since
    assert (told.trouble, told.problem, told.unsent) == (None, "", 0)

    await usage.consume("acme", {CALLS: 1})
    left = await read_sending(bench.redis, layout)
    assert (left.workers, left.changed) == ((), 1)
    assert left.silent_since is not None


async def test_what_is_tried_again_in_an_outage_is_unsent_all_the_time(
    bench: Bench,
) -> None:
    """Its event is on its way, waits and is claimed anew: at no look nothing waits."""
    bench.stripe.subscribed("acme")
    usage = UsageService(bench.redis, bench.context)
    looks: list[dict[str, Any]] = []
    async with at_work(Worker(bench.context)) as worker:
        bench.stripe.local.panel.set(preset("outage").faults)
        await usage.consume("acme", {CALLS: 5})
        await until(lambda: worker.facts()["unsent"] == 1, "it is noticed as late")

        def put_off_twice() -> bool:
            looks.append(worker.facts())
            return worker.counters.tally.later == 2

        await until(put_off_twice, "it was put off twice")

    assert {each["unsent"] for each in looks} == {1}
    ages = [each["oldest_unsent_s"] for each in looks]
    assert ages == sorted(ages)


async def test_numbers_that_no_worker_writes_say_nothing(bench: Bench) -> None:
    """Whoever may write to the hash ends no console by it."""
    layout, now = bench.context.redis.layout, await server_time(bench.redis)
    said = {"at": to_milliseconds(now), "since": 10**30, "trouble": {"at": 10**30}}
    said |= {"lag_s": float("inf"), "latency_ms": 10**400, "oldest_unsent_s": "5"}
    await bench.redis.hset(layout.workers().decode(), "odd", json.dumps(said))
    await bench.redis.hset(layout.syncing().decode(), "worker_at", 10**18)

    (odd,) = (await read_sending(bench.redis, layout)).workers
    await bench.redis.delete(layout.workers().decode())
    left = await read_sending(bench.redis, layout)

    assert (odd.since, odd.trouble, odd.latency_ms) == (None, None, None)
    assert (odd.lag_s, odd.oldest_s, left.silent_since) == (0.0, 0.0, None)


async def test_what_a_reconciliation_found_is_kept_for_whoever_looks(
    bench: Bench,
) -> None:
    """Each counter that differs with its numbers and its causes' units."""
    layout, month = bench.context.redis.layout, await bench.month()
    bench.stripe.subscribed("acme")
    await bench.use("acme", 5)
    kept = KeptPass(bench.redis, layout)
    assert await kept.read() is None
    async with Worker(bench.context, name="one", hasty=True) as worker:
        await worker.run_once(lambda text: None)
        await bench.use("acme", 30)
        record = layout.billing("acme", CALLS, month.label)
        await bench.redis.hincrby(record.decode(), "reported", 30)
        await worker.duties.reconcile(everything=True)

    found = await kept.read()

    assert found is not None
    (row,) = found.rows
    assert (row.used, row.reported, row.stripe) == (35, 35, Decimal(5))
    assert row.difference == sum(each.units for each in row.shares) == 30
    assert [each.cause for each in row.faults] == [Cause.UNEXPLAINED]
    assert (found.by, found.everything, found.differing) == ("one", True, 1)
    assert found.drift == {Cause.UNEXPLAINED: 25}, "the other 5 are on their way"


async def test_a_pass_that_an_earlier_version_kept_tells_the_drift_of_its_rows(
    bench: Bench,
) -> None:
    """Its workers write no sums, and may run beside this one for a while."""
    key = bench.context.redis.layout.syncing()
    counter = CounterId(TenantId("acme"), CALLS, "2026-11")
    share = Share(Cause.FOREIGN, Decimal(-7))
    row = Drifted(counter, 5, 5, Decimal(12), (share,))
    kept = KeptPass(bench.redis, bench.context.redis.layout)
    now = await bench.now()
    await kept.keep(LastPass(now, "one", 1.0, False, 3, 9, 0, 0, (row,), 2))
    raw = await bench.redis.hget(key, "last_pass")
    assert raw is not None
    form = json.loads(raw)
    del form["drift"]
    await bench.redis.hset(key, "last_pass", json.dumps(form))

    found = await kept.read()

    assert found is not None
    assert found.drift == {Cause.FOREIGN: 7}


async def test_somebody_compares_with_stripe_and_compares_a_few_anew(
    bench: Bench,
) -> None:
    """All tenants are gone through; of those asked for, what differs by now is told."""
    layout, month = bench.context.redis.layout, await bench.month()
    for tenant in ("acme", "beta"):
        bench.stripe.subscribed(tenant)
        await bench.use(tenant, 5)
        await bench.use(tenant, 7, await bench.last_month())
    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(lambda text: None)
    record = layout.billing("acme", CALLS, month.label).decode()
    await bench.redis.hincrby(record, "reported", -2)

    async with Engine(bench.context) as engine:
        comparison = Comparison(everything=True)
        await engine.drift().compare(comparison)
        wrong = [row for row in comparison.wrong.rows if not row.agreed]
        again = await engine.drift().compared([wrong[0].counter])
        await bench.redis.hincrby(record, "reported", 2)
        by_now = await engine.drift().compared([wrong[0].counter])
        closing, more = await engine.drift().closing()

    assert (comparison.tenants, comparison.done) == (2, 2)
    assert (comparison.running, comparison.problem) == (False, "")
    assert [row.counter.tenant for row in wrong] == ["acme"]
    assert [isinstance(each, Compared) for each in again] == [True]
    assert not again[0].finding.agreed  # type: ignore[union-attr]  # it is one
    assert [each.finding.agreed for each in by_now if isinstance(each, Compared)] == [
        True
    ]
    assert (closing, more) == ((), 0)
