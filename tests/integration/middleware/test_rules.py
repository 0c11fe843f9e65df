"""Who is charged, for what, how much, and under which id: the callables."""

import asyncio
from typing import Literal
from uuid import UUID

import pytest
from tests.integration.middleware.applications import (
    checking,
    client_of,
    counted,
)
from tests.support.contexts import CALLS, IMAGES

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.middleware import (
    Exchange,
    Tally,
    by_route,
    call_id_from_header,
    from_header,
    number_from_header,
)
from meterdeck.core.services.usage import UsageService


async def test_a_repeated_request_counts_once(
    usage: UsageService, valkey_client: Redis
) -> None:
    """The same key on the same address is one call; elsewhere it is another."""
    app = checking(usage, call_id=call_id_from_header("idempotency-key"))
    keyed = {b"idempotency-key": '"8e03978e 40d5\xe9"'.encode("latin-1")}
    async with client_of(app) as client:
        for _ in range(3):
            assert (await client.post("/a", headers=keyed)).status_code == 200
        assert await counted(valkey_client) == 1

        await client.post("/b", headers=keyed)
        await client.post("/a?x=1", headers=keyed)
        await client.get("/a", headers=keyed)
        await client.post("/a")

    assert await counted(valkey_client) == 5


async def test_a_call_id_is_passed_on_and_is_never_a_way_around(
    usage: UsageService, valkey_client: Redis
) -> None:
    """An id used for another cost, or one that can be none, still counts."""
    app = checking(
        usage,
        call_id=lambda exchange: exchange.header("x-id"),
        cost=number_from_header("x-cost"),
    )
    async with client_of(app) as client:
        await usage.consume("acme", {CALLS: 5}, call_id="hop-1")
        await client.get("/", headers={"x-id": "hop-1", "x-cost": "5"})
        assert await counted(valkey_client) == 5  # this hop is the same call

        await client.get("/", headers={"x-id": "hop-1", "x-cost": "7"})
        assert await counted(valkey_client) == 12

        for _ in range(2):
            await client.get("/", headers={"x-id": "no id: {" + "x" * 500})

    assert await counted(valkey_client) == 13


async def test_resource_and_cost_come_from_the_route(
    usage: UsageService, valkey_client: Redis
) -> None:
    """The first pattern that fits decides; what fits none is not counted."""
    routes = {"POST /v1/images/{id}": IMAGES, "/v1/*": CALLS}
    app = checking(
        usage,
        resource=by_route(routes, default=None),
        cost=by_route({"/v1/heavy": 10}, default=1),
    )
    async with client_of(app) as client:
        await client.post("/v1/images/7")
        await client.get("/v1/images/7")
        await client.get("/v1/heavy")
        await client.get("/about")

    assert await counted(valkey_client, resource=IMAGES) == 1
    assert await counted(valkey_client) == 11


async def test_resource_and_cost_come_from_headers(
    usage: UsageService, valkey_client: Redis
) -> None:
    """A gateway's headers say what and how much; 0 is nothing."""
    tally = Tally()
    app = checking(
        usage,
        resource=from_header("x-resource", default=CALLS),
        cost=number_from_header("x-cost", default=2),
        tally=tally,
    )
    async with client_of(app) as client:
        await client.get("/", headers={"x-resource": "images", "x-cost": "3"})
        await client.get("/")
        await client.get("/", headers={"x-cost": "0"})

    assert await counted(valkey_client, resource=IMAGES) == 3
    assert await counted(valkey_client) == 2
    assert (tally.allowed, tally.faults) == (2, 0)


@pytest.mark.parametrize("cost", ["-5", "1.5", "many", "9" * 17, "٣"])
async def test_a_cost_that_is_none_counts_as_one(
    usage: UsageService, valkey_client: Redis, cost: str
) -> None:
    """Nonsense in a header makes a request neither free nor a fault."""
    tally = Tally()
    app = checking(usage, cost=number_from_header("x-cost"), tally=tally)
    async with client_of(app) as client:
        answer = await client.get("/", headers={b"x-cost": cost.encode()})

    assert answer.status_code == 200
    assert await counted(valkey_client) == 1
    assert (tally.rule_errors, tally.faults) == (1, 0)


async def test_callables_may_be_async(
    usage: UsageService, valkey_client: Redis
) -> None:
    """Tenant, resource, cost and call id may each be looked up."""

    async def tenant(exchange: Exchange) -> str:
        await asyncio.sleep(0)
        return "looked-up"

    async def resource(exchange: Exchange) -> str:
        return CALLS

    async def cost(exchange: Exchange) -> int:
        return 4

    async def call_id(exchange: Exchange) -> str:
        return "one"

    app = checking(usage, tenant=tenant, resource=resource, cost=cost, call_id=call_id)
    async with client_of(app) as client:
        await client.get("/")
        await client.get("/")

    assert await counted(valkey_client, "looked-up") == 4


@pytest.mark.parametrize("mode", ["check", "count"])
@pytest.mark.parametrize(
    ("rule", "given"),
    [
        ("tenant", 42),
        ("tenant", UUID(int=5)),
        ("tenant", b"acme"),
        ("resource", [CALLS]),
        ("resource", True),
    ],
)
async def test_a_name_that_is_no_text_is_a_fault_and_no_500(
    usage: UsageService,
    valkey_client: Redis,
    rule: str,
    given: object,
    mode: Literal["check", "count"],
) -> None:
    """It is told as if the callable had raised; nothing is counted."""
    tally = Tally()
    app = checking(usage, mode=mode, tally=tally, **{rule: lambda exchange: given})
    async with client_of(app) as client:
        answer = await client.get("/")

    assert answer.status_code == 200
    assert await valkey_client.keys("usage:*") == []
    assert (tally.rule_errors, tally.faults) == (1, 1)


@pytest.mark.parametrize("given", [None, "", False, 0])
async def test_no_name_is_nobody_however_it_is_written(
    usage: UsageService, given: object
) -> None:
    """As an application writes `user and user.name`."""
    tally = Tally()
    app = checking(usage, tally=tally, tenant=lambda exchange: given)
    async with client_of(app) as client:
        await client.get("/")

    assert (tally.no_tenant, tally.rule_errors) == (1, 0)
