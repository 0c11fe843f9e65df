"""Distinct members and a billing cycle that changes: who is known stays known."""

from dataclasses import replace

import pytest
from tests.support.contexts import USERS, with_kinds
from tests.support.cycles import Anchors, by_cycle
from tests.support.desk import Desk
from tests.support.raw import ask, expiry_ms

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.changes import AdjustKind
from meterdeck.core.model.context import Context
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService


@pytest.fixture
async def users(redis: Redis, context: Context) -> Desk:
    """An operator at work on acme's users, which are counted by billing cycle."""
    context = by_cycle(with_kinds(context), USERS)
    usage, changes = UsageService(redis, context), OperatorChanges(redis, context)
    return Desk(changes, usage, resource=USERS)


@pytest.fixture
async def anchors(redis: Redis, context: Context) -> Anchors:
    """Tenant acme, who has no entry yet."""
    context = by_cycle(with_kinds(context), USERS)
    return replace(await Anchors.of(redis, context), resource=USERS)


def named(*numbers: int) -> list[str]:
    """Name members."""
    return [f"user-{number}" for number in range(*numbers)]


async def test_members_who_were_seen_before_the_change_are_not_counted_again(
    redis: Redis, users: Desk, anchors: Anchors
) -> None:
    """The sketches are merged: the new period counts who is new to both. What an
    operator added is carried as a number, and only once."""
    await anchors.save(10)
    await users.usage.count_unique("acme", USERS, named(100))
    await users.adjust(AdjustKind.ADD, 7)
    await anchors.crash_after_writing(20)
    await users.usage.count_unique("acme", USERS, named(80, 120))

    await anchors.restart()

    layout, new = anchors.context.redis.layout, anchors.period(20).label
    members = layout.members("acme", USERS, new)
    seen = await ask(redis, "PFCOUNT", members)
    assert abs(seen - 120) <= 3
    assert await users.used() == seen + 7
    assert abs(await anchors.billed(20) - 40) <= 3
    assert await expiry_ms(redis, members) > 0
    known = await users.usage.count_unique("acme", USERS, named(120))
    assert known.resources[0].current == seen + 7


async def test_members_are_told_apart_there_and_back(
    users: Desk, anchors: Anchors
) -> None:
    """Each change brings only who is new, and an operator's addition once."""
    await anchors.save(10)
    await users.usage.count_unique("acme", USERS, named(50))
    await users.adjust(AdjustKind.ADD, 7)
    for days in (20, 25):
        await anchors.save(days)
        await users.usage.count_unique("acme", USERS, named(60))
    before = await users.used()

    await anchors.save(20)
    await anchors.save(25)

    assert await users.used() == before
    assert isinstance(before, int)
    assert abs(before - 67) <= 3


async def test_a_sketch_of_something_else_carries_nothing(
    redis: Redis, users: Desk, anchors: Anchors
) -> None:
    """It is not overwritten."""
    await anchors.save(10)
    await users.usage.count_unique("acme", USERS, named(50))
    layout = anchors.context.redis.layout
    key = layout.members("acme", USERS, anchors.period(10).label)
    await redis.set(key, "x", keepttl=True)

    await anchors.save(20)

    assert await anchors.counter(20) is None
    assert await redis.get(key) == b"x"
    assert await anchors.noted() is None
