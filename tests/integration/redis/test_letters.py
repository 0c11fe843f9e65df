"""Letters: what operators decide about events, with an audit entry, once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.billing import ACTOR, Till, signed
from tests.support.contexts import CALLS
from tests.support.raw import ask, expiry_ms
from tests.support.restricted import restricted

from meterdeck.core.adapters.billing_holds import BillingHolds
from meterdeck.core.adapters.letter_calls import compensation_id
from meterdeck.core.adapters.letter_fields import letter_of
from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import (
    BadInput,
    Conflict,
    NotFound,
    ReadOnly,
    RedisRefused,
    Refused,
)
from meterdeck.core.model.audit import AuditQuery
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import EventState, Letter, NoClaim, Verdict
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.operator_changes import OperatorChanges

DAY = timedelta(days=1)


@pytest.fixture
async def till(redis: Redis, context: Context) -> Till:
    """Acme's calls of this month, with nothing counted."""
    return await Till.open(redis, context)


@pytest.fixture
def letters(redis: Redis, context: Context) -> Letters:
    """The letters of all tenants."""
    return Letters(redis, context)


async def parked(till: Till, letters: Letters, verdict: Verdict) -> Letter:
    """Have five units in a letter."""
    await till.use(5)
    await till.settle(await till.claim(), verdict)
    return (await letters.of("acme"))[0]


async def sent(till: Till, units: int = 5) -> Letter:
    """Have units delivered, and say what the event was, as the log does."""
    await till.deliver(units)
    (line,) = await DeliveryLog(till.redis, till.context).latest(1)
    letter = letter_of(line, EventState.REFUSED, reason="no such customer")
    return replace(letter, code="meter_event_customer_not_found")


async def balance(till: Till) -> tuple[int, int, int]:
    """Return what is reported, parked, and waits."""
    record = await till.read()
    return record.reported, record.parked, record.waiting


async def trail(changes: OperatorChanges) -> list[tuple[str, str, str]]:
    """Return acme's audit entries, oldest first; the chain holds."""
    assert (await changes.verify_audits()).broken == ()
    page = await changes.audit_page(AuditQuery("acme"))
    return [(each.action, each.before, each.after) for each in reversed(page.entries)]


async def test_a_dead_event_is_replayed_in_a_new_one(
    till: Till, letters: Letters, changes: OperatorChanges
) -> None:
    """Once, whoever repeats it; at once, though the counter was held."""
    letter = await parked(till, letters, Verdict.DEAD)
    done = await letters.replay(letter, signed("op-1"))
    again = await letters.replay(letter, signed("op-1"))
    with pytest.raises(NotFound, match="acme has no letter md1-"):
        await letters.replay(letter, signed("op-2"))
    claim = await till.claim()

    assert (done.units, done.parked, done.replayed) == (5, 0, False)
    assert again == replace(done, replayed=True)
    assert claim.units == 5
    assert claim.event.identifier != letter.event.identifier
    assert await letters.count() == 0
    assert await trail(changes) == [
        ("event:replay", f"dead {letter.event.identifier}", "waiting 5")
    ]


@pytest.mark.parametrize(("counted", "after"), [(True, (5, 0, 0)), (False, (0, 0, 5))])
async def test_an_ambiguous_event_is_resolved_either_way(
    till: Till, letters: Letters, *, counted: bool, after: tuple[int, int, int]
) -> None:
    """Stripe has it, and it is billed; or has not, and it goes out anew. It is never
    just replayed, and a dead one was never sent to ask about."""
    letter = await parked(till, letters, Verdict.AMBIGUOUS)
    with pytest.raises(Refused, match="is ambiguous: say first"):
        await letters.replay(letter, signed("op-0"))
    await letters.resolve(letter, counted=counted, signature=signed("op-1"))

    assert await balance(till) == after
    dead = await parked(till, letters, Verdict.DEAD) if counted else None
    if dead is not None:
        with pytest.raises(Refused, match="is dead: replay it"):
            await letters.resolve(dead, counted=True, signature=signed("op-2"))


