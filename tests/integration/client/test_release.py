"""The client: limits with a call, release, peek and refusals."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.support.away import NOWHERE, through_a_proxy
from tests.support.contexts import CALLS, IMAGES, SEATS, STORAGE
from tests.support.metering import counted, done, library_context
from tests.support.proxy import Fault

from meterdeck.core.client import (
    CircuitState,
    Counting,
    Decision,
    Degraded,
    MeterClient,
    SyncMeterClient,
)
from meterdeck.core.errors import (
    BadInput,
    NotFound,
    ReadOnly,
    RedisUnreachable,
    UnknownOutcome,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.usage import LimitSource, OnFault


def closed(context: Context) -> Context:
    """Return `context` with every resource failing closed: there is no spool."""
    return replace(
        context,
        resources=tuple(
            replace(each, on_fault=OnFault.FAIL_CLOSED) for each in context.resources
        ),
    )


async def test_a_limit_given_with_the_call_counts_where_no_plan_has_one(
    context: Context,
) -> None:
    """The answer says that it was the argument; a plan's limit is stronger."""
    async with MeterClient.open(context) as meter:
        over = await meter.consume("acme", {SEATS: 4}, limits={SEATS: 3})
        plan = await meter.consume("acme", {CALLS: 4}, limits={CALLS: 3})

    assert isinstance(over, Decision)
    assert not over.allowed
    assert over.resources[0].limit.source is LimitSource.ARGUMENT
    assert plan.allowed


@pytest.mark.parametrize("away", [False, True])
async def test_a_wrong_limit_is_refused_with_and_without_redis(
    context: Context, away: bool
) -> None:
    """What is wrong with the call does not depend on the server."""
    url = NOWHERE if away else context.redis.url
    context = replace(context, redis=replace(context.redis, url=url))
    async with MeterClient.open(context) as meter:
        for _ in range(context.library.circuit_failures):
            await meter.consume("acme", {CALLS: 1})

        with pytest.raises(BadInput, match="is no limit of this call"):
            await meter.consume("acme", {CALLS: 1}, limits={IMAGES: 1})


async def test_a_released_call_is_given_back_once(context: Context) -> None:
    """The first answer again for whoever repeats it; peek shows what is left."""
    async with MeterClient.open(context) as meter:
        await meter.consume("acme", {IMAGES: 4}, call_id="req-1")

        first = done(await meter.release("acme", "req-1", {IMAGES: 3}))
        again = await meter.release("acme", "req-1", {IMAGES: 3})
        row = next(r for r in await meter.peek("acme") if r.resource == IMAGES)

    assert again == replace(first, replayed=True)
    assert first.resources[0].given_back == 3
    assert (row.used, row.remaining) == (1, 9)


async def test_a_release_whose_answer_was_lost_is_asked_for_again_by_its_id(
    context: Context,
) -> None:
    """Both round trips of it may lose one; it is given back once."""
    async with through_a_proxy(closed(context)) as (proxy, meter):
        await meter.consume("acme", {IMAGES: 4})
        for lost in range(2):
            call = await meter.consume("acme", {IMAGES: 2}, call_id=f"r{lost}")
            proxy.lose_next_answer(after=lost)
            back = done(await meter.release("acme", call.call_id))

            assert back.resources[0].given_back == 2
        assert proxy.faults == 2
    assert await counted(context.redis.url, "acme", IMAGES) == 4


async def test_a_release_nobody_answers_is_unknown_and_safe_to_repeat(
    context: Context,
) -> None:
    """It says with which id; the repeat gets what was done the first time."""
    async with through_a_proxy(closed(context)) as (proxy, meter):
        await meter.consume("acme", {IMAGES: 4}, call_id="req-1")
        proxy.lose_next_answer(times=2, after=1)

        with pytest.raises(UnknownOutcome) as unknown:
            await meter.release("acme", "req-1")
        back = done(await meter.release("acme", unknown.value.operation_id))

        assert back.resources[0].given_back == 4
    assert await counted(context.redis.url, "acme", IMAGES) == 0


