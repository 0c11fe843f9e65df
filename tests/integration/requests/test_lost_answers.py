"""Requests whose answer was lost, on either side: done once, and told."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.requests.asked import NOBODY, adding, asked, hurried, used
from tests.support.contexts import CALLS
from tests.support.people import Person, at_work
from tests.support.proxy import Proxy
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import Asked, MeterdeckError, RedisUnreachable
from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.change_requests import Verdict
from meterdeck.core.model.changes import Override
from meterdeck.core.model.context import Context
from meterdeck.core.model.request_answers import (
    Pending,
    RequestAnswer,
    RequestState,
)
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.applying import Applier
from meterdeck.core.services.requests.serving import RequestServer


async def test_a_repeat_by_whoever_lost_the_answer_is_answered_again(
    redis: Redis, context: Context, server: RequestServer
) -> None:
    """It is wanted for longer than the first was, and is the same request."""
    async with at_work(redis, context, "alice") as alice:

        async def twice() -> list[str]:
            made = []
            for _ in range(2):
                done = await alice.changes.adjust(
                    adding(50), actor=NOBODY, operation_id="r-1"
                )
                made.append(done.audit_id)
                await asyncio.sleep(0.002)  # its end is another millisecond
            return made

        asking = asyncio.create_task(twice())
        while not asking.done():
            await server.serve()
            await asyncio.sleep(0.01)
        first, again = await asking
        assert first == again

        waits = adding(900)
        await asked(hurried(alice), waits, "r-2")
        await server.serve()
        await asked(hurried(alice), waits, "r-2")
        await server.serve()
        seen = await alice.desk.look()
        assert [each.state for each in seen.pending] == [RequestState.WAITING]
        assert {each.state for each in seen.answered} == {RequestState.DONE}
    assert await used(redis) == 50


async def decided(
    server: RequestServer, person: Person, record: Pending, verdict: Verdict, own: str
) -> RequestAnswer:
    """Decide about a request, and return the answer."""
    with pytest.raises(Asked):
        await person.desk.decide(record, verdict, "", own)
    await server.serve()
    return (await person.desk.look()).answered[0]


async def test_a_decision_that_is_repeated_is_answered_again(
    redis: Redis, server: RequestServer, alice: Person, bob: Person
) -> None:
    """By what came of it, whatever was decided; the other decision of what does not
    wait any more is refused, and so is another person's."""
    for name in ("one", "two", "three"):
        await asked(alice, adding(600), name)
    await server.serve()
    one, two, three = (await bob.desk.look()).pending

    for person, record, verdict, other in (
        (bob, one, Verdict.APPROVE, Verdict.REJECT),
        (bob, two, Verdict.REJECT, Verdict.APPROVE),
        (alice, three, Verdict.WITHDRAW, Verdict.REJECT),
    ):
        own = f"own-{record.id}"
        first = await decided(server, person, record, verdict, own)
        again = await decided(server, person, record, verdict, own)
        assert (first, first.id) == (again, own)
        late = await decided(server, person, record, other, f"other-{record.id}")
        theirs = await decided(
            server, alice if person is bob else bob, record, verdict, f"b-{record.id}"
        )
        assert {late.state, theirs.state} == {RequestState.REFUSED}
        assert "does not wait any more" in late.says
        assert "does not wait any more" in theirs.says

    assert await used(redis) == 600


async def test_who_approved_is_told_of_what_another_worker_has_finished(
    redis: Redis, server: RequestServer, alice: Person, bob: Person
) -> None:
    """The one that took the approval is gone, and it is in its list still."""
    await asked(alice, adding(600), "big")
    await server.serve()
    (record,) = (await bob.desk.look()).pending
    with pytest.raises(Asked):
        await bob.desk.decide(record, Verdict.APPROVE, "", "own")
    began = record.asked_at - timedelta(hours=1)
    begun = replace(record, state=RequestState.APPLYING, began=began, by="bob")
    await ask(redis, "HSET", "meterdeck:pending", record.name, begun.write())
    await server.tidy()

    await server.serve()

    (told,) = (await bob.desk.look()).answered
    assert (told.id, told.state, told.says) == (
        "own",
        RequestState.DONE,
        "done: 0 → 600",
    )
    assert await used(redis) == 600


async def test_an_answer_that_cannot_be_read_does_not_mean_that_nobody_was_asked(
    redis: Redis, context: Context, server: RequestServer
) -> None:
    """It is `Asked`: it may be done, and is, a moment later."""
    async with Proxy(context.redis.url) as proxy:
        there = replace(context, redis=replace(context.redis, url=proxy.url))
        async with at_work(redis, there, "alice", wait_s=0.1) as alice:
            proxy.lose(b"XRANGE")
            await asked(alice, adding(5), "r-1")
            assert proxy.faults == 1
    await server.serve()
    assert await used(redis) == 5


async def test_many_overrides_go_on_after_a_server_was_away(
    redis: Redis, context: Context
) -> None:
    """It is no answer that half of them were not tried."""
    order = BulkOrder(
        CALLS, tuple((TenantId(f"t{n}"), 9) for n in range(40)), None, "x"
    )

    class AwayOnce(OperatorChanges):
        """Loses its server at one tenant, the first time."""

        left = 1

        async def set_override(
            self, tenant: str, *given: Any, **named: Any
        ) -> Override:
            if tenant == "t20" and self.left:
                self.left = 0
                raise RedisUnreachable("Redis does not answer: as a test wants it")
            return await super().set_override(tenant, *given, **named)

    applier = Applier(redis, context, AwayOnce(redis, context))
    now = datetime.now(UTC)
    record = Pending("alice", "r-1", "", RequestState.APPLYING, now, now, began=now)
    with pytest.raises(RedisUnreachable):
        await applier.apply(order, record, now)
    outcome = await applier.apply(order, record, now)
    assert outcome.says == "done: 40 overrides set"
    assert len(await OperatorChanges(redis, context).overrides()) == 40


async def test_a_key_of_something_else_keeps_nobody_but_its_tenant_waiting(
    redis: Redis, context: Context, server: RequestServer, alice: Person, bob: Person
) -> None:
    """Who asks for that tenant is told why; whoever comes after is served."""
    await ask(redis, "SET", "meterdeck:tenant:odd", "what?")
    await asked(alice, replace(adding(5), tenant=TenantId("odd")), "r-1")
    await asked(bob, adding(3), "r-1")
    await ask(redis, "SET", "meterdeck:answers:bob", "what?")
    async with at_work(redis, context, "carol", wait_s=0) as carol:
        await asked(carol, adding(5), "r-1")
        with pytest.raises(MeterdeckError):
            await server.serve()  # bob's answers are something else

        (told,) = (await alice.desk.look()).answered
        assert (told.state, "WRONGTYPE" in told.says) == (RequestState.REFUSED, True)
        (done,) = (await carol.desk.look()).answered
        assert done.state is RequestState.DONE