async def test_an_event_that_was_not_counted_after_all_is_owed_once(
    till: Till, letters: Letters
) -> None:
    """However often it is reported, also after its letter was replayed."""
    letter = await sent(till)

    assert await letters.refuse_late(letter)
    assert not await letters.refuse_late(letter)
    assert await balance(till) == (0, 5, 0)
    (kept,) = await letters.of("acme")
    assert kept == replace(letter, at=kept.at)
    await letters.replay(kept, signed("op-1"))
    assert not await letters.refuse_late(letter)
    assert (await till.claim()).units == 5


async def test_a_late_refusal_of_an_event_in_flight_or_ambiguous_is_one_too(
    till: Till, letters: Letters
) -> None:
    """Settling it as delivered changes nothing then."""
    seen = await sent(till, 3)
    await till.use(5)
    claim = await till.claim()
    letter = replace(seen, event=claim.event, units=5)

    assert await letters.refuse_late(letter)
    assert not await till.settle(claim)
    assert await balance(till) == (3, 5, 0)
    await till.let_pass(DAY)
    ambiguous = replace(await parked(till, letters, Verdict.AMBIGUOUS), reason="no")
    assert await letters.refuse_late(ambiguous)
    assert await balance(till) == (3, 10, 0)
    states = [each.state for each in await letters.of("acme")]
    assert states == [EventState.REFUSED] * 2


@pytest.mark.parametrize("rebill", [True, False])
async def test_a_cancelled_event_is_billed_again_or_not_at_all(
    till: Till, letters: Letters, changes: OperatorChanges, *, rebill: bool
) -> None:
    """Once; until Stripe has answered, the letter says what is being done. The counter
    stays."""
    letter = await sent(till)
    await letters.begin_cancel(letter, rebill=rebill, signature=signed("op-1"))
    (begun,) = await letters.of("acme")
    before = await balance(till)
    for _ in range(2):
        await letters.end_cancel(begun, cancelled=True, signature=signed("op-1"))
    with pytest.raises(Refused, match="was cancelled"):
        await letters.end_cancel(begun, cancelled=True, signature=signed("op-2"))
    (ended,) = await letters.of("acme")

    assert (begun.state, begun.doing) == (EventState.ACCEPTED, "cancelling")
    assert (ended.state, ended.doing) == (EventState.CANCELLED, "")
    assert before == (5, 0, 0)
    assert await balance(till) == (0, 0, 5 if rebill else 0)
    assert (await till.read()).used == 5
    assert await trail(changes) == [
        ("event:cancel", f"accepted {letter.event.identifier}", "cancelling 5"),
        ("event:cancel", f"cancelling {letter.event.identifier}", "cancelled 5"),
    ]
    assert not await letters.refuse_late(letter)


async def test_what_stripe_did_not_cancel_stays_billed(
    till: Till, letters: Letters
) -> None:
    """And can be cancelled later."""
    letter = await sent(till)
    await letters.begin_cancel(letter, rebill=True, signature=signed("op-1"))
    with pytest.raises(Refused, match="is being cancelled"):
        await letters.begin_cancel(letter, rebill=True, signature=signed("op-2"))
    await letters.end_cancel(letter, cancelled=False, signature=signed("op-1"))

    assert await balance(till) == (5, 0, 0)
    assert await letters.of("acme") == ()
    await letters.begin_cancel(letter, rebill=True, signature=signed("op-3"))


async def test_what_cannot_be_cancelled_is_said(till: Till, letters: Letters) -> None:
    """An event in flight, one sent a day ago, and one that is not known."""
    letter = await sent(till)
    await till.use(1)
    flying = replace(letter, event=(await till.claim()).event)
    old = replace(letter, first_sent_at=letter.first_sent_at - DAY)
    unknown = replace(letter, event=replace(letter.event, identifier="md1-x-9"))
    for which, words in (
        (flying, "is in flight"),
        (old, "was sent more than 24 hours ago"),
        (unknown, "there is no billing record of event md1-x-9"),
    ):
        with pytest.raises(Refused, match=words):
            await letters.begin_cancel(which, rebill=True, signature=signed("op-1"))

    assert await letters.of("acme") == ()


