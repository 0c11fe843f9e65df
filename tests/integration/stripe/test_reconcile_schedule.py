"""What the worker does by itself: confirm, settle what is proven, alarm, hold."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.billed import MONTHLY, Billed, wanted
from tests.support.stripe_account import Clock
from tests.support.stripe_side import running_stripe

from meterdeck.core.adapters.letter_fields import letter_of
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.delivery import (
    Answer,
    Attempt,
    BillingRecord,
    Claim,
    NoClaim,
    NotClaimed,
    Settlement,
    Verdict,
)
from meterdeck.core.model.event_life import EventState
from meterdeck.core.model.queued import QueuedResult
from meterdeck.core.model.reconciliation import Cause
from meterdeck.core.model.usage import BilledBy, CounterId, ResourceName, TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.audit_view import AuditView
from meterdeck.core.services.cancelling import Cancelling
from meterdeck.core.services.change_calls import Signature
from meterdeck.core.services.claim_guard import ClaimGuard, CounterMemory
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.reconcile.corrections import Corrections
from meterdeck.core.services.reconcile.once import reconcile_once
from meterdeck.core.services.reconcile.reconciler import Scope, Unasked, Unchanged
from meterdeck.core.services.reconcile.repair_plan import (
    Choices,
    Foreign,
    StepKind,
    plan_of,
)
from meterdeck.core.services.reconcile.subjects import Subject
from meterdeck.core.services.usage import UsageService

ACTOR = Actor("ada", "local")
LAG_S = 120.0


@dataclass
class World:
    """A fleet billed by hand, at a Stripe whose summaries come late."""

    billed: Billed
    clock: Clock

    async def record(self, name: str) -> BillingRecord:
        """Return a tenant's record."""
        subject = await self.billed.subject(name)
        (record,) = await self.billed.records.read([subject.counter])
        return record

    def scope(self) -> Scope:
        """Return all tenants and the one resource."""
        return Scope(tuple(self.billed.tenants.values()), [MONTHLY])

    def guard(self, memory: CounterMemory | None = None) -> ClaimGuard:
        """Return the guard of a worker that has just begun."""
        redis, context = self.billed.redis, self.billed.context
        log = DeliveryLog(redis, context)
        corrections = Corrections(AuditView(redis, context))
        return ClaimGuard(log, corrections, self.billed.all.holds, memory)

    async def guarded(self, guard: ClaimGuard, subject: Subject) -> Claim | str:
        """Claim, and bill it if the guard allows; else return why not."""
        claim = await self.billed.claim(subject)
        if held := await guard.check(claim, subject.period):
            assert held.withdrawn
            return held.reason
        await self.billed.send(claim.event)
        await self.billed.settle(claim)
        return claim

    async def repair(self, *, lower: bool = False) -> list[str]:
        """Carry the plan of a repair out; return its problems."""
        plan = plan_of(await self.billed.found(everything=True), Choices(lower=lower))
        done = await self.billed.all.repairs().apply(plan, ACTOR, "mended")
        return [each.problem for each in done if each.problem]


@pytest.fixture
async def world(valkey: Valkey, valkey_client: Redis) -> AsyncIterator[World]:
    """Nothing is billed yet."""
    clock = Clock(await server_time(valkey_client))
    async with running_stripe(now=clock, summary_lag_s=LAG_S) as side:
        context = side.context(valkey.url)
        context = replace(context, resources=(MONTHLY,))
        assert context.stripe is not None
        gateway = StripeGateway(context.stripe, context.mode)
        yield World(Billed(valkey_client, context, side, gateway), clock)
        await gateway.close()


async def test_events_are_confirmed_once_the_summary_shows_them(world: World) -> None:
    """Until then it is lag; then confirmed, and Stripe is not asked again."""
    world.billed.ahead = timedelta(0)
    await world.billed.bill(await world.billed.subject("acme"), 100)

    assert await world.billed.causes() == {"acme": {Cause.LAG: 100}}
    assert (await world.record("acme")).confirmed is None
    world.clock.move(seconds=LAG_S + 1)
    assert (await reconcile_once(world.billed.all, world.scope())).compared == 1

    record = await world.record("acme")
    assert (record.confirmed, record.confirmed_sequence) == (100, 1)
    again = [x async for x in world.billed.all.reconciler().results(world.scope())]
    assert [type(each) for each in again] == [Unchanged]


