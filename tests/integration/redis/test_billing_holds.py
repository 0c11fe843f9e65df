"""Counters that are held are not billed, until somebody lets them; turns of workers."""

from datetime import timedelta

import pytest
from tests.support.billing import Till, settled
from tests.support.raw import ask

from meterdeck.core.adapters.billing_holds import BillingHolds, Hold
from meterdeck.core.adapters.late_error_calls import LateErrorCalls
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import NoClaim, NotClaimed, Verdict


@pytest.fixture
async def till(redis: Redis, context: Context) -> Till:
    """Acme's calls, of which two events were delivered."""
    till = await Till.open(redis, context)
    await till.deliver(10)
    await till.deliver(5)
    return till


@pytest.fixture
def holds(redis: Redis, context: Context) -> BillingHolds:
    """Holds counters."""
    return BillingHolds(redis, context)


async def test_a_held_counter_is_not_billed_until_it_is_released(
    till: Till, holds: BillingHolds
) -> None:
    """Its event is out of flight, and bills nothing; released, it goes on above it."""
    wanted = till.wanted
    await till.use(7)
    claim = await till.claim()

    withdrawn = await holds.hold(
        wanted.counter,
        wanted.period,
        "it went back",
        number=9,
        withdrawn=claim.event.identifier,
    )

    assert withdrawn
    answer = await till.ask_for()
    assert isinstance(answer, NoClaim)
    assert answer.why is NotClaimed.HELD
    record = await till.read()
    assert (record.sequence, record.claim, record.waiting) == (2, None, 7)
    assert await holds.read(wanted.counter) == Hold("it went back", 9)

    await holds.release(wanted.counter)

    after = await till.claim()
    assert (after.sequence, after.units) == (10, 7)
    assert await holds.read(wanted.counter) == Hold("", 0)
    assert await till.settle(claim) is False  # it was withdrawn


async def test_an_event_that_may_have_been_sent_stays_in_flight(
    till: Till, holds: BillingHolds
) -> None:
    """One that was given up for later was sent: it is settled as any other."""
    await till.use(7)
    claim = await till.claim()
    assert await till.settle(claim, Verdict.LATER)

    withdrawn = await holds.hold(
        till.wanted.counter,
        till.wanted.period,
        "it went back",
        withdrawn=claim.event.identifier,
    )

    assert not withdrawn
    again = await till.claim()
    assert again.event == claim.event
    assert (await till.records.settle([settled(again, Verdict.DELIVERED)])) == [True]


async def test_a_record_that_was_lost_is_held_and_expires(
    redis: Redis, context: Context, holds: BillingHolds
) -> None:
    """A counter without a record would be billed from 0: the record is made."""
    till = await Till.open(redis, context)
    await till.use(7)

    await holds.hold(till.wanted.counter, till.wanted.period, "lost", number=4)

    assert isinstance(await till.ask_for(), NoClaim)
    assert await ask(redis, "PTTL", till.key) > 0


async def test_a_lower_counter_is_right_for_an_hour(
    till: Till, holds: BillingHolds, redis: Redis
) -> None:
    """What an operator said holds for what is billed next, and no longer."""
    await holds.release(till.wanted.counter, lower=True)

    hold, now = await holds.read(till.wanted.counter), await server_time(redis)
    assert hold.allows_lower(now)
    assert not hold.allows_lower(now + timedelta(hours=1, seconds=1))


async def test_what_is_no_billing_record_is_not_held(
    redis: Redis, till: Till, holds: BillingHolds
) -> None:
    """Somebody else's key stays as it is."""
    await ask(redis, "DEL", till.key)
    await ask(redis, "SET", till.key, "mine")

    with pytest.raises(Refused, match="not a billing record"):
        await holds.hold(till.wanted.counter, till.wanted.period, "it went back")

    assert await ask(redis, "GET", till.key) == b"mine"


async def test_a_turn_is_taken_once_and_never_backwards(
    redis: Redis, context: Context
) -> None:
    """The first who asks has it; a worker whose clock is behind gets none."""
    one, other = (LateErrorCalls(redis, context.redis.layout) for _ in range(2))

    taken = [
        await one.take_turn("late", 7),
        await other.take_turn("late", 7),
        await other.take_turn("late", 6),
        await other.take_turn("late", 8),
        await one.take_turn("reconcile", 7),
    ]

    assert taken == [True, False, False, True, True]
