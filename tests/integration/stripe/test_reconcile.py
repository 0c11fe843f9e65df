"""Reconciling against a local Stripe: one fault of each cause, named, and repaired."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.billed import CYCLED, EXACT, MONTHLY, Billed
from tests.support.stripe_side import StripeSide

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import Refused
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Verdict
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.periods import Cycle, Interval
from meterdeck.core.model.reconciliation import Cause
from meterdeck.core.model.usage import ResourceName
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.directory_entries import DirectoryEntries
from meterdeck.core.services.fire import TestEvents
from meterdeck.core.services.reconcile.repair_plan import (
    Choices,
    Foreign,
    StepKind,
    plan_of,
)

ACTOR = Actor("ada", "local")


@pytest.fixture
def billed(
    stripe: StripeSide,
    valkey_client: Redis,
    context: Context,
    gateway: StripeGateway,
) -> Billed:
    """A fleet that is billed by hand, of three resources."""
    for resource in (CYCLED, EXACT):
        stripe.seller.meter(resource.meter)
    context = replace(context, resources=(MONTHLY, CYCLED, EXACT))
    return Billed(valkey_client, context, stripe, gateway)


async def seed(billed: Billed) -> None:
    """Let one thing go wrong for each tenant; its name says which."""
    for name in _NAMES:
        await billed.bill(await billed.subject(name), 100)
    await _seed_operators(billed)
    await _seed_letters(billed)
    await _seed_lost(billed)
    await _seed_stripe(billed)
    await _seed_periods(billed)
    # So that Stripe shows something that is newer than what is missing.
    await billed.bill(await billed.subject("fine"), 1)


_NAMES = (
    "fine",
    "waiting",
    "in_flight",
    "counted_in_flight",
    "quota_only",
    "reserved",
    "refused",
    "not_counted",
    "counted",
    "test",
    "foreign",
    "missing",
    "gone",
    "lower",
    "restored",
    "record_restored",
)


async def _seed_operators(billed: Billed) -> None:
    await billed.use(await billed.subject("waiting"), 7)
    await billed.use(subject := await billed.subject("in_flight"), 8)
    await billed.claim(subject)
    await billed.use(subject := await billed.subject("counted_in_flight"), 9)
    await billed.send((await billed.claim(subject)).event)
    await billed.all.changes.adjust(
        Adjustment(
            billed.tenant("quota_only").id,
            MONTHLY.name,
            AdjustKind.ADD,
            40,
            None,
            Bill.QUOTA_ONLY,
            "a gift",
        ),
        actor=ACTOR,
        operation_id="gift",
    )
    await billed.use(subject := await billed.subject("reserved"), 6)
    layout = billed.context.redis.layout
    ends = (await server_time(billed.redis)).timestamp() * 1000 + 3_600_000
    reserved = layout.reserved("reserved", MONTHLY.name, subject.period.label)
    await billed.redis.zadd(reserved, {"call-1:6": ends})


async def _seed_letters(billed: Billed) -> None:
    for name, verdict in (
        ("refused", Verdict.DEAD),
        ("not_counted", Verdict.AMBIGUOUS),
        ("counted", Verdict.AMBIGUOUS),
    ):
        await billed.use(subject := await billed.subject(name), 5)
        claim = await billed.claim(subject)
        if name == "counted":
            await billed.send(claim.event)
        await billed.settle(claim, verdict)


async def _seed_lost(billed: Billed) -> None:
    await billed.redis.delete(billed.key(await billed.subject("gone")))
    await billed.redis.set(billed.key(await billed.subject("lower")), 12)
    for name in ("restored", "record_restored"):
        subject = await billed.subject(name)
        keys = [billed.record_key(subject), billed.key(subject)]
        lost = keys if name == "restored" else keys[:1]
        older = {key: await billed.redis.dump(key) for key in lost}
        await billed.bill(subject, 30)
        for key, value in older.items():
            assert value
            await billed.redis.restore(key, 0, value, replace=True)


async def _seed_stripe(billed: Billed) -> None:
    log = DeliveryLog(billed.redis, billed.context)
    fire = TestEvents(billed.redis, billed.context, billed.gateway, log)
    await fire.fire(billed.tenant("test"), MONTHLY.name, 3, operation_id="test-1")
    now = (await server_time(billed.redis)).replace(microsecond=0)
    customer = billed.tenant("foreign").customer
    await billed.send(MeterEvent(MONTHLY.meter, "somebody", customer, "42", now))
    await billed.use(subject := await billed.subject("missing"), 11)
    await billed.settle(await billed.claim(subject))  # accepted, they said
    await billed.use(subject := await billed.subject("cut", EXACT), 1500)
    claim = await billed.claim(subject)
    await billed.send(replace(claim.event, value="1"))
    await billed.settle(claim)


async def _seed_periods(billed: Billed) -> None:
    now = await server_time(billed.redis)
    # Periods that begin in the middle of a minute.
    anchor = (now - timedelta(days=3)).replace(second=22, microsecond=0)
    cycle = Cycle(anchor, Interval.WEEK)
    for name in ("edge", "wrong_period"):
        billed.tenant(name, cycle=cycle)
        subject = await billed.subject(name, CYCLED)
        await billed.bill(subject, 100)
        before = subject.before
        await billed.use(before, 20)
        claim = await billed.claim(before)
        event = claim.event
        if name == "wrong_period":
            event = replace(event, timestamp=now.replace(microsecond=0))
        await billed.send(event)
        await billed.settle(claim)


SEEDED = {
    "waiting": {Cause.WAITING: 7},
    "in_flight": {Cause.IN_FLIGHT: 8},
    "quota_only": {Cause.QUOTA_ONLY: 40},
    "reserved": {Cause.RESERVED: 6},
    "refused": {Cause.REFUSED: 5},
    "not_counted": {Cause.AMBIGUOUS: 5},
    "test": {Cause.TEST: -3},
    "foreign": {Cause.FOREIGN: -42},
    "missing": {Cause.MISSING: 11},
    "cut": {Cause.ROUNDING: 500},
    "gone": {Cause.COUNTER_LOST: -100},
    "lower": {Cause.COUNTER_LOST: -88},
    "restored": {Cause.RESTORED: -30},
    "record_restored": {Cause.WAITING: 30, Cause.RESTORED: -30},
    "edge": {Cause.EDGE: -20},
    "wrong_period": {Cause.WRONG_PERIOD: -20},
    "wrong_period@before": {Cause.WRONG_PERIOD: 20},
}
LEFT = {
    "quota_only": {Cause.QUOTA_ONLY: 40},
    "reserved": {Cause.RESERVED: 6},
    "refused": {Cause.REFUSED: 5},
    "test": {Cause.TEST: -3},
    "cut": {Cause.ROUNDING: 500},
    "edge": {Cause.EDGE: -20},
    "wrong_period": {Cause.EDGE: -20},
}
"""What is as it should be, or is for somebody to decide."""


async def test_each_fault_is_named_right_and_repair_ends_it(billed: Billed) -> None:
    """One fault of each cause: none is named wrongly; once repaired all is as used."""
    await seed(billed)

    assert await billed.causes() == SEEDED

    found = await billed.found(everything=True)
    plan = plan_of(found, Choices(Foreign.COMPENSATE))
    done = await billed.all.repairs().apply(plan, ACTOR, "")
    assert [each.problem for each in done if each.problem] == []
    billed.ahead += timedelta(minutes=1)
    await billed.work()

    assert await billed.causes() == LEFT
    again = plan_of(await billed.found(everything=True), Choices(Foreign.COMPENSATE))
    assert await billed.all.repairs().apply(again, ACTOR, "") == []
    assert await billed.causes() == LEFT


async def test_a_meter_of_hourly_values_is_compared_with_no_counter(
    billed: Billed,
) -> None:
    """It counts the last event of an hour alone, so what it lacks is not missing."""
    billed.stripe.seller.meter("hourly", event_time_window="hour")
    hourly = replace(MONTHLY, name=ResourceName("hourly"), meter="hourly")
    subject = await billed.subject("acme", hourly)
    await billed.bill(subject, 100)
    await billed.bill(subject, 5)

    with pytest.raises(Refused, match="counts only the last event of each hour"):
        await billed.all.reconciler().look(subject)


async def test_a_lost_counter_is_not_raised_in_the_period_after_its_own(
    billed: Billed,
) -> None:
    """Compared before the period's end and repaired after it, the plan refuses: the
    next counter is 0 as well, and would be billed what was billed before.
    """
    now = await server_time(billed.redis)
    anchor = (now - timedelta(minutes=5)).replace(second=0, microsecond=0)
    tenant = billed.tenant("acme", cycle=Cycle(anchor, Interval.MONTH))
    directory = DirectoryEntries(billed.redis, billed.context.redis.layout, "rules")
    await directory.write([tenant])
    after = await billed.subject("acme", CYCLED)
    await billed.bill(after.before, 100)
    await billed.redis.delete(billed.key(after.before))
    billed.ahead = timedelta(minutes=-7)
    plan = plan_of(await billed.found(everything=True))
    billed.ahead = timedelta(minutes=1)

    (done,) = await billed.all.repairs().apply(plan, ACTOR, "")

    assert (done.step.kind, done.step.subject) == (StepKind.COUNTER, after.before)
    assert f"period {after.before.period.label} of " in done.problem
    assert await billed.redis.get(billed.key(after)) is None
    assert await billed.causes() == {}, "what was billed stays, and is billed once"
