"""What is held before it is sent: a claim of a counter or a record that went back."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.billed import MONTHLY, wanted
from tests.support.late_stripe import ACTOR, LAG_S, World

from meterdeck.core.adapters.letter_fields import letter_of
from meterdeck.core.adapters.redis_client import server_time
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.delivery import (
    Claim,
    NoClaim,
    NotClaimed,
    Settlement,
    Verdict,
)
from meterdeck.core.model.event_life import EventState
from meterdeck.core.model.event_lines import line_of
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.reconciliation import Cause
from meterdeck.core.model.usage import CounterId, TenantId
from meterdeck.core.services.change_calls import Signature
from meterdeck.core.services.claim_guard import CounterMemory
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.reconcile.repair_plan import Choices, Foreign, plan_of
from meterdeck.core.services.reconcile.subjects import Subject


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
    subject, old = await world.billed_an_hour_ago()
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
    subject, old = await world.billed_an_hour_ago()
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


@pytest.mark.parametrize(("flush_s", "unheld"), [(2_000, False), (3_000, True)])
async def test_a_release_is_billed_back_when_the_next_event_may_go_out(
    world: World, flush_s: int, unheld: bool
) -> None:
    """It was in time, a moment after an event of an hour ago: none could go since."""
    billed = world.billed
    subject, old = await world.billed_an_hour_ago()
    await billed.use(subject, -100)

    done = await world.guarded(world.guard(old), subject, flush_s)

    assert isinstance(done, Claim) is unheld


async def test_a_release_is_billed_back_when_the_event_before_has_arrived(
    world: World,
) -> None:
    """Stripe was away for an hour, and took it a moment ago, as the log says."""
    billed = world.billed
    subject = await billed.subject("acme")
    before = await billed.bill(subject, 100)
    old = CounterMemory()
    an_hour_ago = before.claimed_at - timedelta(hours=1)
    old.note(subject.counter, 1, an_hour_ago, 100, before.event.identifier)
    await billed.use(subject, -100)

    claim = await world.guarded(world.guard(old), subject)

    assert isinstance(claim, Claim)
    assert claim.units == -100


async def compensate(world: World, subject: Subject) -> None:
    """Take what was billed back, long after."""
    letters = Letters(world.billed.redis, world.billed.context)
    await letters.compensate(subject.counter, 60, Signature(ACTOR, "wrong", "x-1"))


async def take_off_what_is_not_ours(world: World, subject: Subject) -> None:
    """Repair what Stripe has more than was ever sent."""
    billed = world.billed
    now, customer = await server_time(billed.redis), subject.tenant.customer
    await billed.send(MeterEvent(MONTHLY.meter, "somebody", customer, "60", now))
    world.clock.move(seconds=LAG_S + 1)
    found = await billed.found(everything=True)
    plan = plan_of(found, Choices(Foreign.COMPENSATE))
    done = await billed.all.repairs().apply(plan, ACTOR, "not ours")
    assert [each.problem for each in done] == [""]


async def replay(world: World, subject: Subject) -> None:
    """Send a negative event once more that Stripe had refused."""
    await world.billed.use(subject, -60)
    claim = await world.billed.claim(subject)
    await world.billed.settle(claim, Verdict.DEAD)
    letters = Letters(world.billed.redis, world.billed.context)
    (letter,) = await letters.of(subject.tenant.id)
    await letters.replay(letter, Signature(ACTOR, "mended", "x-1"))


async def resolve(world: World, subject: Subject) -> None:
    """Say of a negative event that Stripe did not count it."""
    await world.billed.use(subject, -60)
    claim = await world.billed.claim(subject)
    await world.billed.settle(claim, Verdict.AMBIGUOUS)
    letters = Letters(world.billed.redis, world.billed.context)
    (letter,) = await letters.of(subject.tenant.id)
    signature = Signature(ACTOR, "not there", "x-1")
    await letters.resolve(letter, counted=False, signature=signature)


async def rebill(world: World, subject: Subject) -> None:
    """Have Stripe not count a negative event, and send it anew."""
    await world.billed.use(subject, -60)
    claim = await world.billed.bill(subject)
    letters = Letters(world.billed.redis, world.billed.context)
    letter = letter_of(
        line_of(Settlement(claim, Verdict.DELIVERED)), EventState.ACCEPTED
    )
    signature = Signature(ACTOR, "of a wrong minute", "x-1")
    await letters.begin_cancel(letter, rebill=True, signature=signature)
    await letters.end_cancel(letter, cancelled=True, signature=signature)


@pytest.mark.parametrize(
    "sign", [compensate, take_off_what_is_not_ours, replay, resolve, rebill]
)
async def test_what_an_operator_signed_is_taken_back_unheld(
    world: World, sign: Callable[[World, Subject], Awaitable[None]]
) -> None:
    """However long ago it was billed, and whatever it is called in the trail."""
    billed = world.billed
    subject = await billed.subject("acme")
    before = await billed.bill(subject, 100)
    old = CounterMemory()
    # Above all numbers of the log, where what was billed is not an hour old.
    old.note(subject.counter, 9, before.claimed_at - timedelta(hours=1), 100)
    await sign(world, subject)
    await billed.redis.hset(billed.record_key(subject), "seq", 9)
    (record,) = await billed.records.read([subject.counter])
    assert record.waiting == -60
    world.clock.move(seconds=LAG_S + 1)
    assert (await billed.causes())["acme"][Cause.WAITING] == -60

    claim = await world.guarded(world.guard(old), subject)

    assert isinstance(claim, Claim)
    assert claim.units == -60


async def test_what_was_put_on_the_bill_meanwhile_is_no_reason_for_less(
    world: World,
) -> None:
    """Taken off and added again comes to nothing: a lower counter is still found."""
    billed = world.billed
    subject, old = await world.billed_an_hour_ago()
    for kind in (AdjustKind.SUBTRACT, AdjustKind.ADD):
        wish = Adjustment(
            subject.tenant.id,
            MONTHLY.name,
            kind,
            60,
            None,
            Bill.QUOTA_AND_BILL,
            "wrong",
        )
        await billed.all.changes.adjust(wish, actor=ACTOR, operation_id=kind.value)
    await billed.use(subject, -50)

    reason = await world.guarded(world.guard(old), subject)

    assert "of which nobody took back 50" in str(reason)


def test_memory_forgets_who_was_not_seen_for_longest() -> None:
    """It is bounded: the third counter takes the place of the first."""
    memory = CounterMemory(2)
    a, b, c = (CounterId(TenantId(x), MONTHLY.name, "2026-11") for x in "abc")
    for counter in (a, b, c):
        memory.note(counter, 5, datetime(2026, 11, 20, tzinfo=UTC), 1)

    assert memory.seen(a) is None
    assert memory.seen(c) is not None
