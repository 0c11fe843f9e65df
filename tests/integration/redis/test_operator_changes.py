"""Operator changes: whole or not at all, once an operation id, always written down."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.contexts import CALLS, IMAGES, with_layout
from tests.support.raw import ask, expiry_ms
from tests.support.restricted import restricted

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import (
    BadInput,
    BrokenCounter,
    Conflict,
    NotFound,
    ReadOnly,
    RedisRefused,
    Refused,
)
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import Limit, LimitSource, ResourceName, TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
ACME = TenantId("acme")


def adjustment(
    kind: AdjustKind,
    amount: int = 0,
    *,
    expected: int | None = None,
    bill: Bill = Bill.QUOTA_ONLY,
    tenant: TenantId = ACME,
) -> Adjustment:
    """Return a change of acme's API calls."""
    return Adjustment(tenant, CALLS, kind, amount, expected, bill, "counted twice")


async def counter_key(redis: Redis, tenant: str = "acme") -> bytes:
    """Name the counter of API calls in the current month."""
    return LAYOUT.counter(tenant, CALLS, calendar_month(await server_time(redis)).label)


async def offset(redis: Redis) -> bytes | None:
    """Return the offset in the billing record of acme's API calls."""
    label = calendar_month(await server_time(redis)).label
    held = await redis.hget(LAYOUT.billing("acme", CALLS, label), "offset")
    assert held is None or isinstance(held, bytes)
    return held


async def everything(redis: Redis) -> dict[bytes, bytes]:
    """Return each key with its serialised value.

    On a cluster without the indexes of all tenants: they are written before it is
    known whether there will be a change, and may name too much.
    """
    early = {LAYOUT.audited(), LAYOUT.overridden()} if LAYOUT.tagged else set()
    keys = set(await ask(redis, "KEYS", "*")) - early
    return {key: await ask(redis, "DUMP", key) for key in keys}


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
    key = await counter_key(redis)
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
    key = await counter_key(redis)
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
    key = await counter_key(redis)
    assert await expiry_ms(redis, key) == int(end.timestamp() * 1000)


