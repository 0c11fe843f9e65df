"""Readings that cannot be recorded: what is there stays as it is."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.integration.redis.gauge.level import keys, level_key
from tests.support.contexts import CALLS, DISK, USERS
from tests.support.restricted import restricted

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import (
    BadInput,
    BrokenCounter,
    NotFound,
    ReadOnly,
    RedisRefused,
    Refused,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("which", ["counter", "measured", "reserved", "override"])
async def test_a_key_of_another_type_refuses_a_reading_and_is_left(
    redis: Redis, usage: UsageService, which: str
) -> None:
    """Whatever it is, meterdeck does not overwrite it, and records nothing."""
    key = {
        "counter": level_key(),
        "measured": LAYOUT.measured("acme", DISK),
        "reserved": LAYOUT.reserved("acme", DISK, "now"),
        "override": LAYOUT.override("acme", DISK),
    }[which]
    await redis.lpush(key, "x")

    with pytest.raises((BrokenCounter, Refused), match="holds a list"):
        await usage.set_gauge("acme", DISK, 5)

    assert await keys(redis) == {key}


async def test_a_level_that_is_no_number_is_not_overwritten(
    redis: Redis, usage: UsageService
) -> None:
    """Nor one beyond what is exact, nor a time that is none."""
    for key, value in ((level_key(), "1.5"), (LAYOUT.measured("acme", DISK), "soon")):
        await redis.set(key, value)
        with pytest.raises(Refused):
            await usage.set_gauge("acme", DISK, 5)
        assert await redis.get(key) == value.encode()
        await redis.delete(key)

    await usage.reserve("acme", {DISK: 1}, ttl=HOUR)
    with pytest.raises(Refused, match="would pass 2\\^53"):
        await usage.set_gauge("acme", DISK, LARGEST)


NOTED = pytest.mark.not_on("cluster")  # which has no index in the script


@pytest.mark.parametrize(
    "right",
    [
        "-incrby",
        "-set",
        pytest.param("-zadd", marks=NOTED),
        pytest.param("-incr", marks=NOTED),
    ],
)
async def test_a_missing_right_records_nothing(
    redis: Redis, context: Context, right: str
) -> None:
    """Rights are checked before the first write."""
    async with restricted(redis, context.redis, right) as client:
        with pytest.raises(RedisRefused):
            await UsageService(client, context).set_gauge("acme", DISK, 5)

    assert await keys(redis) == set()


async def test_what_makes_no_sense_is_refused_in_a_sentence(
    redis: Redis, usage: UsageService, context: Context
) -> None:
    """And writes nothing."""
    for value in (-1, LARGEST + 1, 1.5, True):
        with pytest.raises(BadInput, match="is no reading of disk_gb"):
            await usage.set_gauge("acme", DISK, value)  # type: ignore[arg-type]  # is it
    with pytest.raises(BadInput, match="api_calls is a counter: count it with consume"):
        await usage.set_gauge("acme", CALLS, 1)
    with pytest.raises(BadInput, match="name them with count_unique"):
        await usage.set_gauge("acme", USERS, 1)
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  # it is about this
    with pytest.raises(BadInput, match="has no time zone"):
        await usage.set_gauge("acme", DISK, 1, measured_at=naive)
    with pytest.raises(BadInput, match="is no limit of this call"):
        await usage.set_gauge("acme", DISK, 1, limits={CALLS: 5})
    with pytest.raises(BadInput, match="is no call id"):
        await usage.set_gauge("acme", DISK, 1, call_id="a b")
    with pytest.raises(BadInput, match="a tenant's name has"):
        await usage.set_gauge("", DISK, 1)
    with pytest.raises(NotFound):
        await usage.set_gauge("acme", "dosk", 1)
    reading = UsageService(redis, replace(context, read_only=True))
    with pytest.raises(ReadOnly):
        await reading.set_gauge("acme", DISK, 1)

    assert await keys(redis) == set()
