"""Mistakes that other counting systems shipped: resets, and changes in mid-period."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.acme import ACTOR, counter_key, reset, used
from tests.support.contexts import CALLS, IMAGES, SEATS
from tests.support.cycles import Anchors
from tests.support.frozen_clock import FrozenClock
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.errors import Conflict
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_d4_a_reset_asked_for_twice_resets_once(
    usage: UsageService, changes: OperatorChanges
) -> None:
    """The same operation, repeated: what was used in between stays (openmeter
    1cc1c6d48). Another one in the same minute is another reset."""
    await usage.consume("acme", {CALLS: 5})
    assert not await reset(changes, CALLS, "op-1")
    await usage.consume("acme", {CALLS: 3})

    assert await reset(changes, CALLS, "op-1")

    assert await used(usage) == 3
    assert not await reset(changes, CALLS, "op-2")
    assert await used(usage) == 0


async def test_d4_a_reset_of_a_value_that_moved_wipes_nothing(
    usage: UsageService, changes: OperatorChanges
) -> None:
    """The operator saw 5, a call came in between: a conflict (autumn b05171bb9)."""
    await usage.consume("acme", {CALLS: 5})
    await usage.consume("acme", {CALLS: 1})

    with pytest.raises(Conflict):
        await reset(changes, CALLS, "op-1", expected=5)

    assert await used(usage) == 6


async def test_d4_one_broken_tenant_keeps_no_other_from_its_reset(
    redis: Redis, usage: UsageService, changes: OperatorChanges
) -> None:
    """Each is one script call of its own (autumn 46fd18f88)."""
    broken = await counter_key(redis, LAYOUT, tenant="broken")
    await redis.set(broken, "x")
    await usage.consume("acme", {CALLS: 5})

    def wish(tenant: str) -> Adjustment:
        who = TenantId(tenant)
        return Adjustment(
            who, CALLS, AdjustKind.RESET, 0, None, Bill.QUOTA_ONLY, "paid"
        )

    done = await asyncio.gather(
        *(
            changes.adjust(wish(tenant), actor=ACTOR, operation_id=f"op-{tenant}")
            for tenant in ("broken", "acme")
        ),
        return_exceptions=True,
    )

    assert [isinstance(each, Exception) for each in done] == [True, False]
    assert await used(usage) == 0
    assert await redis.get(broken) == b"x"


async def test_d4_a_reset_reaches_one_tenant_resource_and_period(
    redis: Redis, usage: UsageService, changes: OperatorChanges
) -> None:
    """Everything else is as it was, byte for byte (polar 96bff0d2ba)."""
    both: dict[str, int] = {CALLS: 5, IMAGES: 2}
    for tenant in ("acme", "acme2", "globex"):
        await usage.consume(tenant, both)
    await redis.set(LAYOUT.counter("acme", CALLS, "2020-01"), 77)
    await changes.set_override(
        "acme",
        IMAGES,
        9,
        expires_at=None,
        actor=ACTOR,
        reason="r",
        operation_id="op-1",
    )
    own = await counter_key(redis, LAYOUT)
    others = {
        LAYOUT.override("acme", IMAGES): b"",
        LAYOUT.counter("acme", CALLS, "2020-01"): b"",
        await counter_key(redis, LAYOUT, IMAGES): b"",
    }
    for tenant in ("acme2", "globex"):
        for resource in both:
            others[await counter_key(redis, LAYOUT, resource, tenant)] = b""
    before = {key: await ask(redis, "DUMP", key) for key in others}

    await reset(changes, CALLS, "op-2")

    assert await redis.get(own) == b"0"
    assert {key: await ask(redis, "DUMP", key) for key in others} == before


@pytest.mark.not_on("cluster", "sentinel")
async def test_d4_at_a_periods_start_the_limit_is_given_once(
    frozen_clock: FrozenClock, redis: Redis, context: Context
) -> None:
    """No job gives it: three programs at the first moment, one of them late, get
    10 together, neither 20 nor 0 (openmeter 253cc22d1)."""
    start = datetime(2080, 3, 1, tzinfo=UTC)
    await frozen_clock.set(redis, start - timedelta(milliseconds=1))
    clients = [open_redis(context.redis) for _ in range(3)]
    programs = [UsageService(each, context) for each in clients]
    for each in programs:
        await each.consume("acme", {IMAGES: 3})
    await frozen_clock.move(redis, 1, noticed=False)

    made = await asyncio.gather(
        *(programs[at % 3].consume("acme", {IMAGES: 1}) for at in range(60))
    )

    assert sum(each.allowed for each in made) == 10
    assert await redis.get(LAYOUT.counter("acme", IMAGES, "2080-03")) == b"10"
    assert await redis.get(LAYOUT.counter("acme", IMAGES, "2080-02")) == b"9"
    for client in clients:
        await client.aclose()


async def test_d4_a_counter_below_zero_is_not_lifted_to_zero(
    redis: Redis, usage: UsageService, changes: OperatorChanges
) -> None:
    """Credit that another program gave counts in full, whoever looks, counts or
    adjusts first (polar 5648)."""
    key = await counter_key(redis, LAYOUT)
    await redis.set(key, -5)

    assert await used(usage) == -5
    assert (await usage.consume("acme", {CALLS: 1002})).resources[0].current == 997
    await redis.set(key, -5)
    await changes.adjust(
        Adjustment(
            TenantId("acme"), CALLS, AdjustKind.ADD, 2, -5, Bill.QUOTA_ONLY, "r"
        ),
        actor=ACTOR,
        operation_id="op-1",
    )

    assert await redis.get(key) == b"-3"


@pytest.mark.not_on("cluster", "sentinel")
async def test_d4_usage_of_a_trial_lies_in_a_period_of_its_own(
    frozen_clock: FrozenClock, redis: Redis, context: Context
) -> None:
    """The anchor is the trial's end: what was used before it is in the period that
    ends there, and the first paid one begins at nothing (polar e648cc051d)."""
    ends = datetime(2080, 3, 14, 9, 30, tzinfo=UTC)
    await frozen_clock.set(redis, ends - timedelta(milliseconds=1))
    entry = {"anchor": str(int(ends.timestamp())), "interval": "month"}
    await redis.hset(LAYOUT.tenant("acme"), mapping=entry)  # type: ignore[arg-type]  # str is fine
    usage = UsageService(redis, context)
    trial = (await usage.consume("acme", {SEATS: 40})).resources[0]

    await frozen_clock.move(redis, 1)
    paid = (await usage.consume("acme", {SEATS: 1})).resources[0]

    assert trial.period.end == paid.period.start == ends
    assert (trial.current, paid.current) == (40, 1)


async def test_d4_a_plan_change_in_mid_period_keeps_usage(
    redis: Redis, usage: UsageService
) -> None:
    """Only the limit changes, by month and by cycle alike (polar 6e1d2513e1)."""
    anchor = str(int((await server_time(redis)).timestamp()) - 86_400)
    entry = {"anchor": anchor, "interval": "month", "interval_count": "1"}
    key = LAYOUT.tenant("acme")
    limits = {"limit:api_calls": "50", "limit:seats": "5"}
    for name, value in {**entry, **limits, "plan": "small"}.items():
        await redis.hset(key, name, value)
    await usage.consume("acme", {CALLS: 50, SEATS: 5})

    await redis.hset(key, mapping={"limit:api_calls": "60", "limit:seats": "6"})

    made = await usage.consume("acme", {CALLS: 10, SEATS: 1})
    assert [each.current for each in made.resources] == [60, 6]
    assert not (await usage.consume("acme", {SEATS: 1})).allowed


async def test_d4_a_changed_anchor_keeps_usage_and_bills_each_period_its_own(
    redis: Redis, context: Context, usage: UsageService
) -> None:
    """An earlier start: the limit goes on from what was used, and the old counter
    stays, for its own days' bill and for releases. Calendar months do not notice."""
    anchors = await Anchors.of(redis, context)
    await anchors.save(5)
    await usage.consume("acme", {CALLS: 7, SEATS: 5}, call_id="req-1")

    await anchors.save(10)
    after = await usage.consume("acme", {CALLS: 1, SEATS: 1})

    calls, seats = after.resources
    assert (calls.current, seats.current) == (8, 6)
    assert seats.period == anchors.period(10)
    assert [await anchors.billed(days) for days in (5, 10)] == [5, 1]
    await usage.release("acme", "req-1", {SEATS: 2})
    assert [await anchors.counter(days) for days in (5, 10)] == [3, 6]


