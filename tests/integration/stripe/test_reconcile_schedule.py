"""What the worker does by itself: confirm, settle what is proven, alarm, hold."""

import logging
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from tests.support.billed import MONTHLY, Billed
from tests.support.late_stripe import ACTOR, LAG_S, World

from meterdeck.core.adapters.letter_fields import letter_of
from meterdeck.core.model.delivery import Answer, Attempt, Verdict
from meterdeck.core.model.event_life import EventState
from meterdeck.core.model.queued import QueuedResult
from meterdeck.core.model.reconciliation import Cause
from meterdeck.core.model.usage import BilledBy, ResourceName
from meterdeck.core.services.cancelling import Cancelling
from meterdeck.core.services.change_calls import Signature
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.reconcile.once import reconcile_once
from meterdeck.core.services.reconcile.reconciler import Scope, Unasked, Unchanged
from meterdeck.core.services.reconcile.repair_plan import (
    Choices,
    Foreign,
    Step,
    StepKind,
    plan_of,
    steps_of,
)
from meterdeck.core.services.reconcile.subjects import Subject
from meterdeck.core.services.usage import UsageService
from meterdeck.tui.cause_words import step_words


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


@dataclass
class Tracked:
    """Acme's renders, each use of which is billed by an event of its own."""

    billed: Billed
    subject: Subject

    @classmethod
    async def of(cls, billed: Billed) -> "Tracked":
        """Make the meter, the resource and the customer."""
        renders = replace(
            MONTHLY,
            name=ResourceName("renders"),
            meter="renders",
            billed_by=BilledBy.EVENTS,
        )
        billed.stripe.seller.meter("renders")
        context = replace(billed.context, resources=(renders,))
        billed = replace(billed, context=context)
        subject = await billed.subject("acme", renders)
        key = context.redis.layout.tenant("acme")
        await billed.redis.hset(key, "customer", subject.tenant.customer)
        return cls(billed, subject)

    @property
    def queue(self) -> EventQueue:
        """A worker's queue."""
        return EventQueue(self.billed.redis, self.billed.context, "worker")

    async def track(self, *several: int) -> None:
        """Count and queue."""
        usage = UsageService(self.billed.redis, self.billed.context)
        for units in several:
            await usage.track("acme", self.subject.resource.name, units)

    async def deliver(self) -> None:
        """Send all that is queued."""
        queue, results = self.queue, []
        for each in await queue.take(10):
            await self.billed.send(each.event)
            attempt = Attempt(Answer.ACCEPTED, each.queued_at)
            results.append(QueuedResult(each, Verdict.DELIVERED, attempt))
        await queue.settle(results)

    async def ours(self) -> list[Step]:
        """Plan a repair that takes what Stripe has more for ours."""
        found = await self.billed.found(everything=True)
        return plan_of(found, Choices(Foreign.OURS))


async def test_events_of_their_own_are_compared_with_the_queue(world: World) -> None:
    """Sent, queued, dead and foreign units of a resource that has no record."""
    tracked = await Tracked.of(world.billed)
    billed, queue = tracked.billed, tracked.queue
    await tracked.track(5, 7)
    good, dead = await queue.take(10)
    await tracked.track(4)
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
    told = {each.cause: step_words(each) for each in plan}
    assert "say --foreign ours if it was ours" in told[Cause.FOREIGN]


async def test_a_lost_counter_of_events_of_their_own_is_raised_to_what_stripe_has(
    world: World,
) -> None:
    """Where that is said to be ours, and by no more than cannot be in the queue.

    Nothing of it is sent, and nothing differs any more.
    """
    tracked = await Tracked.of(world.billed)
    billed, key = tracked.billed, tracked.billed.key(tracked.subject)
    await tracked.track(5, 7)
    await tracked.deliver()
    await billed.redis.delete(key, billed.context.redis.layout.events())
    world.clock.move(seconds=LAG_S + 1)
    await tracked.track(12)
    (waits,) = await tracked.ours()
    assert waits.kind is StepKind.NOTHING
    assert "have them sent first" in step_words(waits)

    await tracked.deliver()
    world.clock.move(seconds=LAG_S + 1)
    plan = await tracked.ours()
    (found,) = await billed.found(everything=True)
    over = replace(found.finding.facts, now=tracked.subject.period.end)
    late = replace(found.finding, facts=over)
    (left,) = steps_of(found.subject, late, Choices(Foreign.OURS))
    assert left.kind is StepKind.NOTHING
    assert "its period is over" in step_words(left)
    done = await billed.all.repairs().apply(plan, ACTOR, "Redis was lost")

    assert [(each.kind, int(each.units)) for each in plan] == [(StepKind.COUNTER, 12)]
    assert [each.problem for each in done] == [""]
    assert int(await billed.redis.get(key) or 0) == 24
    assert await tracked.queue.length() == 0
    assert await billed.causes() == {}
    assert await tracked.ours() == []


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
