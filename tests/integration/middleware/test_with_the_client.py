"""Behind the middleware, the client that keeps usage on disk while Redis is away."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from tests.integration.middleware.applications import (
    client_of,
    plain_app,
    tenant_header,
    until_counted,
)
from tests.support.contexts import CALLS, RENDERS, redis_context, with_events

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.client import MeterClient
from meterdeck.core.errors import ConfigError
from meterdeck.core.middleware import CountsUsage, Tally, UsageMiddleware
from meterdeck.core.model.context import Context, LibraryOptions
from meterdeck.core.model.usage import OnFault, Resource
from meterdeck.core.sandbox.valkey import Valkey


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Valkey]:
    """A server that a test may kill."""
    async with Valkey(data_dir=tmp_path / "valkey") as running:
        yield running


def client_context(server: Valkey, folder: Path, on_fault: OnFault) -> Context:
    """Return a context whose API calls have that rule for faults."""
    return replace(
        redis_context(server.url),
        resources=(Resource(CALLS, "API calls", "call", on_fault=on_fault),),
        library=LibraryOptions(call_timeout_s=10.0, spool_dir=folder),
    )


def behind(
    meter: MeterClient, tally: Tally, mode: Literal["check", "count"] = "check"
) -> UsageMiddleware:
    """Return the plain application with its requests counted by a client."""

    def opened() -> CountsUsage:
        return meter

    return UsageMiddleware(
        plain_app(),
        usage=opened,
        tenant=tenant_header,
        resource=CALLS,
        mode=mode,
        deadline_s=60.0,
        tally=tally,
    )


@pytest.mark.parametrize("mode", ["check", "count"])
async def test_requests_while_redis_is_away_are_counted_when_it_is_back(
    server: Valkey, tmp_path: Path, mode: Literal["check", "count"]
) -> None:
    """A resource that fails open: every answer is given, every one is counted."""
    tally = Tally()
    context = client_context(server, tmp_path / "spool", OnFault.FAIL_OPEN)
    redis = open_redis(context.redis)
    async with (
        MeterClient.open(context) as meter,
        client_of(behind(meter, tally, mode)) as client,
    ):
        statuses = [(await client.get("/")).status_code]
        await server.kill()
        statuses += [(await client.get("/")).status_code for _ in range(5)]
        await server.start()
        await until_counted(redis, 6)
    await redis.aclose()

    assert statuses == [200] * 6
    assert (tally.allowed + tally.counted, tally.spooled, tally.faults) == (1, 5, 0)


async def test_a_resource_that_fails_closed_is_refused_with_503(
    server: Valkey, tmp_path: Path
) -> None:
    """The client has decided; the middleware's own default would have allowed it."""
    tally = Tally()
    context = client_context(server, tmp_path / "spool", OnFault.FAIL_CLOSED)
    async with (
        MeterClient.open(context) as meter,
        client_of(behind(meter, tally)) as client,
    ):
        await server.kill()
        answer = await client.get("/")

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert (tally.faults, tally.spooled) == (1, 0)


async def test_a_client_that_is_not_open_yet_follows_the_middlewares_rule() -> None:
    """The callable's error is a fault as any other, not a 500."""

    def opened() -> CountsUsage:
        raise AttributeError("meter")

    statuses = []
    rules: tuple[Literal["allow", "refuse"], ...] = ("allow", "refuse")
    for rule in rules:
        app = UsageMiddleware(
            plain_app(),
            usage=opened,
            tenant=tenant_header,
            resource=CALLS,
            on_fault=rule,
        )
        async with client_of(app) as client:
            statuses.append((await client.get("/")).status_code)

    assert statuses == [200, 503]


async def test_a_resource_that_is_not_consumed_is_refused_at_the_start(
    server: Valkey,
) -> None:
    """Where the client is given as it is; the sentence says which call is for it."""
    async with MeterClient.open(with_events(redis_context(server.url))) as meter:
        with pytest.raises(ConfigError, match=r"billed by events.*give it to track"):
            UsageMiddleware(
                plain_app(), usage=meter, tenant=tenant_header, resource=RENDERS
            )