async def test_d4_an_anchor_that_moves_forward_begins_a_period(
    redis: Redis, context: Context, usage: UsageService
) -> None:
    """As Stripe's bill does, which ends the old period there."""
    anchors = await Anchors.of(redis, context)
    await anchors.save(10)
    await usage.consume("acme", {CALLS: 7, SEATS: 5})

    await anchors.save(5)
    after = await usage.consume("acme", {CALLS: 1, SEATS: 1})

    assert [each.current for each in after.resources] == [8, 1]
    assert [await anchors.billed(days) for days in (10, 5)] == [5, 1]


@pytest.mark.not_on("cluster", "sentinel")
async def test_d4_an_anchor_moved_within_its_first_day_keeps_usage_for_the_limit(
    frozen_clock: FrozenClock, redis: Redis, context: Context
) -> None:
    """The counter is named by the period's first day, so it stays the same one."""
    noon = datetime(2080, 3, 14, 12, tzinfo=UTC)
    await frozen_clock.set(redis, noon)
    key = LAYOUT.tenant("acme")
    usage = UsageService(redis, context)
    for hours in (5, 1):
        anchor = noon - timedelta(hours=hours)
        await redis.hset(key, "interval", "month")
        await redis.hset(key, "anchor", str(int(anchor.timestamp())))
        made = await usage.consume("acme", {SEATS: 2})

    assert made.resources[0].current == 4


@pytest.mark.not_on("cluster", "sentinel")
async def test_d4_every_call_lies_in_one_counter_whatever_becomes_of_the_anchor(
    frozen_clock: FrozenClock, redis: Redis, context: Context
) -> None:
    """Moved back, forward, to another interval and away: the counters' sum is the
    number of calls, neither counted twice nor in a gap (lago dates_service)."""
    now = datetime(2080, 3, 14, 12, tzinfo=UTC)
    await frozen_clock.set(redis, now)
    key = LAYOUT.tenant("acme")
    usage = UsageService(redis, context)
    labels = set()
    cycles = [(3, "month"), (40, "month"), (-9, "month"), (3, "week"), (3, "year")]
    for days, interval in cycles:
        anchor = str(int((now - timedelta(days=days)).timestamp()))
        await redis.hset(key, "anchor", anchor)
        await redis.hset(key, "interval", interval)
        made = await usage.consume("acme", {SEATS: 1})
        labels.add(made.resources[0].period.label)
    await redis.delete(key)
    made = await usage.consume("acme", {SEATS: 1})
    labels.add(made.resources[0].period.label)

    found = [await redis.get(LAYOUT.counter("acme", SEATS, each)) for each in labels]

    assert sum(int(each or 0) for each in found) == len(cycles) + 1