async def test_what_is_compensated_goes_out_as_a_negative_event(
    till: Till, letters: Letters, changes: OperatorChanges
) -> None:
    """By itself, at the next claim; nothing is compensated that was never billed."""
    who = till.wanted.counter
    with pytest.raises(NotFound, match="nothing was billed of api_calls of acme"):
        await letters.compensate(who, 3, signed("op-0"))
    await till.deliver(5)
    done = await letters.compensate(who, 3, signed("op-1"))

    assert (done.offset, done.reported) == (-3, 5)
    assert (await till.claim()).event.value == "-3"
    assert await trail(changes) == [("event:compensate", "0", "-3")]


async def test_an_event_is_taken_off_once_whoever_comes_first(
    till: Till, letters: Letters
) -> None:
    """What is being cancelled, or was, is not compensated, and what was compensated is
    not cancelled: the scripts see it, whatever those who call them have read."""
    first, second = await sent(till, 3), await sent(till, 5)
    who, name = till.wanted.counter, second.event.identifier
    await letters.begin_cancel(first, rebill=False, signature=signed("op-1"))
    own = first.event.identifier
    for state in ("is being cancelled", "was cancelled"):
        with pytest.raises(Refused, match=state):
            await letters.compensate(who, 3, signed("op-2"), identifier=own)
        await letters.end_cancel(first, cancelled=True, signature=signed("op-1"))

    taken = signed(compensation_id(name))
    await letters.compensate(who, 5, taken, identifier=name)
    with pytest.raises(Refused, match="was compensated: its units are taken off"):
        await letters.begin_cancel(second, rebill=True, signature=signed("op-3"))
    assert (await till.claim()).units == -5


async def test_a_record_is_repaired_by_what_stripe_has(
    till: Till, letters: Letters, redis: Redis, changes: OperatorChanges
) -> None:
    """Where it is still what was seen; also where it was lost, with its expiry."""
    who, period = till.wanted.counter, till.wanted.period
    await till.use(9)
    await letters.repair(who, period, 4, expected=0, signature=signed("op-1"))
    with pytest.raises(Conflict, match="is 4 now, not 0"):
        await letters.repair(who, period, 4, expected=0, signature=signed("op-2"))

    end = period.end + 70 * DAY
    assert await expiry_ms(redis, till.key) == int(end.timestamp() * 1000)
    assert (await till.claim()).units == 5
    assert await trail(changes) == [("billing:repair", "0", "4")]


async def test_adjustments_are_billed_or_not_as_they_say(
    till: Till, changes: OperatorChanges
) -> None:
    """The record and the counter agree with what an operator decided."""
    await till.deliver(10)
    for number, (bill, units) in enumerate(
        [(Bill.QUOTA_ONLY, 4), (Bill.QUOTA_AND_BILL, 3)]
    ):
        wish = Adjustment(
            TenantId("acme"), CALLS, AdjustKind.SUBTRACT, units, None, bill, "r"
        )
        await changes.adjust(wish, actor=ACTOR, operation_id=f"op-{number}")

    assert (await till.read()).used == 3
    assert (await till.claim()).units == -3


async def test_letters_of_all_tenants_are_listed(
    redis: Redis, context: Context, letters: Letters
) -> None:
    """Those of the tenant with the newest first, not more than asked for; what is none
    of ours is passed over, and the scripts leave it alone."""
    for tenant in ("a", "b"):
        till = await Till.open(redis, context, tenant)
        await till.use(1)
        await till.settle(await till.claim(), Verdict.DEAD)
        await till.use(1)
        await till.let_pass(DAY)
        await till.settle(await till.claim(), Verdict.AMBIGUOUS)
        await ask(redis, "HSET", till.layout.letters(tenant), "odd", "x")

    found = [each async for each in letters.all(3)]
    assert [each.tenant for each in found] == ["b", "b", "a"]
    assert len([each async for each in letters.all(99)]) == 4
    assert await letters.get("a", found[2].event.identifier) == found[2]
    odd = replace(found[0], event=replace(found[0].event, identifier="odd"))
    with pytest.raises(Refused, match="not letters"):
        await letters.replay(odd, signed("op-1"))
    with pytest.raises(NotFound):
        await letters.get("a", "odd")


