"""A master of Sentinels and a cluster, used by everything that reads and writes."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis.crc import key_slot
from tests.support.cluster import Cluster
from tests.support.redis_server import Place, ask_node, port_of, until
from tests.support.watching import CALLS, IMAGES, tenant_of, watch_context, watched

from meterdeck.core.adapters.bulk_reader import BulkReader
from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.errors import ReadOnly, RedisRefused, RedisUnreachable
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import (
    ClusterOptions,
    Context,
    HostPort,
    RedisOptions,
    Secret,
    SentinelOptions,
)
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.directory_entries import DirectoryEntries
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

TENANTS = tuple(f"tenant-{number}" for number in range(60))  # in slots of all masters
ACTOR = Actor("ada", "local")


@pytest.fixture(params=["sentinel", "cluster"])
def place(request: pytest.FixtureRequest) -> Place:
    """Several servers in turn."""
    servers: Place = request.getfixturevalue(f"{request.param}_server")
    return servers


@pytest.fixture
async def client(place: Place) -> AsyncIterator[Redis]:
    """A client of all of them, with nothing in them."""
    opened = open_redis(place.options)
    try:
        await opened.flushall()
        yield opened
    finally:
        await opened.aclose()


@pytest.fixture
def settings(place: Place) -> Context:
    """A context on these servers."""
    return watch_context("redis://nowhere", redis=place.options)


async def test_a_client_that_only_reads_writes_to_none_of_the_servers(
    client: Redis, place: Place, settings: Context
) -> None:
    """Neither plain, nor in a pipeline, nor as a script; and it does read."""
    await client.set("there", "1")
    only: Any = open_redis(place.options, reads_only=True)
    service = UsageService(only, settings)
    try:
        assert await only.get("there") == b"1"
        for refused in (
            only.set("there", "2"),
            _set_in_pipeline(only),
            service.consume("acme", {CALLS.name: 1}),
            _adjust(only, settings),
        ):
            with pytest.raises(ReadOnly):
                await refused
    finally:
        await only.aclose()
    assert await client.get("there") == b"1"
    assert await client.dbsize() == 1


async def _set_in_pipeline(redis: Redis) -> None:
    pipe = redis.pipeline(transaction=False)
    pipe.set("there", "2")
    await pipe.execute()


def _adjust(redis: Redis, context: Context) -> Coroutine[Any, Any, object]:
    wish = Adjustment(
        TenantId("acme"), CALLS.name, AdjustKind.ADD, 1, None, Bill.QUOTA_ONLY, "why"
    )
    changes = OperatorChanges(redis, context)
    return changes.adjust(wish, actor=ACTOR, operation_id="op")


async def test_a_fleet_is_watched_wherever_its_keys_are(
    client: Redis, settings: Context
) -> None:
    """Counters, a tenant nobody announced, a counter of another type and an override
    are all seen; the directory's tenants are there at once."""
    layout = settings.redis.layout
    entries = DirectoryEntries(client, layout, "rules")
    await entries.write([tenant_of(name) for name in TENANTS])
    label = calendar_month(await server_time(client)).label
    await client.set(layout.counter("stranger", CALLS.name, label), 7)
    await client.rpush(layout.counter(TENANTS[1], IMAGES.name, label), "x")

    async with watched(settings) as (engine, seen):
        for number, name in enumerate(TENANTS):
            await engine.usage.consume(name, {CALLS.name: number + 1})
        await engine.changes.set_override(
            TENANTS[0],
            CALLS.name,
            5,
            expires_at=await later(client),
            actor=ACTOR,
            reason="r",
            operation_id="op",
        )
        await seen.until(lambda: seen.used("stranger") == 7)
        await seen.until(
            lambda: all(
                seen.used(name) == number + 1 for number, name in enumerate(TENANTS)
            )
        )
        await seen.until(lambda: str(seen.used(TENANTS[1], 1)) != "None")
        (override,) = await engine.changes.overrides()
        (entry,) = await engine.changes.audit()

    assert (override.tenant, override.units) == (TENANTS[0], 5)
    assert entry.tenant == TENANTS[0]
    assert len(seen.fleet) == len(TENANTS) + 1