async def test_silence_costs_a_release_its_deadline_and_opens_the_circuit(
    context: Context,
) -> None:
    """Then it is said at once that nothing was given back."""
    library = replace(context.library, call_timeout_s=1.0, circuit_pause_s=60.0)
    async with through_a_proxy(closed(replace(context, library=library))) as (
        proxy,
        meter,
    ):
        await meter.consume("acme", {IMAGES: 4}, call_id="req-1")
        proxy.lose_next_answer(Fault.SILENCE)

        for _ in range(library.circuit_failures):
            with pytest.raises(UnknownOutcome):
                await meter.release("acme", "req-1")

        assert meter.status().circuit.state is CircuitState.OPEN
        with pytest.raises(RedisUnreachable, match="left alone"):
            await meter.release("acme", "req-1")
        with pytest.raises(RedisUnreachable, match="left alone"):
            await meter.refusals("acme")


async def test_a_refused_call_whose_answer_was_lost_can_be_made_undone(
    context: Context,
) -> None:
    """Failing closed: the caller does not go on, and takes back what it may have."""
    async with through_a_proxy(closed(context)) as (proxy, meter):
        await meter.consume("acme", {IMAGES: 1})
        proxy.lose_next_answer(times=2)
        lost = await meter.consume("acme", {IMAGES: 2}, call_id="req-1")

        assert isinstance(lost, Degraded)
        assert lost.counting is Counting.UNKNOWN
        await meter.release("acme", lost.call_id)
        with pytest.raises(NotFound, match="nothing is known"):
            await meter.release("acme", "req-2")
    assert await counted(context.redis.url, "acme", IMAGES) == 1


async def test_refusals_say_what_was_used_asked_and_allowed(context: Context) -> None:
    """Newest first, at most as many as asked for."""
    async with MeterClient.open(context) as meter:
        for amount in (11, 12):
            await meter.consume("acme", {IMAGES: amount}, call_id=f"r{amount}")

        found = await meter.refusals("acme")
        latest = await meter.refusals("acme", limit=1)
        with pytest.raises(BadInput, match="ask for 1 or more"):
            await meter.refusals("acme", limit=0)

    assert [(each.cost, each.limit, each.call_id) for each in found] == [
        (12, 10, "r12"),
        (11, 10, "r11"),
    ]
    assert latest == found[:1]


async def test_a_read_only_context_gives_nothing_back(context: Context) -> None:
    """It is an error, as for counting."""
    async with MeterClient.open(replace(context, read_only=True)) as meter:
        with pytest.raises(ReadOnly):
            await meter.release("acme", "req-1")


def test_threads_have_the_same(context: Context, spool_dir: Path) -> None:
    """Limits, release, peek and refusals without an event loop."""
    with SyncMeterClient.open(closed(context)) as meter:
        assert not meter.consume("acme", {SEATS: 4}, limits={SEATS: 3}).allowed
        meter.consume("acme", {IMAGES: 4}, call_id="req-1")

        back = done(meter.release("acme", "req-1"))
        row = next(r for r in meter.peek("acme") if r.resource == IMAGES)

        assert back.resources[0].given_back == 4
        assert row.used == 0
        assert [each.resource for each in meter.refusals("acme")] == [SEATS]
    with (
        SyncMeterClient.open(closed(library_context(NOWHERE, spool_dir))) as away,
        pytest.raises(RedisUnreachable),
    ):
        away.release("acme", "req-1")


async def test_amounts_are_turned_into_units_by_the_resources_scale(
    context: Context,
) -> None:
    """Gigabytes are counted in thousandths, images are whole."""
    async with MeterClient.open(context) as meter:
        units = meter.units(STORAGE, "1.5")
        await meter.consume("acme", {STORAGE: units})
        row = next(r for r in await meter.peek("acme") if r.resource == STORAGE)

        assert row.used == units == 1500
        assert meter.amount(STORAGE, 1500) == Decimal("1.5")
        with pytest.raises(BadInput, match="whole numbers"):
            meter.units(IMAGES, Decimal("1.5"))
        with pytest.raises(NotFound):
            meter.units("unheard_of", 1)
        with pytest.raises(NotFound):
            meter.amount("unheard_of", 1)


def test_threads_turn_amounts_into_units_too(context: Context) -> None:
    """Exactly, and back."""
    with SyncMeterClient.open(context) as meter:
        assert meter.units(STORAGE, Decimal("0.25")) == 250
        assert meter.amount(STORAGE, 250) == Decimal("0.25")
