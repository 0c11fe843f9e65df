"""Claiming: one event of what is unsent, the same one until it is settled."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.billing import Till, of_period
from tests.support.contexts import CALLS
from tests.support.raw import ask, expiry_ms
from tests.support.restricted import restricted

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.billing_indexes import BillingIndexes
from meterdeck.core.adapters.redis_client import Redis, server_time, to_milliseconds
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import (
    LARGEST_VALUE,
    Answer,
    Attempt,
    Claim,
    NoClaim,
    NotClaimed,
    Verdict,
)
from meterdeck.core.model.periods import ENDLESS, calendar_month
from meterdeck.core.model.usage import CounterId
from meterdeck.core.services.usage import UsageService

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def till(redis: Redis, context: Context) -> Till:
    """Acme's calls of this month, with nothing counted."""
    return await Till.open(redis, context)


def why(answer: Claim | NoClaim) -> tuple[NotClaimed, int]:
    """Say why nothing was claimed, and how much waits."""
    assert isinstance(answer, NoClaim), answer
    return answer.why, answer.units


async def test_what_is_unsent_is_claimed_once(till: Till, redis: Redis) -> None:
    """A crash after the claim, and the next claim is the same event, byte for byte;
    what is counted meanwhile goes into the next."""
    await till.use(1500)
    before = await server_time(redis)
    first = await till.claim(scale=3)
    await till.use(7)
    again = await till.claim(till.worker("first"), scale=0, customer="cus_2")
    assert await till.settle(first)
    following = await till.claim()

    assert first.event.value == "1.5"
    assert first.event.identifier.startswith("md1-")
    assert first.event.identifier.endswith("-1")
    assert before.replace(microsecond=0) <= first.event.timestamp <= first.claimed_at
    assert again.event == first.event
    assert (first.fresh, again.fresh) == (True, False)
    assert (first.maybe_sent, again.maybe_sent) == (False, True)
    assert (following.units, following.sequence) == (7, 2)


async def test_nothing_is_claimed_of_a_counter_that_is_billed_or_not_there(
    till: Till, redis: Redis
) -> None:
    """And no record is made of one that was never used."""
    assert why(await till.ask_for()) == (NotClaimed.NOTHING, 0)
    assert await redis.exists(till.key) == 0
    await till.deliver(5)

    assert why(await till.ask_for()) == (NotClaimed.NOTHING, 0)


async def test_an_event_is_one_workers_until_its_lease_is_over(till: Till) -> None:
    """Another is told when to ask again, and then gets the same event."""
    await till.use(5)
    second = till.worker("second")
    claim = await till.claim()
    answer = await till.ask_for(second)
    assert isinstance(answer, NoClaim)
    await till.let_pass(MINUTE)
    taken = await till.claim(second)

    assert answer.why is NotClaimed.LEASED
    assert answer.again_at == claim.claimed_at + timedelta(seconds=30)
    assert taken.event == claim.event
    assert taken.claimed_at == claim.claimed_at - MINUTE
    assert taken.maybe_sent
    assert why(await till.ask_for()) == (NotClaimed.LEASED, 0)


async def test_two_workers_settle_one_event_once(till: Till) -> None:
    """Both sent it, and Stripe counted it once; the record does, too."""
    await till.use(5)
    claim = await till.claim()
    await till.let_pass(MINUTE)
    second = till.worker("second")
    taken = await till.claim(second)

    assert await till.settle(taken)
    assert not await till.settle(claim)
    assert (await till.read()).reported == 5


async def test_a_counter_is_flushed_once_an_interval_and_a_closed_period_at_once(
    till: Till,
) -> None:
    """The answer says when to ask again."""
    claim = await till.deliver(5)
    await till.use(3)
    early = await till.ask_for(flush_s=60)
    assert isinstance(early, NoClaim)
    before = till.wanted.period.start
    closed = replace(till.wanted.period, start=before - DAY, end=before)

    assert (early.why, early.units) == (NotClaimed.EARLY, 3)
    assert early.again_at == claim.claimed_at + MINUTE
    assert (await till.claim(flush_s=60, period=closed)).units == 3


async def test_an_event_of_a_closed_period_happened_within_it(
    redis: Redis, context: Context
) -> None:
    """In its last second; of one that ended 35 days ago nothing is sent."""
    month = calendar_month((await server_time(redis)).replace(day=1) - DAY)
    till = Till(redis, context, of_period(month))
    await till.use(5)
    long_ago = calendar_month(month.start - 40 * DAY)
    late = Till(redis, context, of_period(long_ago))
    await late.use(7)

    assert (await till.claim()).event.timestamp == month.end - timedelta(seconds=1)
    assert why(await late.ask_for()) == (NotClaimed.TOO_OLD, 7)