async def test_what_a_late_summary_does_not_show_is_not_billed_again(
    world: World,
) -> None:
    """Counted, its answer lost, a repeat refused; the next pass comes at once."""
    world.billed.ahead = timedelta(0)
    await world.billed.bill(await world.billed.subject("acme"), 100)
    world.clock.move(seconds=LAG_S + 1)
    await world.billed.use(subject := await world.billed.subject("acme"), 5)
    claim = await world.billed.claim(subject)
    await world.billed.send(claim.event)
    await world.billed.settle(claim, Verdict.AMBIGUOUS)

    assert (await reconcile_once(world.billed.all, world.scope())).settled == 0
    assert (await world.record("acme")).parked == 5
    world.clock.move(seconds=LAG_S + 1)
    assert (await reconcile_once(world.billed.all, world.scope())).settled == 1
    record = await world.record("acme")
    assert (record.reported, record.parked, record.waiting) == (105, 0, 0)


async def test_for_what_is_not_counted_something_newer_must_be_shown(
    world: World,
) -> None:
    """Where Stripe accepted nothing since, its summary may be hours late."""
    await world.billed.bill(await world.billed.subject("acme"), 100)
    await world.billed.use(subject := await world.billed.subject("acme"), 5)
    claim = await world.billed.claim(subject)
    await world.billed.settle(claim, Verdict.AMBIGUOUS)
    world.clock.move(seconds=LAG_S + 1)

    assert (await reconcile_once(world.billed.all, world.scope())).settled == 0
    await world.billed.bill(await world.billed.subject("newer"), 1)
    world.clock.move(seconds=LAG_S + 1)
    assert (await reconcile_once(world.billed.all, world.scope())).settled == 1
    assert (await world.record("acme")).waiting == 5


async def test_what_was_just_cancelled_is_nobody_elses_usage(world: World) -> None:
    """Stripe takes it off a while later; taken off by a repair it would be twice."""
    world.billed.ahead = timedelta(0)
    subject = await world.billed.subject("acme")
    await world.billed.bill(subject, 100)
    await world.billed.bill(subject, 5)
    world.clock.move(seconds=LAG_S + 1)
    log = DeliveryLog(world.billed.redis, world.billed.context)
    (line,) = [each for each in await log.latest(10) if each.units == 5]
    letters, gateway = world.billed.all.letters, world.billed.gateway
    cancelling = Cancelling(world.billed.context, gateway, letters)
    letter = letter_of(line, EventState.ACCEPTED)
    await cancelling.cancel(letter, Signature(ACTOR, "wrong", "op-1"), rebill=False)

    causes = (await world.billed.causes())["acme"]
    assert causes == {Cause.QUOTA_ONLY: 5, Cause.LAG: -5}
    assert not (await reconcile_once(world.billed.all, world.scope())).drift
    world.clock.move(seconds=LAG_S + 1)
    assert await world.billed.causes() == {"acme": {Cause.QUOTA_ONLY: 5}}


