"""Settling what was sent: each unit is accounted for once; letters for what died."""

from datetime import timedelta

import pytest
from tests.support.billing import Till, settled
from tests.support.raw import ask
from tests.support.restricted import restricted

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import (
    Answer,
    Attempt,
    Claim,
    Confirmation,
    EventState,
    LetterSource,
    NoClaim,
    NotClaimed,
    Verdict,
)
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.letters import Letters

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def till(redis: Redis, context: Context) -> Till:
    """Acme's calls of this month, with nothing counted."""
    return await Till.open(redis, context)


@pytest.fixture
def letters(redis: Redis, context: Context) -> Letters:
    """The letters of all tenants."""
    return Letters(redis, context)


async def balance(till: Till) -> tuple[int, int, int]:
    """Return what is reported, parked, and waits."""
    record = await till.read()
    return record.reported, record.parked, record.waiting


async def test_what_was_delivered_is_reported_once(till: Till) -> None:
    """A repeat, as after a lost answer, changes nothing and logs nothing."""
    await till.use(5)
    claim = await till.claim()
    settlement = settled(claim, Verdict.DELIVERED, attempts=2)

    assert await till.records.settle([settlement]) == [True]
    assert await till.records.settle([settlement]) == [False]
    assert await balance(till) == (5, 0, 0)
    lines = await DeliveryLog(till.redis, till.context).latest(9)
    assert [(each.event, each.life, each.attempts) for each in lines] == [
        (claim.event, EventState.ACCEPTED, 2)
    ]


async def test_what_is_to_be_sent_later_may_then_be_sent_by_anyone(till: Till) -> None:
    """Not before, not even by the one that had it."""
    await till.use(5)
    claim = await till.claim()
    await till.settle(claim, Verdict.LATER, again_after_s=40, attempts=3)
    early = await till.ask_for()
    await till.let_pass(MINUTE)
    second = await till.claim(till.worker("second"))

    assert isinstance(early, NoClaim)
    assert early.why is NotClaimed.LEASED
    assert early.again_at is not None
    assert early.again_at >= claim.claimed_at + timedelta(seconds=40)
    assert (second.event, second.maybe_sent) == (claim.event, False)
    assert (await till.fields())[b"attempts"] == b"3"


async def test_a_dead_event_is_a_letter_and_its_units_wait_there(
    till: Till, letters: Letters
) -> None:
    """What is counted later goes out without them, after a pause that grows with every
    event that is refused, to an hour."""
    await till.use(5)
    claim = await till.claim(scale=1)
    assert await till.settle(claim, Verdict.DEAD, attempts=2)
    (letter,) = await letters.of("acme")

    assert await balance(till) == (0, 5, 0)
    assert (letter.event, letter.units, letter.scale) == (claim.event, 5, 1)
    assert (letter.state, letter.source) == (EventState.DEAD, LetterSource.COUNTER)
    assert (letter.reason, letter.code, letter.attempts) == ("said", "why", 2)
    assert (letter.first_sent_at, letter.period) == (
        claim.claimed_at,
        claim.counter.period,
    )
    pauses = []
    for _ in range(8):
        await till.use(1)
        held = await till.ask_for()
        assert isinstance(held, NoClaim)
        assert held.why is NotClaimed.HELD
        assert held.again_at is not None
        pauses.append(round((held.again_at - letter.at) / MINUTE))
        await till.let_pass(2 * HOUR)
        again = await till.claim()
        await till.settle(again, Verdict.DEAD)
        letter = (await letters.of("acme"))[0]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    await till.let_pass(2 * HOUR)
    await till.deliver(1)
    await till.use(1)
    await till.settle(await till.claim(), Verdict.DEAD)
    assert (await till.fields())[b"refused"] == b"1"


async def test_an_event_whose_settling_came_late_was_delivered_after_all(
    till: Till, letters: Letters
) -> None:
    """Taken over, given up by one worker and delivered by the other: its units are not
    owed, and its letter goes."""
    await till.use(5)
    claim = await till.claim()
    await till.settle(claim, Verdict.AMBIGUOUS)
    owed = await balance(till)
    assert [each.state for each in await letters.of("acme")] == [EventState.AMBIGUOUS]

    assert await till.settle(claim)
    assert not await till.settle(claim)
    assert (owed, await balance(till)) == ((0, 5, 0), (5, 0, 0))
    assert await letters.count() == 0


async def test_a_settlement_of_another_event_changes_nothing(till: Till) -> None:
    """Whatever it says of the event before, the one in flight stays in flight."""
    first = await till.deliver(5)
    await till.use(3)
    second = await till.claim()

    for verdict in Verdict:
        assert not await till.settle(first, verdict)
    assert (await till.claim()).event == second.event
    assert await balance(till) == (5, 0, 0)


