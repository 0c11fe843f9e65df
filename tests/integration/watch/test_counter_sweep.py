"""The sweep against real servers: every stretch, every way a value can change."""

import asyncio
from array import array
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.watching import CALLS, IMAGES, tenant_of

from meterdeck.core.adapters.bulk_reader import BulkReader, Command, MgetPlan
from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import Cycle, Interval, PeriodKind
from meterdeck.core.model.usage import Broken
from meterdeck.core.services.counter_sweep import AT_ONCE, CounterSweep
from meterdeck.core.services.counter_table import CounterTable

NOVEMBER = datetime(2026, 11, 22, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
LAYOUT = KeyLayout()


def key(name: str, month: str = "2026-11") -> bytes:
    """The key of a tenant's calls."""
    return LAYOUT.counter(name, CALLS.name, month)


def sweep_of(redis: Redis, *names: str) -> tuple[CounterTable, CounterSweep]:
    """A table of these tenants with calls and images, and its sweep."""
    table = CounterTable([CALLS, IMAGES])
    for name in names:
        table.put(tenant_of(name))
    return table, CounterSweep(table, LAYOUT, BulkReader(redis))


async def whole(sweep: CounterSweep, at: datetime = NOVEMBER) -> int:
    """Sweep the whole fleet; return how many steps it took."""
    steps = 1
    while not await sweep.read_some(at):
        steps += 1
    return steps


async def test_a_fleet_of_many_stretches_is_read_whole(redis: Redis) -> None:
    """Every counter has its own value in its own row, in several steps."""
    names = [f"t{number}" for number in range(5 * AT_ONCE + 7)]
    await redis.mset({key(name): place for place, name in enumerate(names)})
    table, sweep = sweep_of(redis, *names)

    steps = await whole(sweep)

    assert steps > 1
    assert [table.value(row, 0) for row in range(len(names))] == list(range(len(names)))
    assert {table.value(row, 1) for row in range(len(names))} == {None}


async def test_a_new_month_reads_the_new_keys(redis: Redis) -> None:
    """The clock alone changes what is read."""
    await redis.mset({key("acme"): 900, key("acme", "2026-12"): 3, key("beta"): 5})
    table, sweep = sweep_of(redis, "acme", "beta")
    await whole(sweep)
    before = (table.value(0, 0), table.value(1, 0))

    await whole(sweep, DECEMBER)

    assert before == (900, 5)
    assert (table.value(0, 0), table.value(1, 0)) == (3, None)


async def test_a_value_that_went_back_is_not_mistaken_for_an_old_one(
    redis: Redis,
) -> None:
    """5 by the sweep, 6 by the row's own reading, 5 again by the sweep."""
    table, sweep = sweep_of(redis, "acme")
    await redis.set(key("acme"), 5)
    await whole(sweep)
    await redis.set(key("acme"), 6)
    await sweep.read_rows([0], NOVEMBER)
    between = table.value(0, 0)
    await redis.set(key("acme"), 5)

    await whole(sweep)

    assert between == 6
    assert table.value(0, 0) == 5


async def test_each_type_that_is_no_string_is_named(redis: Redis) -> None:
    """Lists, hashes, sets, sorted sets and streams; the sweep keeps the answer."""
    await redis.rpush(key("l"), 1)
    await redis.hset(key("h"), "f", "1")
    await redis.sadd(key("s"), 1)
    await redis.zadd(key("z"), {"m": 1})
    await redis.xadd(key("x"), {"f": 1})
    table, sweep = sweep_of(redis, *"lhszx")
    for row in range(5):
        sweep.suspect(table.tenants[row].id, CALLS.name)

    await sweep.read_suspects(NOVEMBER)
    await whole(sweep)

    told = [table.value(row, 0) for row in range(5)]
    words = ("a list", "a hash", "a set", "a sorted set", "a stream")
    assert told == [Broken(word) for word in words]


async def test_a_cancelled_read_leaves_no_answer_for_the_next(redis: Redis) -> None:
    """The connection of an unfinished read is closed, not reused."""
    reader = BulkReader(redis)
    await redis.mset({"a": 1, "b": 2})
    plan = reader.plan([b"a"])
    for turns in range(8):
        read = asyncio.create_task(reader.read([plan] * 50))
        for _ in range(turns):
            await asyncio.sleep(0)
        read.cancel()
        await asyncio.wait([read])

    assert await reader.mget([b"b"]) == [b"2"]


async def test_an_error_in_the_middle_of_a_read_spoils_nothing(redis: Redis) -> None:
    """An answer still on its way behind it is not taken for a later one's."""
    reader = BulkReader(redis)
    table, sweep = sweep_of(redis, "acme")
    await redis.rpush("list", 1)
    await redis.set(key("acme"), 7)
    get = Command(0, b"*2\r\n$3\r\nGET\r\n$4\r\nlist\r\n")
    wait = Command(0, b"*3\r\n$5\r\nBLPOP\r\n$7\r\nnothing\r\n$1\r\n1\r\n")

    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        await reader.read([MgetPlan((get, wait))])
    await whole(sweep)

    assert table.value(0, 0) == 7
    assert table.take(5)[0].used == array("q", [7])


async def test_a_cycle_that_ends_is_read_at_once_and_is_no_untold_change(
    redis: Redis,
) -> None:
    """Of a hundred thousand tenants one's cycle ends each half minute: it is neither
    left until the sweep comes by, nor taken for a change that nobody told.
    """
    cycled = replace(CALLS, period=PeriodKind.BILLING_CYCLE)
    cycle = Cycle(datetime(2026, 10, 26, 11, tzinfo=UTC), Interval.MONTH)
    before, after = (datetime(2026, 11, 26, hour, tzinfo=UTC) for hour in (10, 11))
    table = CounterTable([cycled])
    table.put(tenant_of("acme", cycle=cycle))
    sweep = CounterSweep(table, LAYOUT, BulkReader(redis))
    await redis.mset({key("acme", "2026-10-26"): 900, key("acme", "2026-11-26"): 3})
    await whole(sweep, before)
    await sweep.read_ended(before)
    old = table.value(0, 0)

    await sweep.read_ended(after)

    assert (old, table.value(0, 0), sweep.found) == (900, 3, set())
    await redis.incr(key("acme", "2026-11-26"))
    await whole(sweep, after)
    assert sweep.found == {"acme"}
