"""Above a threshold somebody else decides about a request."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.integration.requests.asked import adding, asked, states, used
from tests.support.contexts import CALLS
from tests.support.people import Person, at_work
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import Asked
from meterdeck.core.model.change_requests import Verdict
from meterdeck.core.model.changes import (
    AdjustKind,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.request_answers import Pending, RequestState
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.serving import RequestServer
from meterdeck.core.services.usage import UsageService


async def test_above_a_threshold_somebody_else_has_to_approve(
    redis: Redis,
    context: Context,
    server: RequestServer,
    alice: Person,
    bob: Person,
) -> None:
    """Not who asked, not support, not a text that is another; then it is done, once."""
    await asked(bob, adding(600), "big")
    await server.serve()
    (record,) = (await bob.desk.look()).pending
    assert (record.before, record.after, await used(redis)) == ("0", "600", 0)

    async def approve(person: Person, record: Pending, own: str) -> str:
        with pytest.raises(Asked):
            await person.desk.decide(record, Verdict.APPROVE, "", own)
        await server.serve()
        return (await person.desk.look()).answered[0].says

    other = replace(record, text=record.text.replace("600", "900"))
    assert "is your own" in await approve(bob, record, "a-1")
    assert "may ask and not decide" in await approve(alice, record, "a-2")
    async with at_work(redis, context, "carol", wait_s=0) as carol:
        assert "is not the request that was looked at" in await approve(
            carol, other, "a-3"
        )
        assert await used(redis) == 0
        assert await approve(carol, record, "a-4") == "done: 0 → 600"
    assert "does not wait any more" in await approve(alice, record, "a-5")

    (entry,) = await OperatorChanges(redis, context).audit("acme")
    assert (entry.actor, entry.origin) == ("bob", "request, approved by carol")
    assert (await bob.desk.look()).answered[0].by == "carol"
    assert (await bob.desk.look()).pending == ()


async def test_what_waits_may_be_rejected_withdrawn_and_ends_by_itself(
    redis: Redis, context: Context, server: RequestServer, alice: Person, bob: Person
) -> None:
    """Each ends it, tells who asked, and nothing is changed."""
    for name in ("one", "two", "three"):
        await asked(alice, adding(600), name)
    await server.serve()
    one, two, three = (await alice.desk.look()).pending
    for person, record, verdict in (
        (bob, one, Verdict.REJECT),
        (alice, two, Verdict.WITHDRAW),
    ):
        with pytest.raises(Asked):
            await person.desk.decide(record, verdict, "no need")
    await server.serve()
    over = replace(three, until=three.asked_at)
    await ask(redis, "HSET", "meterdeck:pending", three.name, over.write())

    await server.tidy()

    ended = [RequestState.REJECTED, RequestState.WITHDRAWN, RequestState.EXPIRED]
    seen = await alice.desk.look()
    about = {each.request: each.state for each in seen.answered}
    assert [about[name] for name in ("one", "two", "three")] == ended
    assert (seen.pending, await used(redis)) == ((), 0)


async def test_a_worker_that_dies_after_an_approval_is_found_again(
    redis: Redis, server: RequestServer, alice: Person
) -> None:
    """Though the approver's list is gone, what was approved is carried out, once."""
    await asked(alice, adding(600), "big")
    await server.serve()
    (record,) = (await alice.desk.look()).pending
    long_ago = record.asked_at - timedelta(days=3)
    begun = replace(record, state=RequestState.APPLYING, began=long_ago, by="bob")
    await ask(redis, "HSET", "meterdeck:pending", record.name, begun.write())

    await server.tidy()
    # As if the answer had been lost, and the scripts had forgotten the operation.
    await ask(redis, "HSET", "meterdeck:pending", record.name, begun.write())
    await ask(redis, "DEL", "meterdeck:op:acme:alice.big")
    await server.tidy()

    assert await states(alice) == [RequestState.DONE] * 2
    assert await used(redis) == 600


async def test_nobody_has_to_approve_what_cannot_be_done(
    redis: Redis, server: RequestServer, usage: UsageService, alice: Person
) -> None:
    """Far above a threshold, and below 0, or not of what was seen: refused at once."""
    await usage.consume("acme", {CALLS: 7})
    await asked(alice, replace(adding(900), kind=AdjustKind.SUBTRACT), "below")
    await asked(alice, adding(900, expected=6), "seen")

    await server.serve()

    seen = await alice.desk.look()
    assert (await states(alice), seen.pending) == ([RequestState.REFUSED] * 2, ())
    assert "is 7; it cannot fall below 0" in seen.answered[1].says
