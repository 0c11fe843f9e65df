"""Adjustments that are not made: nothing of them is."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from tests.support.acme import adjustment, counter_key, everything
from tests.support.contexts import CALLS
from tests.support.restricted import restricted

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import (
    BrokenCounter,
    RedisRefused,
    Refused,
)
from meterdeck.core.model.changes import Actor, AdjustKind
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.operator_changes import OperatorChanges

LAYOUT = KeyLayout()
ACME = TenantId("acme")


async def test_an_adjustment_below_zero_is_refused(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """Nothing changes and nothing is written down."""
    await redis.set(await counter_key(redis, LAYOUT), 3)

    with pytest.raises(Refused, match=r"API calls of acme is 3; it cannot fall below"):
        await changes.adjust(
            adjustment(AdjustKind.SUBTRACT, 4), actor=actor, operation_id="op-1"
        )

    assert await redis.get(await counter_key(redis, LAYOUT)) == b"3"
    assert await changes.audit("acme") == ()


async def test_a_negative_counter_can_be_brought_up(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """A counter below 0 may stay below 0 while it rises."""
    await redis.set(await counter_key(redis, LAYOUT), -10)

    done = await changes.adjust(
        adjustment(AdjustKind.ADD, 4), actor=actor, operation_id="op-1"
    )

    assert (done.before, done.after) == (-10, -6)


async def test_an_adjustment_past_what_is_exact_is_refused(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """2^53 can be reached and not passed."""
    await redis.set(await counter_key(redis, LAYOUT), LARGEST - 1)

    with pytest.raises(Refused, match=r"2\^53"):
        await changes.adjust(
            adjustment(AdjustKind.ADD, 2), actor=actor, operation_id="op-1"
        )
    done = await changes.adjust(
        adjustment(AdjustKind.ADD, 1), actor=actor, operation_id="op-2"
    )

    assert done.after == LARGEST
    assert await redis.get(await counter_key(redis, LAYOUT)) == str(LARGEST).encode()


@pytest.mark.parametrize("value", ["abc", "1.5", " 5"])
async def test_a_broken_counter_is_not_overwritten(
    redis: Redis, changes: OperatorChanges, actor: Actor, value: str
) -> None:
    """Set and reset refuse as well: something else may own that key."""
    await redis.set(await counter_key(redis, LAYOUT), value)

    for kind in AdjustKind:
        with pytest.raises(BrokenCounter):
            await changes.adjust(
                adjustment(kind, 1), actor=actor, operation_id=f"op-{kind}"
            )

    assert await redis.get(await counter_key(redis, LAYOUT)) == value.encode()
    assert await changes.audit("acme") == ()


@pytest.mark.parametrize("kind", ["billing", "audit", "op", "counter"])
async def test_a_key_of_another_type_stops_an_adjustment_before_it_writes(
    redis: Redis, changes: OperatorChanges, actor: Actor, kind: str
) -> None:
    """Whichever of its keys is a set: a clear answer, and nothing is changed."""
    label = calendar_month(await server_time(redis)).label
    key = {
        "billing": LAYOUT.billing("acme", CALLS, label),
        "audit": LAYOUT.audit("acme"),
        "op": LAYOUT.operation("acme", "op-1"),
        "counter": await counter_key(redis, LAYOUT),
    }[kind]
    await redis.sadd(key, "x")

    with pytest.raises(Refused, match="holds a set, not "):
        await changes.adjust(
            adjustment(AdjustKind.ADD, 1), actor=actor, operation_id="op-1"
        )

    assert list(await everything(redis, LAYOUT)) == [key]


@pytest.mark.not_on("cluster")  # where no script writes the indexes
@pytest.mark.parametrize(
    ("operation", "index"),
    [
        *product(
            ("adjust", "set_override", "clear_override"),
            ("audited", "sequence", "changed"),
        ),
        ("set_override", "overridden"),
    ],
)
async def test_an_index_of_another_type_stops_a_change_before_it_writes(
    redis: Redis, changes: OperatorChanges, actor: Actor, operation: str, index: str
) -> None:
    """Else the change would be done, and its answer an error of the server's."""
    if operation == "clear_override":
        await changes.set_override(
            "acme",
            CALLS,
            5,
            expires_at=await server_time(redis) + timedelta(hours=1),
            actor=actor,
            reason="r",
            operation_id="before",
        )
    key: bytes = getattr(LAYOUT, index)()
    await redis.delete(key)
    await redis.rpush(key, "x")
    before = await everything(redis, LAYOUT)

    with pytest.raises(Refused, match="holds a list"):
        await changed(changes, operation, redis, actor)

    assert await everything(redis, LAYOUT) == before


async def changed(
    changes: OperatorChanges, operation: str, redis: Redis, actor: Actor
) -> None:
    """Make a change of this kind."""
    given: dict[str, Any] = {"actor": actor, "operation_id": "op-1"}
    if operation == "adjust":
        await changes.adjust(adjustment(AdjustKind.ADD, 1), **given)
    elif operation == "set_override":
        ends = await server_time(redis) + timedelta(hours=1)
        await changes.set_override(
            "acme", CALLS, 5, expires_at=ends, reason="r", **given
        )
    else:
        await changes.clear_override("acme", CALLS, reason="r", **given)


@pytest.mark.parametrize(
    ("operation", "needed"),
    [
        ("adjust", "xadd set incrby pexpireat hincrby incr zadd"),
        ("set_override", "xadd set hset pexpireat persist sadd incr zadd"),
        ("clear_override", "xadd set unlink hdel incr zadd"),
    ],
)
async def test_a_missing_right_is_found_before_anything_is_changed(
    redis: Redis, context: Context, actor: Actor, operation: str, needed: str
) -> None:
    """No change without audit, and no audit without change: take any right away."""

    async def run(changes: OperatorChanges, name: str, operation_id: str) -> None:
        if name == "adjust":
            wish = adjustment(AdjustKind.ADD, 1)
            await changes.adjust(wish, actor=actor, operation_id=operation_id)
        elif name == "set_override":
            await changes.set_override(
                "acme",
                CALLS,
                5,
                expires_at=await server_time(redis) + timedelta(hours=1),
                actor=actor,
                reason="r",
                operation_id=operation_id,
            )
        else:
            await changes.clear_override(
                "acme", CALLS, actor=actor, reason="r", operation_id=operation_id
            )

    changes = OperatorChanges(redis, context)
    await run(changes, "adjust", "op-0")
    await run(changes, "set_override", "op-1")
    before = await everything(redis, LAYOUT)
    for command in needed.split():
        if LAYOUT.tagged and command == "incr":
            continue  # for the sequence number, which a cluster has not got
        async with restricted(redis, context.redis, f"-{command}") as client:
            with pytest.raises(RedisRefused, match=f"(?i)right to do that.*{command}"):
                await run(OperatorChanges(client, context), operation, "op-2")
        assert await everything(redis, LAYOUT) == before
