"""Undoing overrides: the one before is back, where nothing changed it since."""

import asyncio
from datetime import datetime, timedelta

import pytest
from tests.support.contexts import CALLS
from tests.support.desk import BOB, Desk
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import ResourceName
from meterdeck.core.services.change_calls import ChangeCalls, Signature

LAYOUT = KeyLayout()


async def until(redis: Redis, moment: datetime) -> None:
    """Wait for the server's clock."""
    async with asyncio.timeout(20):
        while await server_time(redis) < moment:  # noqa: ASYNC110  # the server's clock
            await asyncio.sleep(0.01)


async def test_an_undone_override_gives_the_one_before_back(
    redis: Redis, desk: Desk
) -> None:
    """Step by step, to the millisecond, and at last to none: the plan's limit."""
    ends = await server_time(redis) + timedelta(days=3)
    steps = [
        await desk.limit(2000, ends),
        await desk.limit(None),
        await desk.limit(0),
    ]

    await desk.undo(steps[2])
    unlimited = await desk.override()
    await desk.undo(steps[1])
    limited = await desk.override()
    await desk.undo(steps[0])

    assert unlimited is not None
    assert (unlimited.units, unlimited.expires_at) == (None, None)
    assert limited is not None
    assert (limited.units, limited.expires_at) == (2000, ends)
    assert (limited.actor, limited.reason) == ("bob", "was wrong")
    assert await ask(redis, "PEXPIRETIME", LAYOUT.override("acme", CALLS)) == -2
    assert await desk.override() is None
    assert await desk.entries() == 6


async def test_an_undone_removal_puts_the_override_in_force_again(
    redis: Redis, desk: Desk
) -> None:
    """With the end it had; undoing that removes it again."""
    ends = await server_time(redis) + timedelta(hours=1)
    await desk.limit(5000, ends)
    removal = await desk.unlimit()

    done = await desk.undo(removal)

    override = await desk.override()
    assert override is not None
    assert (override.units, override.expires_at) == (5000, ends)
    key = LAYOUT.override("acme", CALLS)
    assert await ask(redis, "PEXPIRETIME", key) == int(ends.timestamp() * 1000)
    await desk.undo(done.audit_id)
    assert await desk.override() is None
    assert await desk.entries() == 4


# It waits for an end; that is the same wherever the keys are.
@pytest.mark.not_on("cluster", "sentinel")
async def test_an_override_that_has_ended_is_not_put_back(
    redis: Redis, desk: Desk
) -> None:
    """Neither as the one before, nor as the one removed, nor is its own end undone."""
    soon = await server_time(redis) + timedelta(seconds=2)
    desk.resource = ResourceName("images")
    await desk.limit(2, soon)
    removal = await desk.unlimit()
    desk.resource = CALLS
    own = await desk.limit(2000, soon)
    replacing = await desk.limit(5000)
    desk.resource = ResourceName("storage_gb")
    ended = await desk.limit(3, soon)
    await until(redis, soon)

    done = await desk.undo(replacing)

    assert (done.action, done.after) == ("override:clear", "none")
    assert await desk.changes.overrides("acme") == ()
    with pytest.raises(Refused, match="removed would have ended by now"):
        await desk.undo(removal)
    for entry in (ended, own):
        with pytest.raises(Refused, match="set has ended; there is nothing to undo"):
            await desk.undo(entry)
    assert await desk.entries() == 6


async def test_an_override_that_was_changed_since_is_undone_in_order_only(
    desk: Desk,
) -> None:
    """Also where what is there looks the same as what the entry left."""
    first = await desk.limit(5)
    removal = await desk.unlimit()
    again = await desk.limit(5)

    for entry in (first, removal):
        with pytest.raises(Refused, match=f"ada with entry {again}; undo that one"):
            await desk.undo(entry)
    for entry in (again, removal, first):
        await desk.undo(entry)

    assert await desk.override() is None
    assert await desk.entries() == 6


async def test_an_override_that_something_else_changed_is_left_alone(
    redis: Redis, desk: Desk
) -> None:
    """The trail does not know of it, so the value itself is compared."""
    entry = await desk.limit(5)
    await redis.hset(LAYOUT.override("acme", CALLS), "units", "6")

    with pytest.raises(Refused, match="left the override as 5, and it is 6 now"):
        await desk.undo(entry)


@pytest.mark.parametrize("wanted", ["set", "clear"])
async def test_the_script_itself_compares_the_override(
    redis: Redis, context: Context, desk: Desk, wanted: str
) -> None:
    """What is changed between looking and doing is seen in the same step."""
    entry = await desk.limit(5)
    calls = ChangeCalls(redis, context)
    signature = Signature(BOB, "r", "op-undo", undoes=entry)

    if wanted == "set":
        reply = await calls.set_override(
            desk.tenant, CALLS, 7, None, signature, expected="4"
        )
    else:
        reply = await calls.clear_override(
            desk.tenant, CALLS, signature, expected="none"
        )

    assert reply == [b"conflict", b"5"]
    assert await desk.entries() == 1


async def test_a_repeated_undo_is_the_same_whatever_it_would_do_now(
    redis: Redis, context: Context, desk: Desk
) -> None:
    """The override before has ended since: the first answer, and nothing is removed."""
    entry = await desk.limit(5)
    calls = ChangeCalls(redis, context)
    signature = Signature(BOB, "r", "op-undo", undoes=entry)
    first = await calls.set_override(
        desk.tenant, CALLS, 7, None, signature, expected="5"
    )

    again = await calls.clear_override(desk.tenant, CALLS, signature, expected="5")

    assert again == [b"ok", b"1", *first[2:]]
    override = await desk.override()
    assert override is not None
    assert override.units == 7
