"""The worker: what was used is at Stripe, once."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.contexts import CALLS
from tests.support.delivering import Bench, at_work, delivering, until

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import Redis, to_milliseconds
from meterdeck.core.adapters.script_loading import missing_scripts
from meterdeck.core.errors import ConfigError, ReadOnly, RedisUnreachable
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Claim, Wanted
from meterdeck.core.model.event_changes import EventChange
from meterdeck.core.model.usage import CounterId, TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.reconcile.lives import Lives
from meterdeck.core.services.sync.repeating import survived
from meterdeck.core.services.sync.worker import Worker
from meterdeck.core.services.usage import UsageService


def quiet(text: str) -> None:
    """Take progress and do nothing with it."""


async def sent_an_hour_ago(bench: Bench) -> list[str]:
    """Make all that was sent an hour older in the log; return its identifiers."""
    key, identifiers = bench.context.redis.layout.events(), []
    lines = await bench.redis.xrange(key) or []
    await bench.redis.delete(key)
    at = to_milliseconds(await bench.now()) - 3_600_000
    for number, (_, fields) in enumerate(lines, 1):
        line: dict[Any, Any] = {**(fields or {}), b"first_sent_at": at}
        identifiers.append(line[b"identifier"].decode())
        await bench.redis.xadd(key, line, id=f"{at}-{number}")
    # Else it would look like an older copy that was put back.
    lives = Lives(bench.redis, bench.context)
    await lives.compared(await lives.look())
    return identifiers


async def test_once_delivers_what_plain_incr_counted_and_then_nothing_more(
    bench: Bench,
) -> None:
    """Every unit is in the summary; a second run finds nothing unsent."""
    customers = {f"t{n}": bench.stripe.subscribed(f"t{n}") for n in range(20)}
    for number, tenant in enumerate(customers):
        await bench.use(tenant, 100 + number)

    for _ in range(2):
        async with Worker(bench.context, hasty=True) as worker:
            await worker.run_once(quiet)
            assert worker.unfinished == 0
        assert [int(await bench.billed(c)) for c in customers.values()] == list(
            range(100, 120)
        )
    assert bench.sent == 20


async def test_once_waits_for_its_own_next_try(bench: Bench) -> None:
    """An event that Stripe was too busy for is not left to another run."""
    customer = bench.stripe.subscribed("acme")
    panel = bench.stripe.local.panel
    panel.change({"429": 1.0, "paths": "meter_events"})
    for _ in range(3):
        await bench.use("acme", 7)
        async with Worker(bench.context, hasty=True) as worker:
            run = asyncio.create_task(worker.run_once(quiet))
            await until(lambda: worker.counters.tally.later == 1, "it is put off")
            panel.change({"429": 0.0})
            await run
        panel.change({"429": 1.0})
        assert (worker.counters.tally.delivered, worker.unfinished) == (1, 0)

    assert int(await bench.billed(customer)) == 21


async def test_use_is_seen_at_once_and_many_calls_go_in_one_event(
    bench: Bench,
) -> None:
    """The first event is on its way in a moment; the next waits for the interval."""
    customer = bench.stripe.subscribed("acme")
    context = delivering(bench.context, flush_s=3600)
    usage = UsageService(bench.redis, context)
    async with at_work(Worker(context)) as worker:
        await usage.consume("acme", {CALLS: 5})
        tally = worker.counters.tally
        await until(lambda: tally.delivered == 1, "the first is delivered")
        for _ in range(30):
            await usage.consume("acme", {CALLS: 1})
        await until(lambda: len(worker.counters.due) == 1, "the rest waits")

    assert (int(await bench.billed(customer)), bench.sent) == (5, 1)
    async with Worker(context, hasty=True) as worker:
        await worker.run_once(quiet)
    assert (int(await bench.billed(customer)), bench.sent) == (35, 2)


async def test_what_is_used_while_an_event_is_on_its_way_goes_in_the_next(
    bench: Bench,
) -> None:
    """Nothing is left behind by a worker that is busy with the same counter."""
    customer = bench.stripe.subscribed("acme")
    usage = UsageService(bench.redis, bench.context)
    async with at_work(Worker(bench.context)) as worker:
        for _ in range(200):
            await usage.consume("acme", {CALLS: 1})
        await until(lambda: worker.counters.tally.units == 200, "all are delivered")

    assert int(await bench.billed(customer)) == 200


async def test_the_rest_of_a_period_that_is_over_is_dated_inside_it(
    bench: Bench,
) -> None:
    """Stripe bills it with the month in which it was used."""
    customer = bench.stripe.subscribed("acme")
    await bench.use("acme", 7, await bench.last_month())
    await bench.use("acme", 3)

    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(quiet)

    assert int(await bench.billed(customer, await bench.last_month())) == 7
    assert int(await bench.billed(customer)) == 3


async def test_an_event_of_a_worker_that_died_is_sent_by_another(bench: Bench) -> None:
    """The claim is taken over when its lease is over, as the same event."""
    customer = bench.stripe.subscribed("acme")
    await bench.use("acme", 9)
    month = await bench.month()
    counter = CounterId(TenantId("acme"), CALLS, month.label)
    dead = BillingRecords(bench.redis, bench.context, "dead")
    wish = Wanted(counter, "api_requests", customer, 0, month, flush_s=0)
    (claim,) = await dead.claim([wish])
    assert isinstance(claim, Claim)

    async with at_work(Worker(bench.context)) as worker:
        await until(lambda: worker.counters.tally.delivered == 1, "it is taken over")

    assert int(await bench.billed(customer)) == 9
    (record,) = await dead.read([counter])
    assert (record.reported, record.claim, record.sequence) == (9, None, 1)


async def test_workers_share_the_tenants_and_bill_each_once(bench: Bench) -> None:
    """Three at once: every tenant is billed, and nobody sends what another sends."""
    customers = {f"t{n}": bench.stripe.subscribed(f"t{n}") for n in range(60)}
    patient = delivering(bench.context, takeover_s=20.0)
    async with (
        at_work(Worker(patient, name="one")) as one,
        at_work(Worker(patient, name="two")) as two,
        at_work(Worker(patient, name="three")) as three,
    ):
        workers = (one, two, three)
        await until(
            lambda: all(each.share.workers == 3 for each in workers), "they know of it"
        )
        usage = UsageService(bench.redis, bench.context)
        for tenant in customers:
            await usage.consume(tenant, {CALLS: 4})
        await until(
            lambda: sum(each.counters.tally.units for each in workers) == 240, "all"
        )

    assert {int(await bench.billed(each)) for each in customers.values()} == {4}
    assert bench.sent == 60
    assert all(each.counters.tally.delivered > 0 for each in workers)


async def test_units_that_were_taken_back_are_taken_back_at_stripe(
    bench: Bench,
) -> None:
    """As a negative event; where the resource allows none they wait for more use."""
    customer = bench.stripe.subscribed("acme")
    await bench.use("acme", 10)
    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(quiet)
    await bench.use("acme", -4)

    resources = tuple(
        replace(each, negative_events=False) for each in bench.context.resources
    )
    async with Worker(
        replace(bench.context, resources=resources), hasty=True
    ) as worker:
        await worker.run_once(quiet)
        assert worker.counters.tally.left == {"negative": 1}
    assert int(await bench.billed(customer)) == 10
    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(quiet)
    assert int(await bench.billed(customer)) == 6


@pytest.mark.parametrize("others", [False, True])
async def test_what_was_released_while_no_worker_was_there_is_billed_back(
    bench: Bench, others: bool
) -> None:
    """An hour after it was billed, by the next run of `--once`.

    Where another worker sent something meanwhile, it would have billed it back: the
    counter is held.
    """
    customer = bench.stripe.subscribed("acme")
    usage = UsageService(bench.redis, bench.context)
    await usage.consume("acme", {CALLS: 100}, call_id="job-1")
    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(quiet)
    await sent_an_hour_ago(bench)
    if others:
        bench.stripe.subscribed("beta")
        await bench.use("beta", 1)
        async with Worker(bench.context, hasty=True) as worker:
            await worker.run_once(quiet)
    await usage.release("acme", "job-1")

    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(quiet)

    assert int(await bench.billed(customer)) == (100 if others else 0)
    assert worker.counters.tally.left == ({"held": 1} if others else {})


async def test_an_event_that_is_compensated_late_is_taken_back_and_billing_goes_on(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator's word is enough, when no call can be released any more."""
    customer = bench.stripe.subscribed("acme")
    await bench.use("acme", 100)
    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(quiet)
    (identifier,) = await sent_an_hour_ago(bench)
    async with Engine(bench.context) as engine:
        await engine.event_changes.perform(
            EventChange.COMPENSATE,
            identifier,
            actor=Actor("ada", "local"),
            reason="billed by mistake",
            operation_id="take-it-back",
        )

    billed = []
    for units in (0, 500):
        await bench.use("acme", units)
        async with Worker(bench.context, hasty=True) as worker:
            await worker.run_once(quiet)
        billed.append(int(await bench.billed(customer)))

    assert billed == [0, 500]
    assert "counter_held" not in [each.message for each in caplog.records]