async def test_what_was_taken_back_goes_out_as_a_negative_event_where_allowed(
    till: Till,
) -> None:
    """Else it waits until more is used than was taken back."""
    await till.deliver(10)
    await till.use(-4)

    assert why(await till.ask_for(negative=False)) == (NotClaimed.NEGATIVE, -4)
    await till.use(1)
    assert (await till.claim()).event.value == "-3"


async def test_more_than_one_event_can_hold_goes_out_in_several(till: Till) -> None:
    """15 digits are all that Stripe takes."""
    await till.use(LARGEST_VALUE + 7)
    first = await till.claim()
    await till.settle(first)

    assert [first.units, (await till.claim()).units] == [LARGEST_VALUE, 7]


async def test_a_counter_that_is_gone_is_not_credited(till: Till, redis: Redis) -> None:
    """A program's own EXPIRE ended it, or somebody removed it; nobody took it back."""
    await till.deliver(10)
    await redis.delete(till.counter)

    assert why(await till.ask_for()) == (NotClaimed.GONE, -10)


async def test_what_is_broken_keeps_nothing_else_from_being_claimed(
    till: Till, redis: Redis, context: Context
) -> None:
    """A counter, a record and reservations that hold something else, and a sound one:
    each is answered for itself, in the order in which it was asked for."""
    others = [Till(redis, context, replace(till.wanted)) for _ in range(3)]
    for number, each in enumerate(others):
        period = calendar_month(till.wanted.period.start - (1 + 40 * number) * DAY)
        each.wanted = of_period(period)
        await each.use(2)
    await till.use(1)
    await redis.set(others[0].counter, "many")
    await others[1].put(reported="many")
    who = others[2].wanted.counter
    await redis.set(till.layout.reserved(who.tenant, CALLS, who.period), "x")

    answers = await till.records.claim([each.wanted for each in (*others, till)])

    words = [each.message for each in answers[:3] if isinstance(each, NoClaim)]
    assert [why(each)[0] for each in answers[:3]] == [NotClaimed.BROKEN] * 3
    assert words[0].endswith(" holds 'many', not a whole number")
    assert words[2].endswith(" holds text, not reservations")
    assert isinstance(answers[3], Claim)


async def test_reserved_units_are_billed_when_they_are_confirmed(
    till: Till, redis: Redis, usage: UsageService
) -> None:
    """And not at all where their reservation is over; without an end they are."""
    for name, units in (("kept", 5), ("left", 7)):
        await usage.reserve("acme", {CALLS: units}, ttl=HOUR, call_id=name)
    await usage.consume("acme", {CALLS: 2})
    first = await till.claim()
    await till.settle(first)
    await usage.confirm("acme", "kept")
    confirmed = await till.claim()
    await till.settle(confirmed)
    who = till.wanted.counter
    await redis.zadd(
        till.layout.reserved(who.tenant, CALLS, who.period), {"left:7": "+inf"}
    )

    assert [first.units, confirmed.units, (await till.claim()).units] == [2, 5, 7]


async def test_a_gauges_level_is_sent_when_it_moved_and_in_each_new_billing_period(
    redis: Redis, context: Context
) -> None:
    """As it is; a level of 0 is not repeated, and one of 16 digits cannot be sent."""
    month = calendar_month(await server_time(redis))
    wanted = replace(of_period(ENDLESS), level=month.label)
    till = Till(redis, context, wanted)
    sent = []
    for units, label in ((70, "a"), (20, "a"), (20, "b"), (0, "b")):
        await redis.set(till.counter, units)
        claim = await till.claim(level=label)
        assert await till.settle(claim)
        assert (await till.read()).waiting == 0
        sent.append(claim.event.value)
        assert why(await till.ask_for(level=label)) == (NotClaimed.NOTHING, 0)
    assert why(await till.ask_for(level="c")) == (NotClaimed.NOTHING, 0)
    await redis.set(till.counter, 10**15)

    assert sent == ["70", "20", "20", "0"]
    assert why(await till.ask_for(level="c")) == (NotClaimed.LARGE, 10**15)
    assert await expiry_ms(redis, till.key) == -1


async def test_an_event_that_may_have_been_sent_is_not_sent_again_after_a_day(
    till: Till,
) -> None:
    """Stripe may have forgotten its identifier; one that surely was never sent is as
    good as new."""
    await till.use(5)
    busy = await till.claim()
    await till.settle(busy, Verdict.LATER)
    await till.let_pass(DAY)
    unsent = await till.claim()
    lost = Attempt(Answer.UNKNOWN, unsent.claimed_at)
    await till.settle(unsent, Verdict.LATER, attempt=lost)
    await till.let_pass(DAY)
    expired = await till.ask_for()

    assert unsent.event == busy.event
    assert not unsent.maybe_sent
    assert unsent.claimed_at > busy.claimed_at - MINUTE
    assert isinstance(expired, NoClaim)
    assert expired.why is NotClaimed.EXPIRED
    assert expired.claim is not None
    assert expired.claim.event == busy.event


