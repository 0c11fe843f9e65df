"""Adjustments: whole, once an operation id, always written down."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.acme import adjustment, counter_key
from tests.support.contexts import CALLS
from tests.support.raw import ask, expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import (
    Conflict,
    Refused,
)
from meterdeck.core.model.changes import Actor, AdjustKind, Bill
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.operator_changes import OperatorChanges

LAYOUT = KeyLayout()
ACME = TenantId("acme")


async def offset(redis: Redis) -> bytes | None:
    """Return the offset in the billing record of acme's API calls."""
    label = calendar_month(await server_time(redis)).label
    held = await redis.hget(LAYOUT.billing("acme", CALLS, label), "offset")
    assert held is None or isinstance(held, bytes)
    return held


@pytest.mark.parametrize(
    ("kind", "amount", "after"),
    [
        (AdjustKind.ADD, 5, 105),
        (AdjustKind.SUBTRACT, 5, 95),
        (AdjustKind.SET, 5, 5),
        (AdjustKind.RESET, 0, 0),
    ],
)
async def test_an_adjustment_changes_the_counter_and_writes_it_down(
    redis: Redis,
    changes: OperatorChanges,
    actor: Actor,
    *,
    kind: AdjustKind,
    amount: int,
    after: int,
) -> None:
    """Counter and audit entry agree; the entry keeps what was there before."""
    key = await counter_key(redis, LAYOUT)
    await redis.set(key, 100)

    done = await changes.adjust(
        adjustment(kind, amount, expected=100), actor=actor, operation_id="op-1"
    )

    assert (done.before, done.after, done.replayed) == (100, after, False)
    assert await redis.get(key) == str(after).encode()
    (entry,) = await changes.audit("acme")
    assert (entry.before, entry.after) == ("100", str(after))
    assert (entry.actor, entry.origin) == ("ada", "ssh 192.0.2.7")
    assert (entry.action, entry.reason) == (f"adjust:{kind}", "counted twice")
    assert (entry.id, entry.period) == (done.audit_id, done.period)
    assert abs(entry.at - await server_time(redis)) < timedelta(seconds=60)


async def test_an_adjustment_keeps_the_counters_expiry(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """SET would drop the expiry and the counter would live for ever."""
    key = await counter_key(redis, LAYOUT)
    await redis.set(key, 100, ex=1000)
    expiry = await expiry_ms(redis, key)

    await changes.adjust(
        adjustment(AdjustKind.SET, 7), actor=actor, operation_id="op-1"
    )

    assert await expiry_ms(redis, key) == expiry


async def test_a_counter_made_by_an_adjustment_expires_too(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """Period end plus retention, as for a counter made by consuming."""
    await changes.adjust(
        adjustment(AdjustKind.ADD, 7), actor=actor, operation_id="op-1"
    )

    end = calendar_month(await server_time(redis)).end + timedelta(days=35)
    key = await counter_key(redis, LAYOUT)
    assert await expiry_ms(redis, key) == int(end.timestamp() * 1000)


async def test_two_operators_who_saw_the_same_value_cannot_both_change_it(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """One wins, the other is told what the counter is now; one entry in the trail."""
    await redis.set(await counter_key(redis, LAYOUT), 100)

    results = await asyncio.gather(
        *(
            changes.adjust(
                adjustment(AdjustKind.ADD, 10, expected=100),
                actor=actor,
                operation_id=f"op-{number}",
            )
            for number in range(2)
        ),
        return_exceptions=True,
    )

    (conflict,) = [each for each in results if isinstance(each, Conflict)]
    assert (conflict.expected, conflict.actual) == (100, 110)
    assert await redis.get(await counter_key(redis, LAYOUT)) == b"110"
    assert len(await changes.audit("acme")) == 1


async def test_a_repeated_operation_counts_once(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """The same id again: the first answer, though the value seen is gone."""
    await redis.set(await counter_key(redis, LAYOUT), 100)
    wish = adjustment(AdjustKind.ADD, 10, expected=100)
    first = await changes.adjust(wish, actor=actor, operation_id="op-1")

    again = await changes.adjust(wish, actor=actor, operation_id="op-1")

    assert again == replace(first, replayed=True)
    assert await redis.get(await counter_key(redis, LAYOUT)) == b"110"
    assert len(await changes.audit("acme")) == 1
    assert await offset(redis) == b"-10"
    with pytest.raises(Refused, match="used for another change"):
        await changes.adjust(
            adjustment(AdjustKind.ADD, 11), actor=actor, operation_id="op-1"
        )


async def test_quota_only_leaves_what_is_billed_as_it_was(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """Used + offset, which is what Stripe is told, stays 100 through any change."""
    key = await counter_key(redis, LAYOUT)
    await redis.set(key, 100)
    for number, (kind, amount) in enumerate(
        [(AdjustKind.SUBTRACT, 30), (AdjustKind.ADD, 5), (AdjustKind.RESET, 0)]
    ):
        await changes.adjust(
            adjustment(kind, amount), actor=actor, operation_id=f"op-{number}"
        )
        used, not_billed = (
            int(await ask(redis, "GET", key)),
            int(await offset(redis) or 0),
        )
        assert used + not_billed == 100

    label = calendar_month(await server_time(redis)).label
    record = LAYOUT.billing("acme", CALLS, label)
    end = calendar_month(await server_time(redis)).end + timedelta(days=70)
    assert await expiry_ms(redis, record) == int(end.timestamp() * 1000)


async def test_quota_and_bill_lets_the_bill_follow(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """No offset is written: the difference will be sent to Stripe."""
    await redis.set(await counter_key(redis, LAYOUT), 100)

    await changes.adjust(
        adjustment(AdjustKind.SET, 60, bill=Bill.QUOTA_AND_BILL),
        actor=actor,
        operation_id="op-1",
    )

    assert await redis.get(await counter_key(redis, LAYOUT)) == b"60"
    assert await offset(redis) is None
    assert (await changes.audit("acme"))[0].bill == "quota_and_bill"
