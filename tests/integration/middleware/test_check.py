"""Checking before the application: what passes, what is answered instead."""

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.integration.middleware.applications import (
    PATIENT_S,
    checking,
    client_of,
    counted,
    limited,
    served,
    tenant_header,
)
from tests.integration.middleware.structured_fields import parse_list
from tests.support.contexts import CALLS, IMAGES

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import ConfigError
from meterdeck.core.middleware import (
    Tally,
    UsageMiddleware,
)
from meterdeck.core.middleware.asgi import Message
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.usage import UsageService


async def test_a_request_is_counted_and_its_answer_says_what_is_left(
    usage: UsageService, valkey_client: Redis
) -> None:
    """The fields can be read back; the window is the month, until its end."""
    async with client_of(checking(usage, cost=3)) as client:
        answer = await client.get("/v1/things")

    month = calendar_month(await server_time(valkey_client))
    policy = parse_list(answer.headers["ratelimit-policy"])
    state = parse_list(answer.headers["ratelimit"])
    assert (answer.status_code, answer.text) == (200, "done")
    assert await counted(valkey_client) == 3
    window = int((month.end - month.start).total_seconds())
    assert policy == {"api_calls": {"q": 1000, "w": window}}
    assert state["api_calls"]["r"] == 997
    left = (month.end - datetime.now(UTC)).total_seconds()
    assert left <= state["api_calls"]["t"] <= left + PATIENT_S


async def test_what_does_not_fit_is_answered_429_with_problem_details(
    usage: UsageService, valkey_client: Redis
) -> None:
    """The answer says what, how much and until when; nothing was counted."""
    app = checking(usage, resource=IMAGES, cost=4)
    async with client_of(app) as client:
        await client.get("/")
        await client.get("/")
        answer = await client.get("/secret?token=1")

    month = calendar_month(await server_time(valkey_client))
    resets_at = month.end.strftime("%Y-%m-%dT%H:%M:%SZ")
    problem = answer.json()
    instance = problem.pop("instance")
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", instance)
    assert problem == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Quota exceeded",
        "status": 429,
        "detail": "This request needs 4 of images;"
        f" 2 of 10 are left until {resets_at}.",
        "violated-policies": ["images"],
        "resource": "images",
        "cost": 4,
        "limit": 10,
        "used": 8,
        "resets_at": resets_at,
    }
    state = parse_list(answer.headers["ratelimit"])["images"]
    assert state["r"] == 2
    assert int(answer.headers["retry-after"]) == state["t"]
    assert await counted(valkey_client, resource=IMAGES) == 8


async def test_200_requests_at_once_use_up_the_limit_exactly(
    valkey_client: Redis, context: Context
) -> None:
    """As many pass as the limit allows, and every other one is answered 429."""
    tally = Tally()
    usage = UsageService(valkey_client, limited(context, 77))
    async with client_of(checking(usage, tally=tally)) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(200)))

    assert Counter(each.status_code for each in answers) == {200: 77, 429: 123}
    assert await counted(valkey_client) == 77
    assert (tally.allowed, tally.refused, tally.faults) == (77, 123, 0)
    left = [
        parse_list(each.headers["ratelimit"])["api_calls"]["r"]
        for each in answers
        if each.status_code == 200
    ]
    assert sorted(left) == list(range(77))


async def test_a_resource_without_a_limit_has_no_fields(
    valkey_client: Redis, context: Context
) -> None:
    """There is nothing to tell: the answer is the application's alone."""
    usage = UsageService(valkey_client, limited(context, None))
    async with client_of(checking(usage)) as client:
        answer = await client.get("/")

    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("ratelimit")]
    assert await counted(valkey_client) == 1


async def test_retry_after_is_the_rest_of_the_period_rounded_up(
    valkey_client: Redis, context: Context
) -> None:
    """An hour and half a second before the end it is 3,601; after it, 1."""
    usage = UsageService(valkey_client, limited(context, 0))
    end = calendar_month(await server_time(valkey_client)).end
    waits = []
    for at in (end - timedelta(hours=1, seconds=0.5), end + timedelta(hours=1)):
        app = checking(usage, clock=lambda at=at: at)
        async with client_of(app) as client:
            waits.append((await client.get("/")).headers["retry-after"])

    assert waits == ["3601", "1"]