async def test_without_a_right_nothing_is_decided(
    till: Till, letters: Letters, redis: Redis, context: Context
) -> None:
    """Neither audit entry, nor record, nor letter."""
    letter = await parked(till, letters, Verdict.DEAD)
    before = await till.fields()
    for right in ("-hdel", "-xadd", "-set"):
        async with restricted(redis, context.redis, right) as client:
            with pytest.raises(RedisRefused, match="no right"):
                await Letters(client, context).replay(letter, signed("op-1"))

    assert await till.fields() == before
    assert await redis.exists(till.layout.audit("acme")) == 0
    assert await letters.of("acme") == (letter,)


async def test_what_is_wrong_with_a_change_is_said(
    till: Till, letters: Letters, redis: Redis, context: Context
) -> None:
    """Before anything is asked of Redis."""
    letter = await parked(till, letters, Verdict.DEAD)
    reading = Letters(redis, replace(context, read_only=True))

    with pytest.raises(BadInput, match="say why"):
        await letters.replay(letter, signed("op-1", reason=" "))
    with pytest.raises(BadInput, match="no operation id"):
        await letters.replay(letter, signed("op 1"))
    with pytest.raises(ReadOnly):
        await reading.replay(letter, signed("op-1"))
    with pytest.raises(ReadOnly):
        await reading.refuse_late(letter)
    await letters.replay(letter, signed("op-1"))
    with pytest.raises(Refused, match="this operation id was used"):
        await letters.compensate(till.wanted.counter, 1, signed("op-1"))


@pytest.mark.parametrize("verdict", [Verdict.DEAD, Verdict.AMBIGUOUS])
async def test_what_was_delivered_after_it_went_out_again_is_taken_back(
    till: Till, letters: Letters, verdict: Verdict
) -> None:
    """Two workers sent it, one was refused and one is slow to say that it was not: the
    next event makes up for it, once."""
    await till.use(5)
    claim = await till.claim()
    await till.settle(claim, verdict)
    (letter,) = await letters.of("acme")
    if verdict is Verdict.DEAD:
        await letters.replay(letter, signed("op-1"))
    else:
        await letters.resolve(letter, counted=False, signature=signed("op-1"))
    await till.settle(await till.claim())

    assert await till.settle(claim)
    assert not await till.settle(claim)
    assert (await till.claim()).units == -5


async def test_a_counter_that_is_held_stays_so_whatever_becomes_of_its_events(
    till: Till, letters: Letters
) -> None:
    """A letter that is replayed, or an event that is refused, ends no hold."""
    holds = BillingHolds(till.redis, till.context)
    await till.use(5)
    claim = await till.claim()
    await holds.hold(claim.counter, till.wanted.period, "went back")
    await till.settle(claim, Verdict.DEAD)
    await letters.replay((await letters.of("acme"))[0], signed("op-1"))

    held = await till.ask_for()
    assert isinstance(held, NoClaim)
    assert held.again_at is not None
    assert held.again_at > claim.claimed_at + 300 * DAY


async def test_an_event_that_may_be_on_its_way_is_not_taken_out_of_flight(
    till: Till,
) -> None:
    """Only one that nobody but its first worker had, and that is not sent."""
    holds = BillingHolds(till.redis, till.context)
    await till.use(5)
    first = await till.claim()
    await till.let_pass(DAY / 2)
    taken = await till.claim(till.worker("second"))

    name = taken.event.identifier
    assert not await holds.hold(
        first.counter, till.wanted.period, "went back", withdrawn=name
    )
    assert await till.settle(first)