async def test_what_cannot_be_billed_waits_and_is_named(bench: Bench) -> None:
    """A tenant that is no customer yet loses nothing: it is billed when it is one."""
    await bench.use("stranger", 8)
    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(quiet)
        assert worker.counters.tally.left == {"no_customer": 1}
    customer = bench.stripe.subscribed("stranger")

    async with Worker(bench.context, hasty=True) as worker:
        await worker.run_once(quiet)
    assert int(await bench.billed(customer)) == 8


async def test_a_redis_that_forgets_is_not_delivered_from(
    bench: Bench, valkey: Valkey
) -> None:
    """Without an append-only file a restart would bill everything again."""
    async with Worker(bench.context) as worker:
        await bench.redis.config_set("appendonly", "no")
        try:
            with pytest.raises(ConfigError, match="append-only"):
                await worker.prepare()
        finally:
            await bench.redis.config_set("appendonly", "yes")
        await worker.prepare()


async def test_a_context_without_stripe_or_read_only_has_no_worker(
    context: Context,
) -> None:
    """Each is refused in a sentence, before anything is opened."""
    with pytest.raises(ConfigError, match="nothing to deliver to"):
        Worker(replace(context, stripe=None))
    with pytest.raises(ReadOnly):
        Worker(replace(context, read_only=True))


