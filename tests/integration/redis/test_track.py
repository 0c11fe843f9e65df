"""Use that is billed by events: counted and queued in one step, or neither."""

import json

import pytest
from tests.support.contexts import RENDERS, with_events
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import (
    Redis,
    server_time,
    to_milliseconds,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


@pytest.fixture
def context(context: Context) -> Context:
    """The same with a resource that is billed by events."""
    return with_events(context)


async def counter_key(redis: Redis) -> bytes:
    """Name the counter of acme's renders this month."""
    label = calendar_month(await server_time(redis)).label
    return LAYOUT.counter("acme", RENDERS, label)


async def queued(redis: Redis) -> list[dict[str, str]]:
    """Return the fields of every entry of acme's queue."""
    entries = await ask(redis, "XRANGE", LAYOUT.queue("acme"), "-", "+")
    return [
        {name.decode(): value.decode() for name, value in fields.items()}
        for _, fields in entries
    ]


async def test_a_use_is_counted_and_its_event_is_queued(
    redis: Redis, usage: UsageService
) -> None:
    """With the exact value, the dimensions, and the second in which it was counted."""
    made = await usage.track(
        "acme", RENDERS, 250, dimensions={"size": "xl", "área": "eu"}, call_id="r-1"
    )

    now = to_milliseconds(await server_time(redis)) // 1000
    (event,) = await queued(redis)
    assert (made.allowed, made.resources[0].current) == (True, 250)
    assert await redis.get(await counter_key(redis)) == b"250"
    assert (event["value"], event["units"], event["scale"]) == ("2.5", "250", "2")
    assert (event["tenant"], event["resource"]) == ("acme", RENDERS)
    assert event["event_name"] == "renders"
    assert json.loads(event["dimensions"]) == {"size": "xl", "área": "eu"}
    assert now - 5 <= int(event["timestamp"]) <= now
    assert event["identifier"].startswith("md1-")
    assert "customer" not in event