async def test_a_claim_that_a_failover_took_back_is_another_event(till: Till) -> None:
    """Whatever of the event is another, its identifier is; the number is the same."""
    before = till.wanted.period.start
    closed = [
        replace(till.wanted.period, start=before - 9 * DAY, end=before - days * DAY)
        for days in (1, 2)
    ]
    cases: list[tuple[int, dict[str, Any]]] = [
        (5, {"period": closed[0]}),
        (0, {"period": closed[1]}),
        (0, {"period": closed[0], "scale": 2}),
        (0, {"period": closed[0], "customer": "cus_2"}),
        (0, {"period": closed[0], "event_name": "other"}),
        (1, {"period": closed[0]}),
    ]
    claims = []
    for units, changes in cases:
        await till.use(units)
        await ask(till.redis, "DEL", till.key)
        claims.append(await till.claim(**changes))

    assert {each.sequence for each in claims} == {1}
    assert len({each.event.identifier for each in claims}) == len(claims)


async def test_a_record_outlives_its_counter_and_moves_no_expiry(
    till: Till, redis: Redis
) -> None:
    """By 35 days; a counter without an expiry gets none from it."""
    await till.deliver(5)
    end = till.wanted.period.end + 70 * DAY

    assert await expiry_ms(redis, till.key) == to_milliseconds(end)
    assert await expiry_ms(redis, till.counter) == -1


async def test_many_counters_are_claimed_in_their_order(
    redis: Redis, context: Context
) -> None:
    """More than one call takes, one of them twice: the second is the same event."""
    months = [calendar_month(datetime(2031, 1, 1, tzinfo=UTC))] * 70
    wanted = [of_period(each, f"t{number % 69}") for number, each in enumerate(months)]
    layout, records = context.redis.layout, BillingRecords(redis, context, "w")
    for number in range(69):
        who = wanted[number].counter
        await redis.set(layout.counter(who.tenant, CALLS, who.period), number + 1)

    answers = await records.claim(wanted)

    found = [each for each in answers if isinstance(each, Claim)]
    assert [each.units for each in found] == [*range(1, 70), 1]
    assert found[69].event == found[0].event
    assert [each.counter for each in found] == [each.counter for each in wanted]


async def test_events_in_flight_are_found_when_their_lease_is_over(
    till: Till, redis: Redis, context: Context
) -> None:
    """And not those that were settled, nor counters of which nothing was claimed."""
    idle, other = [
        await Till.open(redis, context, tenant) for tenant in ("idle", "other:{x}")
    ]
    await till.deliver(5)
    await other.use(1)
    await idle.ask_for()
    await other.claim()
    now = await server_time(redis)

    assert await till.records.unsettled(now, 10) == []
    found = await till.records.unsettled(now + MINUTE, 10)
    assert found == [other.wanted.counter]


async def test_without_a_right_nothing_is_claimed(
    till: Till, redis: Redis, context: Context
) -> None:
    """Nothing at all is written, to the record or to the index."""
    await till.use(5)
    denied = ["-hset", "-pexpireat"] + ([] if till.layout.tagged else ["-zadd"])
    for right in denied:
        async with restricted(redis, context.redis, right) as client:
            with pytest.raises(RedisRefused, match="no right"):
                await BillingRecords(client, context, "w").claim([till.wanted])

    assert (
        await redis.exists(
            till.key,
        )
        == 0
    )


async def test_names_of_any_bytes_are_claimed_and_found(
    redis: Redis, context: Context
) -> None:
    """A tenant's name need not be UTF-8, and may look like a key."""
    tenant = "a:b\udcff{c}"
    till = await Till.open(redis, context, tenant)
    await till.use(5)
    claim = await till.claim()
    later = await server_time(redis) + MINUTE

    assert claim.counter == CounterId(tenant, CALLS, claim.counter.period)  # type: ignore[arg-type]
    assert await till.records.unsettled(later, 10) == [claim.counter]


async def test_a_worker_takes_nothing_out_of_the_index_that_another_put_in(
    redis: Redis, context: Context
) -> None:
    """Where no script keeps it: one of them has nothing of it, the other may have."""
    layout = context.redis.layout
    first, second = [BillingIndexes(redis, layout, epoch) for epoch in ("1", "2")]
    for each in (first, second):
        await each.claiming([b"record"], 1000)
    await first.nothing_in_flight([b"record"])
    kept = await redis.zcard(layout.unsettled())
    await second.nothing_in_flight([b"record"])

    assert (kept, await redis.zcard(layout.unsettled())) == (1, 0)
