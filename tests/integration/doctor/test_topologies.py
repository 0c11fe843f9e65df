"""The doctor on Sentinel and on a cluster: each master is looked at."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.integration.doctor.conftest import Ward
from tests.integration.doctor.test_health import look
from tests.support.raw import ask
from tests.support.redis_server import TOPOLOGIES, Place

from meterdeck.core.adapters.redis_client import (
    open_redis,
    server_time,
    to_milliseconds,
)
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.services.usage import UsageService


@pytest.fixture(params=TOPOLOGIES)
def servers(request: pytest.FixtureRequest) -> Place:
    """Sentinel and a cluster in turn."""
    place: Place = request.getfixturevalue(f"{request.param}_server")
    return place


async def test_several_servers_are_examined_like_one(
    ward: Ward, servers: Place
) -> None:
    """Every check can be made, and nothing is wrong with servers that are well."""
    ward.context = replace(ward.context, redis=servers.options)
    client = open_redis(servers.options)
    try:
        await client.flushall()
        usage = UsageService(client, ward.context)
        await usage.consume("acme", {"api_calls": 3})
        await usage.reserve("bolt", {"api_calls": 3}, ttl=timedelta(hours=1))
    finally:
        await client.aclose()
    found = await ward.findings()

    assert not [f for f in found.values() if f.severity is Severity.FAULT]
    assert not [f for f in found.values() if f.severity is Severity.UNKNOWN]
    words = "3 masters" if servers.options.cluster else "of the Sentinels"
    assert words in found["redis"].found
    assert "all 2 counters" in found["values"].found


async def test_health_tells_of_each_master_and_of_the_sentinels(
    ward: Ward, servers: Place
) -> None:
    """Each node of a cluster; how many Sentinels name the master."""
    ward.context = replace(ward.context, redis=servers.options)

    health = await look(ward)

    redis = health.redis
    assert redis.servers is not None
    assert all(
        each.memory.used and each.load.slow is not None for each in redis.servers
    )
    if servers.options.cluster:
        assert (redis.cluster, len(redis.servers), redis.sentinels) == (True, 3, None)
        assert len({each.name for each in redis.servers}) == 3
        return
    assert redis.sentinels is not None
    said = redis.sentinels
    assert said.known == said.answering == said.agreeing >= said.quorum >= 1
    assert said.master.partition(":")[2].isdecimal()


async def test_reservations_that_nobody_gave_back_are_found_there_too(
    ward: Ward, servers: Place
) -> None:
    """Where keys are tagged the index of reservations is one like any other."""
    ward.context = replace(ward.context, redis=servers.options)
    layout = servers.options.layout
    client = open_redis(servers.options)
    try:
        await client.flushall()
        usage = UsageService(client, ward.context)
        made = await usage.reserve("bolt", {"api_calls": 3}, ttl=timedelta(hours=1))
        label = made.resources[0].period.label
        reserved = layout.reserved("bolt", "api_calls", label)
        [member] = await ask(client, "ZRANGE", reserved, 0, -1)
        past = to_milliseconds(await server_time(client) - timedelta(minutes=20))
        await client.zadd(reserved, {member: past})
        counter = layout.counter("bolt", "api_calls", label)
        await client.zadd(layout.reserving(), {counter: past})

        found = (await ward.findings())["reservations"]

        assert found.severity is Severity.WARNING
        assert "20 min ago" in found.found
    finally:
        await client.aclose()