async def test_a_worker_goes_on_when_redis_is_back(
    bench: Bench, context: Context
) -> None:
    """Away in between: nothing is lost, and nobody has to start it anew."""
    customer = bench.stripe.subscribed("acme")
    async with at_work(Worker(context)) as worker:
        await bench.use("acme", 2)
        await until(lambda: worker.counters.tally.units == 2, "the first is billed")
        await bench.redis.client_kill_filter(_type="normal", skipme=True)
        await bench.use("acme", 3)
        await until(lambda: worker.counters.tally.units == 5, "the second, too")
    assert int(await bench.billed(customer)) == 5


async def test_a_meter_that_is_deactivated_makes_one_letter_and_then_none(
    bench: Bench,
) -> None:
    """The worker asks for the meters, and leaves in the counters what has none."""
    for number in range(3):
        bench.stripe.subscribed(f"t{number}")
    async with at_work(Worker(bench.context)) as worker:
        path = f"/v1/billing/meters/{bench.stripe.meter}/deactivate"
        bench.stripe.local.call("POST", path, {})
        asked = bench.stripe.requests.count
        lists = asked("GET /v1/billing/meters")
        usage = UsageService(bench.redis, bench.context)
        await usage.consume("t0", {CALLS: 1})
        tally = worker.counters.tally
        await until(lambda: tally.dead == 1, "the first is refused")
        await until(
            lambda: asked("GET /v1/billing/meters") > lists, "the meters are read"
        )
        for number in (1, 2):
            await usage.consume(f"t{number}", {CALLS: 1})
        await until(lambda: tally.left["meter_inactive"] >= 2, "both are left")
        assert tally.dead == 1


async def test_a_bug_in_a_duty_is_written_down_and_keeps_nothing_from_stripe(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Reconciling may have mistakes of its own; what a server does is told as ever."""

    async def broken() -> None:
        raise ZeroDivisionError

    async def away() -> None:
        raise RedisUnreachable("gone")

    await survived("reconciling", broken)()
    with pytest.raises(RedisUnreachable):
        await survived("reconciling", away)()

    (said,) = caplog.records
    facts = vars(said)["facts"]
    assert (said.message, facts["duty"]) == ("duty_failed", "reconciling")
    assert "ZeroDivisionError" in facts["trace"]


async def test_each_time_that_settling_waits_is_written_down(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Once when it begins and once when it is over; the next time for the same reason,
    too."""
    bench.stripe.subscribed("acme")
    usage = UsageService(bench.redis, bench.context)

    async def fill(_method: str, path: str) -> None:
        if path == "/v1/billing/meter_events":
            await bench.redis.config_set("maxmemory", "1")

    def told(event: str, times: int) -> Callable[[], bool]:
        return lambda: caplog.messages.count(event) == times

    with caplog.at_level(logging.INFO, "meterdeck.sync"):
        async with at_work(Worker(bench.context)):
            bench.stripe.local.pace = fill
            try:
                for times in (1, 2):
                    await usage.consume("acme", {CALLS: 5})
                    await until(told("settling_waits", times), "it waits")
                    await bench.redis.config_set("maxmemory", "0")
                    await until(told("settling_goes_on", times), "it goes on")
            finally:
                bench.stripe.local.pace = None
                await bench.redis.config_set("maxmemory", "0")


async def test_a_worker_loads_every_script_for_programs_that_send_digests(
    context: Context, valkey_client: Redis
) -> None:
    """After the server was started anew its scripts are gone."""
    await valkey_client.script_flush()
    async with Worker(context) as worker:
        await worker.prepare()

    assert await missing_scripts(valkey_client) == ()