async def test_a_pass_settles_what_is_proven_and_only_alarms_of_the_rest(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """One ambiguous event was counted, one was not; what is missing is left alone."""
    for name in ("yes", "no", "missing"):
        await world.billed.bill(await world.billed.subject(name), 100)
    for name in ("yes", "no"):
        await world.billed.use(subject := await world.billed.subject(name), 5)
        claim = await world.billed.claim(subject)
        if name == "yes":
            await world.billed.send(claim.event)
        await world.billed.settle(claim, Verdict.AMBIGUOUS)
    await world.billed.use(subject := await world.billed.subject("missing"), 9)
    await world.billed.settle(await world.billed.claim(subject))
    await world.billed.bill(await world.billed.subject("newer"), 1)
    world.clock.move(seconds=LAG_S + 1)

    with caplog.at_level(logging.WARNING):
        found = await reconcile_once(world.billed.all, world.scope())

    assert found.settled == 2
    assert dict(found.drift) == {Cause.MISSING: 9}
    facts = [vars(each)["facts"] for each in caplog.records if each.message == "drift"]
    assert [(x["tenant"], x["cause"], x["units"]) for x in facts] == [
        ("missing", "missing", "9")
    ]
    yes, no, missing = [await world.record(x) for x in ("yes", "no", "missing")]
    assert (yes.reported, yes.parked, yes.waiting) == (105, 0, 0)
    assert (no.reported, no.parked, no.waiting) == (100, 0, 5)
    assert missing.reported == 109
    (entry,) = await world.billed.all.changes.audit("yes")
    assert (entry.actor, entry.action) == ("meterdeck", "event:resolve")
    assert (await reconcile_once(world.billed.all, world.scope())).settled == 0


async def test_a_read_only_pass_settles_nothing(world: World) -> None:
    """It says what it would settle."""
    await world.billed.use(subject := await world.billed.subject("acme"), 5)
    await world.billed.settle(await world.billed.claim(subject), Verdict.AMBIGUOUS)

    found = await reconcile_once(world.billed.all, world.scope(), settles=False)

    assert found.settled == 0
    (letter,) = await world.billed.all.letters.of("acme")
    assert letter.state is EventState.AMBIGUOUS


async def test_a_redis_that_went_back_bills_nothing_twice(world: World) -> None:
    """Counter, record and log are older: held before the next event, then mended."""
    billed, guard = world.billed, world.guard()
    subject = await billed.subject("acme")
    await billed.use(subject, 100)
    assert isinstance(await world.guarded(guard, subject), Claim)
    keys = await billed.redis.keys("*")
    older = {key: await billed.redis.dump(key) for key in keys}
    await billed.use(subject, 30)
    assert isinstance(await world.guarded(guard, subject), Claim)
    await billed.redis.flushall()
    for key, value in older.items():
        assert value
        await billed.redis.restore(key, 0, value)
    await billed.use(subject, 4)  # goes on counting

    reason = await world.guarded(guard, subject)

    assert "billing record went back" in str(reason)
    (answer,) = await billed.records.claim([wanted(subject)])
    assert isinstance(answer, NoClaim)
    assert answer.why is NotClaimed.HELD
    world.clock.move(seconds=LAG_S + 1)
    assert await billed.causes() == {"acme": {Cause.WAITING: 4, Cause.RESTORED: -30}}
    assert await world.repair() == []
    world.clock.move(seconds=LAG_S + 1)
    assert await billed.causes() == {}
    assert (await world.record("acme")).used == 130
    await billed.use(subject, 7)
    assert isinstance(await world.guarded(guard, subject), Claim)
    world.clock.move(seconds=LAG_S + 1)
    assert await billed.causes() == {}


@pytest.mark.parametrize("since", [1, 2])
async def test_what_an_older_record_put_in_flight_is_held_when_it_is_claimed_again(
    world: World, since: int
) -> None:
    """Its counter could not be held at once: a number that is known is another event's.

    Whether the record lacks the last event that was sent, or more of them.
    """
    billed, guard = world.billed, world.guard()
    subject = await billed.subject("acme")
    await billed.use(subject, 100)
    assert isinstance(await world.guarded(guard, subject), Claim)
    older = {
        key: value
        for key in (billed.key(subject), billed.record_key(subject))
        if (value := await billed.redis.dump(key))
    }
    for _ in range(since):
        await billed.use(subject, 30)
        assert isinstance(await world.guarded(guard, subject), Claim)
    for key, value in older.items():
        await billed.redis.restore(key, 0, value, replace=True)
    await billed.use(subject, 29)
    unchecked = await billed.claim(subject)
    later = Settlement(unchecked, Verdict.LATER, attempts=0)
    assert await billed.records.settle([later]) == [True]

    reason = await world.guarded(guard, subject)

    assert "billing record went back: it says event 2" in str(reason)
    assert (await world.record("acme")).claim is None


async def test_a_lower_counter_is_held_until_somebody_says_that_it_is_right(
    world: World,
) -> None:
    """Nobody took the units back: it may be lost. An operator may know better."""
    billed = world.billed
    subject = await billed.subject("acme")
    before = await billed.bill(subject, 100)
    old = CounterMemory()
    old.note(subject.counter, 1, before.claimed_at - timedelta(hours=1), 100)
    guard = world.guard(old)
    await billed.redis.set(billed.key(subject), 40)

    assert "counter went back" in str(await world.guarded(guard, subject))
    world.clock.move(seconds=LAG_S + 1)
    assert await billed.causes() == {"acme": {Cause.COUNTER_LOST: -60}}
    assert await world.repair(lower=True) == []

    claim = await world.guarded(guard, subject)
    assert isinstance(claim, Claim)
    assert claim.units == -60
    world.clock.move(seconds=LAG_S + 1)
    assert await billed.causes() == {}


async def test_an_event_that_could_not_be_checked_is_checked_before_it_is_sent(
    world: World,
) -> None:
    """It waited unsent, and is no fresh claim any more; nor is it one to trust."""
    billed = world.billed
    subject = await billed.subject("acme")
    before = await billed.bill(subject, 100)
    old = CounterMemory()
    old.note(subject.counter, 1, before.claimed_at - timedelta(hours=1), 100)
    await billed.redis.set(billed.key(subject), 40)
    unchecked = await billed.claim(subject)
    later = Settlement(unchecked, Verdict.LATER, attempts=0)
    assert await billed.records.settle([later]) == [True]

    reason = await world.guarded(world.guard(old), subject)

    assert "counter went back" in str(reason)
    assert (await world.record("acme")).claim is None


async def test_what_was_taken_back_is_billed_back_unheld(world: World) -> None:
    """By an operator with the bill, or by a release of what was just billed."""
    billed, guard = world.billed, world.guard()
    subject = await billed.subject("acme")
    await billed.bill(subject, 100)
    await guard.learn()
    await billed.use(subject, -30)  # released
    assert isinstance(await world.guarded(guard, subject), Claim)
    forgetful = CounterMemory()
    forgetful.note(subject.counter, 2, await server_time(billed.redis), -30)
    wish = Adjustment(
        subject.tenant.id,
        MONTHLY.name,
        AdjustKind.SUBTRACT,
        50,
        None,
        Bill.QUOTA_AND_BILL,
        "wrong",
    )
    await billed.all.changes.adjust(wish, actor=ACTOR, operation_id="take-50")

    claim = await world.guarded(world.guard(forgetful), subject)

    assert isinstance(claim, Claim)
    assert claim.units == -50


async def test_events_of_their_own_are_compared_with_the_queue(world: World) -> None:
    """Sent, queued, dead and foreign units of a resource that has no record."""
    renders = replace(
        MONTHLY,
        name=ResourceName("renders"),
        meter="renders",
        billed_by=BilledBy.EVENTS,
    )
    world.billed.stripe.seller.meter("renders")
    context = replace(world.billed.context, resources=(renders,))
    billed = replace(world.billed, context=context)
    subject = await billed.subject("acme", renders)
    usage, queue = (
        UsageService(billed.redis, context),
        EventQueue(billed.redis, context, "worker"),
    )
    key = context.redis.layout.tenant("acme")
    await billed.redis.hset(key, "customer", subject.tenant.customer)
    for units in (5, 7):
        await usage.track("acme", renders.name, units)
    good, dead = await queue.take(10)
    await usage.track("acme", renders.name, 4)
    await billed.send(good.event)
    attempt = Attempt(Answer.ACCEPTED, good.queued_at)
    await queue.settle(
        [
            QueuedResult(good, Verdict.DELIVERED, attempt),
            QueuedResult(dead, Verdict.DEAD, replace(attempt, answer=Answer.REFUSED)),
        ]
    )
    somebody = replace(good.event, identifier="somebody", value="9")
    await billed.send(somebody)
    world.clock.move(seconds=LAG_S + 1)

    assert await billed.causes() == {
        "acme": {Cause.WAITING: 4, Cause.REFUSED: 7, Cause.FOREIGN: -9}
    }
    plan = plan_of(await billed.found(everything=True), Choices(Foreign.COMPENSATE))
    assert {each.kind for each in plan} == {StepKind.NOTHING}


async def test_resources_that_share_a_meter_are_not_compared(world: World) -> None:
    """Stripe has one total for both: neither is taken for the other's drift."""
    twin = replace(MONTHLY, name=ResourceName("twin"))
    billed = replace(
        world.billed,
        context=replace(world.billed.context, resources=(MONTHLY, twin)),
    )
    for resource in (MONTHLY, twin):
        await billed.bill(await billed.subject("acme", resource), 10)

    scope = Scope(tuple(billed.tenants.values()), (MONTHLY, twin))
    found = [each async for each in billed.all.reconciler().results(scope)]

    assert [type(each) for each in found] == [Unasked, Unasked]


def test_memory_forgets_who_was_not_seen_for_longest() -> None:
    """It is bounded: the third counter takes the place of the first."""
    memory = CounterMemory(2)
    a, b, c = (CounterId(TenantId(x), MONTHLY.name, "2026-11") for x in "abc")
    for counter in (a, b, c):
        memory.note(counter, 5, datetime(2026, 11, 20, tzinfo=UTC), 1)

    assert memory.seen(a) is None
    assert memory.seen(c) is not None
