"""What people ask for in these tests, and what came of it."""

from dataclasses import replace

import pytest
from tests.support.contexts import CALLS
from tests.support.people import Person
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import Asked
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.request_answers import RequestState
from meterdeck.core.model.usage import TenantId

ACME = TenantId("acme")
NOBODY = Actor("whoever", "says so")


def adding(units: int, expected: int | None = None) -> Adjustment:
    """Return an adjustment of acme's calls."""
    bill = Bill.QUOTA_ONLY
    return Adjustment(ACME, CALLS, AdjustKind.ADD, units, expected, bill, "why")


async def used(redis: Redis) -> int:
    """Return what acme used of its calls."""
    (key,) = await ask(redis, "KEYS", "usage:acme:api_calls:*") or [b"none"]
    return int(await ask(redis, "GET", key) or 0)


async def asked(person: Person, wish: Adjustment, request: str) -> None:
    """Ask for something and do not wait."""
    with pytest.raises(Asked):
        await person.changes.adjust(wish, actor=NOBODY, operation_id=request)


def hurried(person: Person) -> Person:
    """Return the same person, who does not wait for answers."""
    context = person.context
    options = replace(context.requests, wait_s=0)
    return Person(person.name, person.redis, replace(context, requests=options))


async def states(person: Person) -> list[RequestState]:
    """Return what a person was answered for good, oldest first."""
    seen = await person.desk.look()
    return [each.state for each in reversed(seen.answered)]