async def later(client: Redis) -> datetime:
    """Return a moment in the next hour, by the servers' clock."""
    return await server_time(client) + timedelta(hours=1)


async def test_the_directory_is_written_and_read_back(
    client: Redis, settings: Context
) -> None:
    """Entries are replaced as a whole, and taken out with their place in the index."""
    entries = DirectoryEntries(client, settings.redis.layout, "rules")
    await entries.write([tenant_of(name) for name in TENANTS])
    first = await entries.revision()
    await entries.write([tenant_of(TENANTS[0], name="New", limits={})])
    await entries.remove([TenantId(TENANTS[1])])

    found = await entries.load()

    assert found.whole
    assert sorted(found.tenants) == sorted({*TENANTS} - {TENANTS[1]})
    renamed = found.tenants[TenantId(TENANTS[0])]
    assert (renamed.name, dict(renamed.limits)) == ("New", {})
    assert await entries.revision() != first


async def test_scan_finds_every_key_once(client: Redis) -> None:
    """One cursor goes through all servers and ends."""
    keys = {f"key-{number}".encode() for number in range(3000)}
    async with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.set(key, 1)
        await pipe.execute()

    found = [key async for key in client.scan_iter(match=b"key-*", count=100)]

    assert set(found) == keys
    assert sorted(await client.keys("key-*")) == sorted(keys)


async def test_a_bulk_read_keeps_the_order_of_the_keys(client: Redis) -> None:
    """Values of many slots come back where their keys were."""
    reader = BulkReader(client)
    keys = [b"key-%d" % number for number in range(2500)]
    async with client.pipeline(transaction=False) as pipe:
        for number, key in enumerate(keys):
            if number % 3:
                pipe.set(key, number)
        await pipe.execute()

    values = await reader.mget(keys)

    assert values == [b"%d" % n if n % 3 else None for n in range(2500)]
    assert await reader.types(keys[:2]) == ["none", "string"]


async def test_servers_that_are_all_away_are_unreachable(place: Place) -> None:
    """One sentence, at once, for counting and for reading."""
    nobody = HostPort("127.0.0.1", 1)
    away = replace(place.options, url="redis://127.0.0.1:1")
    if away.cluster is not None:
        away = replace(away, cluster=ClusterOptions((nobody,)))
    else:
        away = replace(away, sentinel=SentinelOptions((nobody,), "main"))
    client = open_redis(away)
    usage = UsageService(client, watch_context("redis://nowhere", redis=away))
    try:
        async with asyncio.timeout(20):
            with pytest.raises(RedisUnreachable, match=r"answers|does not answer"):
                await usage.consume("acme", {CALLS.name: 1})
            with pytest.raises(RedisUnreachable, match=r"answers|does not answer"):
                await usage.usage("acme")
    finally:
        await client.aclose()


async def test_a_wrong_password_is_said_to_be_one(place: Place) -> None:
    """It is a refusal, and not a server that is away."""
    options = replace(place.options, username="ada", password=Secret("wrong"))
    client = open_redis(options)
    usage = UsageService(client, watch_context("redis://nowhere", redis=options))
    try:
        async with asyncio.timeout(20):
            with pytest.raises(RedisRefused, match="user name and password"):
                await usage.usage("acme")
            with pytest.raises((RedisRefused, RedisUnreachable)):
                await usage.consume("acme", {CALLS.name: 1})
    finally:
        await client.aclose()


async def test_one_node_taken_for_a_single_server_is_told_apart(
    cluster_server: Cluster,
) -> None:
    """The operator learns which setting is missing."""
    options = RedisOptions(
        url=cluster_server.options.url, layout=KeyLayout(tagged=True)
    )
    client = open_redis(options)
    usage = UsageService(client, watch_context("redis://nowhere", redis=options))
    try:
        calls = [usage.consume(name, {CALLS.name: 1}) for name in TENANTS]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refused = [str(each) for each in answers if isinstance(each, RedisRefused)]
        assert refused
        assert all("set redis.cluster" in sentence for sentence in refused)
    finally:
        await client.aclose()