async def test_a_level_that_died_is_not_owed_and_the_level_as_it_is_goes_out(
    till: Till, letters: Letters
) -> None:
    """What Stripe does not have of a gauge is what it is now."""
    await till.use(70)
    claim = await till.claim(level="2026-11")
    await till.settle(claim, Verdict.DEAD)
    assert [each.level for each in await letters.of("acme")] == ["2026-11"]
    await till.let_pass(HOUR)
    await till.use(-30)
    again = await till.claim(level="2026-11")
    await till.settle(again)

    assert await till.settle(claim)  # it did arrive, before the later one
    assert again.units == 40
    assert await balance(till) == (40, 0, 0)
    assert await letters.of("acme") == ()


async def test_many_are_settled_in_their_order_and_a_damaged_one_alone_is_not(
    redis: Redis, context: Context
) -> None:
    """More than one call takes; two of one counter go one after the other."""
    tills = [await Till.open(redis, context, f"t{number}") for number in range(70)]
    for till in tills:
        await till.use(1)
    records = tills[0].records
    claims = await records.claim([each.wanted for each in tills])
    assert all(isinstance(each, Claim) for each in claims)
    given = [
        settled(each, Verdict.DELIVERED) for each in claims if isinstance(each, Claim)
    ]
    await tills[3].put(reported="many")

    done = await records.settle([*given, given[0]])

    assert [place for place, yes in enumerate(done) if not yes] == [3, 70]
    assert len(await DeliveryLog(redis, context).latest(100)) == 69


async def test_without_a_right_nothing_is_settled(
    till: Till, redis: Redis, context: Context
) -> None:
    """Neither the record nor a letter, nor an index, is written before all can be."""
    await till.use(5)
    claim = await till.claim()
    before = await till.fields()
    of_indexes = [] if till.layout.tagged else ["-zadd", "-zrem", "-xadd"]
    for right in ["-hset", "-hdel", *of_indexes]:
        async with restricted(redis, context.redis, right) as client:
            records = BillingRecords(client, context, "w")
            with pytest.raises(RedisRefused, match="no right"):
                await records.settle([settled(claim, Verdict.DEAD)])
    async with restricted(redis, context.redis, "-hdel") as client:
        with pytest.raises(RedisRefused, match="no right"):
            await BillingRecords(client, context, "w").settle(
                [settled(claim, Verdict.DELIVERED)]
            )

    assert await till.fields() == before
    assert await redis.exists(till.layout.letters("acme")) == 0


async def test_the_log_tells_of_requests_before_the_last_one(till: Till) -> None:
    """And a request without an answer keeps the event from being as good as new."""
    await till.use(5)
    claim = await till.claim()
    lost = Attempt(Answer.UNKNOWN, claim.claimed_at, message="no \ud800 answer")
    await till.settle(claim, Verdict.LATER, earlier=(lost,))

    (line,) = await DeliveryLog(till.redis, till.context).latest(9)
    assert [each.answer for each in line.earlier] == [Answer.UNKNOWN]
    assert (await till.claim()).maybe_sent


async def test_what_stripe_confirmed_is_kept_with_the_record(till: Till) -> None:
    """Nothing older is written over it, and no record is made for it."""
    who = till.wanted.counter
    await till.records.confirm([Confirmation(who, 5, 0)])
    assert await till.fields() == {}
    for _ in range(2):
        await till.deliver(5)
    for units, sequence in ((10, 2), (5, 1), (99, 3)):
        await till.records.confirm([Confirmation(who, units, sequence)])

    record = await till.read()
    assert (record.confirmed, record.confirmed_sequence) == (10, 2)
    assert record.last_claim_at is not None
    assert record.confirmed_at is not None
    assert record.confirmed_at >= record.last_claim_at


@pytest.mark.not_on("cluster")
async def test_an_index_of_another_type_keeps_everything_from_being_claimed(
    till: Till, redis: Redis
) -> None:
    """Nothing is half written."""
    await till.use(5)
    await redis.set(till.layout.unsettled(), "x")

    with pytest.raises(Exception, match="holds text, not an index"):
        await till.claim()
    assert await till.fields() == {}


async def test_a_record_takes_little_memory(till: Till) -> None:
    """Half a kilobyte or less while nothing is in flight."""
    await till.deliver(123_456)

    assert int(await ask(till.redis, "MEMORY", "USAGE", till.key)) <= 512


async def test_only_who_has_an_event_gives_it_up(till: Till) -> None:
    """One that is slow does not: whoever took it over may have it delivered yet."""
    await till.use(5)
    claim = await till.claim()
    await till.let_pass(MINUTE)
    second = till.worker("second")
    taken = await till.claim(second)

    for verdict in (Verdict.LATER, Verdict.DEAD, Verdict.AMBIGUOUS):
        assert not await till.settle(claim, verdict)
    later = await server_time(till.redis) + MINUTE
    assert await second.unsettled(later, 10) == [claim.counter]
    assert await second.settle([settled(taken, Verdict.DEAD)]) == [True]