async def test_two_operators_who_saw_the_same_value_cannot_both_change_it(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """One wins, the other is told what the counter is now; one entry in the trail."""
    await redis.set(await counter_key(redis), 100)

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
    assert await redis.get(await counter_key(redis)) == b"110"
    assert len(await changes.audit("acme")) == 1


async def test_a_repeated_operation_counts_once(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """The same id again: the first answer, though the value seen is gone."""
    await redis.set(await counter_key(redis), 100)
    wish = adjustment(AdjustKind.ADD, 10, expected=100)
    first = await changes.adjust(wish, actor=actor, operation_id="op-1")

    again = await changes.adjust(wish, actor=actor, operation_id="op-1")

    assert again == replace(first, replayed=True)
    assert await redis.get(await counter_key(redis)) == b"110"
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
    key = await counter_key(redis)
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
    await redis.set(await counter_key(redis), 100)

    await changes.adjust(
        adjustment(AdjustKind.SET, 60, bill=Bill.QUOTA_AND_BILL),
        actor=actor,
        operation_id="op-1",
    )

    assert await redis.get(await counter_key(redis)) == b"60"
    assert await offset(redis) is None
    assert (await changes.audit("acme"))[0].bill == "quota_and_bill"


async def test_an_adjustment_below_zero_is_refused(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """Nothing changes and nothing is written down."""
    await redis.set(await counter_key(redis), 3)

    with pytest.raises(Refused, match=r"API calls of acme is 3; it cannot fall below"):
        await changes.adjust(
            adjustment(AdjustKind.SUBTRACT, 4), actor=actor, operation_id="op-1"
        )

    assert await redis.get(await counter_key(redis)) == b"3"
    assert await changes.audit("acme") == ()


async def test_a_negative_counter_can_be_brought_up(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """A counter below 0 may stay below 0 while it rises."""
    await redis.set(await counter_key(redis), -10)

    done = await changes.adjust(
        adjustment(AdjustKind.ADD, 4), actor=actor, operation_id="op-1"
    )

    assert (done.before, done.after) == (-10, -6)


async def test_an_adjustment_past_what_is_exact_is_refused(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """2^53 can be reached and not passed."""
    await redis.set(await counter_key(redis), LARGEST - 1)

    with pytest.raises(Refused, match=r"2\^53"):
        await changes.adjust(
            adjustment(AdjustKind.ADD, 2), actor=actor, operation_id="op-1"
        )
    done = await changes.adjust(
        adjustment(AdjustKind.ADD, 1), actor=actor, operation_id="op-2"
    )

    assert done.after == LARGEST
    assert await redis.get(await counter_key(redis)) == str(LARGEST).encode()


@pytest.mark.parametrize("value", ["abc", "1.5", " 5"])
async def test_a_broken_counter_is_not_overwritten(
    redis: Redis, changes: OperatorChanges, actor: Actor, value: str
) -> None:
    """Set and reset refuse as well: something else may own that key."""
    await redis.set(await counter_key(redis), value)

    for kind in AdjustKind:
        with pytest.raises(BrokenCounter):
            await changes.adjust(
                adjustment(kind, 1), actor=actor, operation_id=f"op-{kind}"
            )

    assert await redis.get(await counter_key(redis)) == value.encode()
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
        "counter": await counter_key(redis),
    }[kind]
    await redis.sadd(key, "x")

    with pytest.raises(Refused, match="holds a set, not "):
        await changes.adjust(
            adjustment(AdjustKind.ADD, 1), actor=actor, operation_id="op-1"
        )

    assert list(await everything(redis)) == [key]


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
    before = await everything(redis)
    for command in needed.split():
        if LAYOUT.tagged and command == "incr":
            continue  # for the sequence number, which a cluster has not got
        async with restricted(redis, context.redis, f"-{command}") as client:
            with pytest.raises(RedisRefused, match=f"(?i)right to do that.*{command}"):
                await run(OperatorChanges(client, context), operation, "op-2")
        assert await everything(redis) == before


async def test_an_override_beats_the_plan_at_once(
    redis: Redis, changes: OperatorChanges, usage: UsageService, actor: Actor
) -> None:
    """The next call counts by it; its key carries its expiry."""
    await redis.set(await counter_key(redis), 1000)
    assert not (await usage.consume("acme", {CALLS: 1})).allowed
    ends = (await server_time(redis)) + timedelta(hours=1)

    override = await changes.set_override(
        "acme",
        CALLS,
        5000,
        expires_at=ends,
        actor=actor,
        reason="launch week",
        operation_id="op-1",
    )

    made = await usage.consume("acme", {CALLS: 1})
    assert made.allowed
    assert made.resources[0].limit == Limit(5000, LimitSource.OVERRIDE)
    assert await changes.overrides() == (override,)
    key = LAYOUT.override("acme", CALLS)
    assert await expiry_ms(redis, key) == int(ends.timestamp() * 1000)


async def test_an_override_ends_by_itself_and_the_plan_limit_is_back(
    redis: Redis, changes: OperatorChanges, usage: UsageService, actor: Actor
) -> None:
    """At its expiry the plan's limit counts again, with nobody doing anything."""
    await redis.set(await counter_key(redis), 1000)
    ends = await server_time(redis) + timedelta(seconds=1)
    await changes.set_override(
        "acme",
        CALLS,
        5000,
        expires_at=ends,
        actor=actor,
        reason="launch week",
        operation_id="op-1",
    )

    async with asyncio.timeout(20):
        key = LAYOUT.override("acme", CALLS)
        while await redis.exists(key):  # noqa: ASYNC110  # the server ends it
            await asyncio.sleep(0.01)

    assert await server_time(redis) >= ends
    assert not (await usage.consume("acme", {CALLS: 1})).allowed
    assert await changes.overrides() == ()
    row = (await usage.usage("acme"))[0]
    assert row.limit == Limit(1000, LimitSource.DEFAULT)


async def test_an_override_whose_key_lost_its_expiry_ends_all_the_same(
    redis: Redis, changes: OperatorChanges, usage: UsageService, actor: Actor
) -> None:
    """The moment is in the override too: PERSIST by another program keeps nothing."""
    await changes.set_override(
        "acme",
        CALLS,
        5000,
        expires_at=await server_time(redis) + timedelta(hours=1),
        actor=actor,
        reason="launch week",
        operation_id="op-1",
    )
    await redis.persist(LAYOUT.override("acme", CALLS))
    await redis.hset(LAYOUT.override("acme", CALLS), "expires_at", "1700000000000")

    made = await usage.consume("acme", {CALLS: 1})

    assert made.resources[0].limit.source is LimitSource.DEFAULT
    assert (await usage.usage("acme"))[0].limit.source is LimitSource.DEFAULT
    assert await changes.overrides() == ()


async def test_replacing_and_clearing_an_override_is_written_down(
    redis: Redis, changes: OperatorChanges, usage: UsageService, actor: Actor
) -> None:
    """The trail has before and after of each step; a cleared override is returned."""
    ends = (await server_time(redis) + timedelta(days=3)).replace(microsecond=0)

    async def set_to(units: int | None, expires_at: datetime | None, id_: str) -> None:
        await changes.set_override(
            "acme",
            CALLS,
            units,
            expires_at=expires_at,
            actor=actor,
            reason="asked",
            operation_id=id_,
        )

    await set_to(2000, ends, "op-1")
    await set_to(None, None, "op-2")
    assert await redis.ttl(LAYOUT.override("acme", CALLS)) == -1
    made = await usage.consume("acme", {CALLS: 9_999_999})
    assert made.resources[0].limit == Limit(None, LimitSource.OVERRIDE)
    await set_to(0, None, "op-3")
    assert not (await usage.consume("acme", {CALLS: 1})).allowed

    removed = await changes.clear_override(
        "acme", CALLS, actor=actor, reason="over", operation_id="op-4"
    )

    assert (removed.units, removed.actor, removed.reason) == (0, "ada", "asked")
    until = ends.isoformat().replace("+00:00", "Z")
    assert [(each.before, each.after) for each in await changes.audit("acme")] == [
        ("0", "none"),
        ("unlimited", "0"),
        (f"2000 until {until}", "unlimited"),
        ("none", f"2000 until {until}"),
    ]
    assert await changes.overrides("acme") == ()
    assert not await redis.exists(LAYOUT.overrides("acme"))
    with pytest.raises(NotFound, match="acme has no override of api_calls"):
        await changes.clear_override(
            "acme", CALLS, actor=actor, reason="over", operation_id="op-5"
        )


async def test_a_repeated_override_operation_is_done_once(
    changes: OperatorChanges, actor: Actor
) -> None:
    """Set, clear, and repeat both: the trail has two entries, the answers are equal."""

    async def put() -> object:
        return await changes.set_override(
            "acme",
            CALLS,
            5,
            expires_at=None,
            actor=actor,
            reason="r",
            operation_id="op-1",
        )

    async def clear() -> object:
        return await changes.clear_override(
            "acme", CALLS, actor=actor, reason="r", operation_id="op-2"
        )

    first = [await put(), await clear()]
    again = [await put(), await clear()]

    assert again == first
    assert await changes.overrides() == ()
    assert len(await changes.audit("acme")) == 2


async def test_an_override_cannot_end_in_the_past_or_never_where_that_is_forbidden(
    redis: Redis, context: Context, changes: OperatorChanges, actor: Actor
) -> None:
    """The server's clock and the context's rule are checked; nothing is written."""
    strict = OperatorChanges(redis, replace(context, override_needs_expiry=True))
    wrong = [
        (changes, datetime(2020, 1, 1, tzinfo=UTC), "is in the past"),
        (changes, datetime(2090, 1, 1), "no time zone"),  # noqa: DTZ001  # the point
        (strict, None, "need an expiry"),
    ]

    for service, ends, sentence in wrong:
        with pytest.raises(BadInput, match=sentence):
            await service.set_override(
                "acme",
                CALLS,
                5,
                expires_at=ends,
                actor=actor,
                reason="r",
                operation_id="op-1",
            )
    assert await everything(redis) == {}


async def test_overrides_of_many_tenants_are_listed_in_order(
    changes: OperatorChanges, actor: Actor
) -> None:
    """All tenants, or one."""
    for number, (tenant, resource) in enumerate(
        [("globex", CALLS), ("acme", IMAGES), ("acme", CALLS)]
    ):
        await changes.set_override(
            tenant,
            resource,
            number,
            expires_at=None,
            actor=actor,
            reason="r",
            operation_id=f"op-{number}",
        )

    listed = [(each.tenant, each.resource) for each in await changes.overrides()]
    assert listed == [("acme", CALLS), ("acme", IMAGES), ("globex", CALLS)]
    assert [each.units for each in await changes.overrides("globex")] == [0]


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [("", "needs a reason"), ("  \n", "needs a reason"), ("x" * 501, "501 characters")],
)
async def test_a_change_without_a_usable_reason_is_refused(
    redis: Redis, changes: OperatorChanges, actor: Actor, reason: str, sentence: str
) -> None:
    """Why is part of every change."""
    with pytest.raises(BadInput, match=sentence):
        await changes.adjust(
            replace(adjustment(AdjustKind.ADD, 1), reason=reason),
            actor=actor,
            operation_id="op-1",
        )
    assert await redis.keys("*") == []


@pytest.mark.parametrize("amount", [-1, LARGEST + 1, 1.5, True])
async def test_amounts_and_limits_that_are_no_quantity_are_refused(
    redis: Redis, changes: OperatorChanges, actor: Actor, amount: int
) -> None:
    """Neither an adjustment nor an override takes them."""
    with pytest.raises(BadInput, match="is not an amount"):
        await changes.adjust(
            adjustment(AdjustKind.SUBTRACT, amount), actor=actor, operation_id="op-1"
        )
    with pytest.raises(BadInput, match="is not a limit"):
        await changes.set_override(
            "acme",
            CALLS,
            amount,
            expires_at=None,
            actor=actor,
            reason="r",
            operation_id="op-1",
        )
    assert await redis.keys("*") == []


async def test_a_read_only_context_refuses_every_change_and_writes_nothing(
    redis: Redis, context: Context, actor: Actor
) -> None:
    """Reading still works."""
    service = OperatorChanges(redis, replace(context, read_only=True))

    with pytest.raises(ReadOnly):
        await service.adjust(
            adjustment(AdjustKind.ADD, 1), actor=actor, operation_id="op-1"
        )
    with pytest.raises(ReadOnly):
        await service.set_override(
            "acme",
            CALLS,
            5,
            expires_at=None,
            actor=actor,
            reason="r",
            operation_id="op-1",
        )
    with pytest.raises(ReadOnly):
        await service.clear_override(
            "acme", CALLS, actor=actor, reason="r", operation_id="op-1"
        )
    assert await service.overrides() == ()
    assert await service.audit() == ()
    assert await redis.keys("*") == []


async def test_every_change_moves_the_tenant_in_the_index_of_changes(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """Watchers see overrides and adjustments by the same cursor as usage."""
    await changes.adjust(
        adjustment(AdjustKind.ADD, 1), actor=actor, operation_id="op-1"
    )
    await changes.set_override(
        "globex",
        CALLS,
        5,
        expires_at=None,
        actor=actor,
        reason="r",
        operation_id="op-2",
    )
    await changes.clear_override(
        "globex", CALLS, actor=actor, reason="r", operation_id="op-3"
    )

    changed = await redis.zrange(LAYOUT.changed(), 0, -1, withscores=True)
    assert changed == [(b"acme", 1.0), (b"globex", 3.0)]


async def test_in_a_tagged_layout_changes_stay_in_the_tenants_slot(
    redis: Redis, context: Context, actor: Actor
) -> None:
    """Scripts touch tagged keys only; lists over all tenants still work."""
    service = OperatorChanges(redis, with_layout(context, KeyLayout(tagged=True)))

    await service.adjust(
        adjustment(AdjustKind.ADD, 1), actor=actor, operation_id="op-1"
    )
    await service.set_override(
        "acme",
        CALLS,
        5,
        expires_at=None,
        actor=actor,
        reason="r",
        operation_id="op-2",
    )

    untagged = [key for key in await redis.keys("*") if b"{acme}" not in key]
    assert set(untagged) == {LAYOUT.audited(), LAYOUT.overridden()}
    assert len(await service.audit()) == 2
    assert len(await service.overrides()) == 1


async def test_an_unknown_resource_is_refused(
    changes: OperatorChanges, actor: Actor
) -> None:
    """The answer names the resources there are."""
    wish = replace(adjustment(AdjustKind.ADD, 1), resource=ResourceName("bananas"))

    with pytest.raises(NotFound, match="api_calls, images"):
        await changes.adjust(wish, actor=actor, operation_id="op-1")