async def test_tenants_whose_slot_moves_are_counted_exactly(
    cluster_server: Cluster,
) -> None:
    """While the keys move calls, settlements and operators' changes wait, and go on at
    the node that has them then; so there and back again."""
    options = cluster_server.options
    context = watch_context("redis://nowhere", redis=options)
    client = open_redis(options)
    usage, changes = UsageService(client, context), OperatorChanges(client, context)
    slot = key_slot(b"{acme}")
    giver = await cluster_server.master_of(slot)
    taker = await cluster_server.master_of((slot + 8192) % 16384)
    try:
        await client.flushall()
        for there, back in ((giver, taker), (taker, giver)):
            name = f"to-{port_of(back)}"
            for number in range(10):
                held = f"{name}-held-{number}"
                await usage.reserve("acme", ONE, ttl=HOUR, call_id=held)
            async with moving(slot, there, back):
                work = [
                    asyncio.create_task(each)
                    for each in all_kinds_of_work(usage, changes, name)
                ]
                await until(lambda: sent_away(there))  # noqa: B023  # at once
                assert not any(each.done() for each in work)
            await asyncio.gather(*work)

        label = calendar_month(await server_time(client)).label
        counted = await client.get(options.layout.counter("acme", CALLS.name, label))
        # Each time 10 held, of which 5 were released, 20 + 5 calls, and 5 added.
        assert counted == b"70"
        assert len(await changes.audit("acme")) == 10
        assert await changes.verify_audit("acme") is None
    finally:
        await client.aclose()
        await cluster_server.healed()


ONE: dict[str, int] = {CALLS.name: 1}
HOUR = timedelta(hours=1)


def all_kinds_of_work(
    usage: UsageService, changes: OperatorChanges, name: str
) -> Iterator[Coroutine[Any, Any, object]]:
    """Return 40 things to be done with acme's calls, each with an id."""
    for number in range(20):
        yield usage.consume("acme", ONE, call_id=f"{name}-{number}")
    for number in range(5):
        yield usage.reserve("acme", ONE, ttl=HOUR, call_id=f"{name}-more-{number}")
        yield usage.release("acme", f"{name}-held-{number}")
        yield usage.confirm("acme", f"{name}-held-{number + 5}")
        acme = TenantId("acme")
        wish = Adjustment(
            acme, CALLS.name, AdjustKind.ADD, 1, None, Bill.QUOTA_ONLY, "r"
        )
        yield changes.adjust(wish, actor=ACTOR, operation_id=f"{name}-{number}")


@asynccontextmanager
async def moving(slot: int, there: Valkey, back: Valkey) -> AsyncIterator[None]:
    """Move a slot's keys: half of them before the block runs, half after it."""
    ids = [await ask_node(each, "CLUSTER", "MYID") for each in (there, back)]
    await ask_node(back, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
    await ask_node(there, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
    await ask_node(there, "CONFIG", "RESETSTAT")
    move = ("MIGRATE", "127.0.0.1", port_of(back), "", 0, 5000, "KEYS")
    keys = await ask_node(there, "CLUSTER", "GETKEYSINSLOT", slot, 1000)
    await ask_node(there, *move, *keys[::2])
    try:
        yield
    finally:
        while keys := await ask_node(there, "CLUSTER", "GETKEYSINSLOT", slot, 1000):
            await ask_node(there, *move, *keys)
        for node in (back, there):
            await ask_node(node, "CLUSTER", "SETSLOT", slot, "NODE", ids[1])


async def sent_away(node: Valkey) -> bool:
    """Tell whether a node has refused calls because their keys are moving."""
    errors = await ask_node(node, "INFO", "errorstats")
    return "errorstat_TRYAGAIN" in errors or "errorstat_ASK" in errors
