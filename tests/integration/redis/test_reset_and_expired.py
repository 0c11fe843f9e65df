"""Operators' changes beside reservations that expire, and by clients that are late."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.acme import ACTOR, counter_key, reset, used
from tests.support.contexts import CALLS, SEATS
from tests.support.desk import Desk
from tests.support.frozen_clock import FrozenClock
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
MINUTE = timedelta(minutes=1)


async def expire(redis: Redis) -> None:
    """Let every reservation of acme's calls be over, as time would."""
    label = (await counter_key(redis, LAYOUT)).decode().rpartition(":")[2]
    key = LAYOUT.reserved("acme", CALLS, label)
    for member in await ask(redis, "ZRANGE", key, 0, -1):
        await redis.zadd(key, {member: 1})


async def test_a_counter_that_was_reset_counts_on_when_a_reservation_expires(
    redis: Redis, usage: UsageService, changes: OperatorChanges
) -> None:
    """There is nothing left to give back, and that is no mistake."""
    await usage.reserve("acme", {CALLS: 5}, ttl=MINUTE)
    await reset(changes, CALLS, "op-1")
    await expire(redis)

    made = await usage.consume("acme", {CALLS: 1})

    assert made.resources[0].current == 1


async def test_an_adjustment_is_held_against_what_the_operator_was_shown(
    redis: Redis, usage: UsageService, changes: OperatorChanges
) -> None:
    """`peek` leaves out what expired, and so does the adjustment: it is given back
    first, and not taken off afterwards what the operator set."""
    await usage.consume("acme", {CALLS: 2})
    await usage.reserve("acme", {CALLS: 5}, ttl=MINUTE)
    await expire(redis)
    shown = await used(usage)
    assert shown == 2

    done = await changes.adjust(
        Adjustment(
            TenantId("acme"), CALLS, AdjustKind.SET, 4, shown, Bill.QUOTA_ONLY, "r"
        ),
        actor=ACTOR,
        operation_id="op-1",
    )

    assert (done.before, done.after) == (2, 4)
    made = await usage.consume("acme", {CALLS: 1})
    assert made.resources[0].current == 5


async def test_a_preview_of_an_undo_leaves_out_what_expired(
    redis: Redis, usage: UsageService, desk: Desk
) -> None:
    """It says what the undo then does."""
    entry = await desk.adjust(AdjustKind.ADD, 10)
    await usage.reserve("acme", {CALLS: 5}, ttl=MINUTE)
    await expire(redis)

    foreseen = await desk.changes.preview_undo("acme", entry)
    done = await desk.undo(entry)

    assert (foreseen.before, foreseen.after) == (done.before, done.after) == ("10", "0")


@pytest.mark.not_on("cluster", "sentinel")
async def test_a_client_that_is_late_undoes_what_was_done_in_the_new_period(
    frozen_clock: FrozenClock, redis: Redis, context: Context
) -> None:
    """A host that slept over the month's end: it asks before it says that the entry's
    period is over."""
    await frozen_clock.set(redis, datetime(2080, 2, 29, 23, tzinfo=UTC))
    late = Desk(OperatorChanges(redis, context), UsageService(redis, context))
    await late.adjust(AdjustKind.ADD, 1)
    await frozen_clock.move(redis, 2 * 3_600_000, noticed=False)
    client = open_redis(context.redis)
    other = Desk(OperatorChanges(client, context), UsageService(client, context))
    other.operations = late.operations
    entry = await other.adjust(AdjustKind.ADD, 5)
    await client.aclose()

    done = await late.undo(entry, "op-undo")

    assert (done.before, done.after) == ("5", "0")


async def test_an_adjustment_goes_to_the_billing_cycle_that_the_directory_has(
    redis: Redis, desk: Desk
) -> None:
    """Also where this program has just seen another one: the old period's counter
    stays as it is."""
    seats = replace(desk, resource=SEATS)
    now = int((await server_time(redis)).timestamp())
    key = LAYOUT.tenant("acme")
    await redis.hset(key, "interval", "month")
    await redis.hset(key, "anchor", str(now - 10 * 86_400))
    await seats.adjust(AdjustKind.ADD, 4)
    old = (await seats.newest()).period

    await redis.hset(key, "anchor", str(now - 5 * 86_400))
    await seats.adjust(AdjustKind.ADD, 1)

    assert (await seats.newest()).period != old
    assert await redis.get(LAYOUT.counter("acme", SEATS, old)) == b"4"
    assert await seats.used() == 1