async def test_fields_of_the_application_are_kept(usage: UsageService) -> None:
    """Its own items and cookies stay; ours are added to the list."""

    async def answer(request: Request) -> Response:
        response = Response("x", headers={"ratelimit": '"burst";r=1;t=2'})
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    app = UsageMiddleware(
        Starlette(routes=[Route("/", answer)]),
        usage=usage,
        tenant=tenant_header,
        resource=CALLS,
        deadline_s=PATIENT_S,
    )
    async with client_of(app) as client:
        found = await client.get("/")

    assert set(parse_list(found.headers["ratelimit"])) == {"burst", "api_calls"}
    assert len(found.headers.get_list("set-cookie")) == 2


async def test_head_is_refused_without_a_body(
    valkey_client: Redis, context: Context
) -> None:
    """Where HEAD is not exempt its 429 has the headers of GET's and no content."""
    usage = UsageService(valkey_client, limited(context, 0))
    app = checking(usage, exempt_methods=())
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    for method in ("HEAD", "GET"):
        headers = [(b"x-tenant", b"acme")]
        scope = {"type": "http", "method": method, "path": "/", "headers": headers}
        await app(scope, receive, send)

    head, nothing, get, content = sent
    lengths = [dict(each["headers"])[b"content-length"] for each in (head, get)]
    assert head["status"] == 429
    assert nothing["body"] == b""
    assert lengths == [b"%d" % len(content["body"])] * 2


async def test_a_refused_upload_leaves_the_connection_usable(
    valkey_client: Redis, context: Context
) -> None:
    """The 429 comes though nobody reads the body; the next request is served."""
    usage = UsageService(valkey_client, limited(context, 0))
    app = checking(usage, exempt=("/free",))
    async with (
        served(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENT_S) as client,
    ):
        refused = await client.post(
            "/", content=b"x" * 5_000_000, headers={"x-tenant": "acme"}
        )
        after = await client.get("/free")

    assert (refused.status_code, after.status_code) == (429, 200)


@pytest.mark.parametrize("tenant", ["", "x" * 600])
async def test_a_request_of_nobody_passes_or_is_asked_to_log_in(
    usage: UsageService, valkey_client: Redis, tenant: str
) -> None:
    """No name, and one that can be none, are the same: passed on, or 401."""
    tally = Tally()
    passing = checking(usage, tally=tally)
    refusing = checking(
        usage, unknown_tenant="refuse", challenge='Bearer realm="api"', tally=tally
    )
    async with client_of(passing, tenant) as client:
        passed = await client.get("/")
    async with client_of(refusing, tenant) as client:
        refused = await client.get("/")

    assert passed.status_code == 200
    assert "ratelimit" not in passed.headers
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="api"'
    assert refused.json()["status"] == 401
    assert refused.json()["type"] == "about:blank"
    assert tally.no_tenant == 2
    assert await valkey_client.keys("usage:*") == []


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("mode", "after", 'mode: is \'after\'; it is "check" or "count"'),
        ("on_fault", "open", 'on_fault: is \'open\'; it is "allow" or "refuse"'),
        ("unknown_tenant", "deny", 'it is "pass" or "refuse"'),
        ("resource", "", "resource: is empty"),
        ("cost", -1, "cost: cannot be used"),
        ("cost", True, "cost: cannot be used"),
        ("exempt", "/health", "write ('/health',)"),
        ("exempt_methods", "OPTIONS", "write ('OPTIONS',)"),
        ("count_below", "400", "count_below: is '400'; it is a whole number"),
        ("retry_after_s", "5", "retry_after_s: is '5'; it is a whole number"),
        ("retry_after_s", None, "retry_after_s: is None; it is a whole number"),
        ("retry_after_s", -3, "retry_after_s: is -3; it is a whole number"),
        ("deadline_s", None, "deadline_s: is None; it is more than 0"),
        ("deadline_s", 0, "deadline_s: is 0; it is more than 0"),
        ("exempt", ("health",), "has no path"),
        ("challenge", "a\nb", "challenge: is no header's value"),
    ],
)
def test_a_wrong_option_is_refused_at_the_start(
    usage: UsageService, option: str, value: object, sentence: str
) -> None:
    """The sentence names the option and what would be right."""
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        checking(usage, **{option: value})


@pytest.mark.parametrize("option", ["on_fault", "unknown_tenant"])
def test_counting_afterwards_cannot_refuse(usage: UsageService, option: str) -> None:
    """What is answered cannot be taken back, so asking for it is an error."""
    with pytest.raises(ConfigError, match="answered already"):
        checking(usage, mode="count", **{option: "refuse"})
