"""Overrides: another limit at once, until its end, always written down."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.acme import counter_key, everything
from tests.support.contexts import CALLS, IMAGES
from tests.support.raw import expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import (
    BadInput,
    NotFound,
)
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import Limit, LimitSource
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_an_override_beats_the_plan_at_once(
    redis: Redis, changes: OperatorChanges, usage: UsageService, actor: Actor
) -> None:
    """The next call counts by it; its key carries its expiry."""
    await redis.set(await counter_key(redis, LAYOUT), 1000)
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
    await redis.set(await counter_key(redis, LAYOUT), 1000)
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
    assert await everything(redis, LAYOUT) == {}


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


async def test_overrides_that_are_over_or_broken_are_found_and_not_in_force(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """What stands in an override's place is told, each by itself."""
    for number, tenant in enumerate(("acme", "globex", "initech", "umbra", "soylent")):
        await changes.set_override(
            tenant,
            CALLS,
            5,
            expires_at=await server_time(redis) + timedelta(hours=1),
            actor=actor,
            reason="r",
            operation_id=f"op-{number}",
        )
    await redis.hset(LAYOUT.override("globex", CALLS), "expires_at", "1700000000000")
    await redis.hdel(LAYOUT.override("initech", CALLS), "units")
    await redis.delete(LAYOUT.override("soylent", CALLS))  # as when it has ended
    await redis.delete(LAYOUT.override("umbra", CALLS))
    await redis.lpush(LAYOUT.override("umbra", CALLS), "x")

    told = {str(each.tenant): each for each in await changes.overrides_found()}

    assert await changes.overrides_found("umbra") == (told["umbra"],)
    assert list(told) == ["acme", "globex", "initech", "umbra"]
    assert [each.in_force for each in told.values()] == [True, False, False, False]
    assert told["globex"].ended
    assert told["initech"].problem == "it holds no limit: the plan's counts"
    assert told["umbra"].problem.startswith("its key holds something else")
    assert [each.tenant for each in await changes.overrides()] == ["acme"]
