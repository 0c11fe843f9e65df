"""Every door that writes by the contract is closed to a program that is too old."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from redis import Redis as PlainRedis
from tests.support.contexts import (
    CALLS,
    DISK,
    RENDERS,
    USERS,
    redis_context,
    with_events,
    with_kinds,
    with_layout,
)
from tests.support.engine_calls import BESIDE, WRITING, methods, services
from tests.support.stripe_side import running_stripe
from tests.support.writes import written
from tests.tui.pictures import believable

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.client import Degraded, MeterClient
from meterdeck.core.errors import ProgramTooOld, RedisRefused
from meterdeck.core.model.context import Context
from meterdeck.core.model.contract import OURS
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.engine import Engine

SENTENCE = f"this one knows {OURS}: it only reads"
HOUR = timedelta(hours=1)
COUNTING: dict[str, Callable[[MeterClient], Awaitable[Any]]] = {
    "consume": lambda m: m.consume("acme", {CALLS: 1}),
    "reserve": lambda m: m.reserve("acme", {CALLS: 1}, ttl=HOUR),
    "confirm": lambda m: m.confirm("acme", "id"),
    "release": lambda m: m.release("acme", "id"),
    "set_gauge": lambda m: m.set_gauge("acme", DISK, 1),
    "count_unique": lambda m: m.count_unique("acme", USERS, ["ana"]),
    "track": lambda m: m.track("acme", RENDERS, 1),
}
NOT_COUNTING = {"peek", "usage", "refusals"}


async def write_newer(redis: Redis, context: Context) -> None:
    """Have the database say that only newer programs may write it."""
    newer = {"version": OURS + 1, "writers": OURS + 1}
    await cast("Any", redis).hset(context.redis.layout.contract(), mapping=newer)


async def why_not(call: Awaitable[Any]) -> str:
    """Return why a call of the library was not made."""
    try:
        answer = await call
    except RedisRefused as error:  # to give back, or to keep, has no other answer
        return str(error)
    return answer.detail if isinstance(answer, Degraded) else ""


@pytest.mark.parametrize("tagged", [False, True])
async def test_whatever_an_older_program_would_write_is_refused_and_it_goes_on_reading(
    tagged: bool, valkey: Valkey, valkey_client: Redis
) -> None:
    """All doors of an engine are found in the code; neither server is written to, and
    the directory is read from Stripe, and not kept."""
    async with running_stripe() as stripe:
        given = with_events(with_kinds(stripe.context(valkey.url)))
        context = with_layout(given, KeyLayout(tagged=tagged))
        await write_newer(valkey_client, context)
        stripe.requests.clear()
        wrong: list[tuple[str, Exception | None]] = []
        with PlainRedis.from_url(valkey.url) as server, written(server) as found:
            async with Engine(context) as engine:
                by_name = dict(services(engine))
                doors = methods(engine) & WRITING.keys() - BESIDE
                assert doors == WRITING.keys() - BESIDE
                for name in sorted(doors):
                    try:
                        await WRITING[name](by_name[name.partition(".")[0]])
                    except ProgramTooOld:
                        continue
                    except Exception as error:  # told below
                        wrong.append((name, error))
                    else:
                        wrong.append((name, None))
                await engine.directory.refresh()
                await engine.directory.refresh()
                with pytest.raises(ProgramTooOld, match=SENTENCE):
                    await engine.directory.save(believable())

    assert wrong == [], "\n".join(map(str, wrong))
    assert found == set()
    assert [each for each in stripe.requests if not each.startswith("GET ")] == []


async def test_whatever_an_older_library_would_count_is_refused(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """All calls of a client are found in the code; each says why, and none is made."""
    context = with_events(with_kinds(redis_context(valkey.url)))
    context = replace(context, name="old")
    await write_newer(valkey_client, context)
    public = {
        name
        for name, _ in inspect.getmembers(MeterClient, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert public - NOT_COUNTING == COUNTING.keys()
    with PlainRedis.from_url(valkey.url) as server, written(server) as found:
        async with MeterClient.open(context) as meter:
            for name, call in COUNTING.items():
                assert SENTENCE in await why_not(call(meter)), name
    assert found == set()
