"""Changes by request on real servers: who may ask for what, done once."""

import asyncio
import json
from dataclasses import replace

import pytest
from redis.exceptions import NoPermissionError
from tests.integration.requests.asked import ACME, NOBODY, adding, asked, states, used
from tests.support.contexts import CALLS, RENDERS, with_events
from tests.support.people import Person, at_work, server_of
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.request_calls import Step
from meterdeck.core.errors import BadInput, Conflict, Refused
from meterdeck.core.model.bulk_override import BulkDone, BulkOrder
from meterdeck.core.model.changes import (
    Bill,
    Override,
    Undone,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.request_answers import RequestState
from meterdeck.core.model.usage import BilledBy, TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.serving import RequestServer
from meterdeck.core.services.usage import UsageService


async def test_a_change_is_asked_for_made_by_the_worker_and_answered(
    redis: Redis, context: Context, server: RequestServer
) -> None:
    """The caller gets what a direct change returns; the trail has the list's owner."""
    async with at_work(redis, context, "alice") as alice:

        async def worker() -> None:
            while not server.served.answered:
                await server.serve()
                await asyncio.sleep(0.01)

        done, _ = await asyncio.gather(
            alice.changes.adjust(adding(50), actor=NOBODY, operation_id="r-1"), worker()
        )

    (entry,) = await OperatorChanges(redis, context).audit("acme")
    assert (done.before, done.after, done.audit_id) == (0, 50, entry.id)
    assert (entry.actor, entry.origin) == ("alice", "request")
    assert (entry.operation_id, await used(redis)) == ("alice.r-1", 50)


async def test_nothing_is_asked_for_that_may_be_made_in_one_period_only(
    redis: Redis, context: Context
) -> None:
    """It may be made long after, in the period that runs then."""
    async with at_work(redis, context, "alice") as alice:
        with pytest.raises(Refused, match="the period that runs then"):
            await alice.changes.adjust(
                adding(50), actor=NOBODY, operation_id="r-1", only_period="2026-11"
            )

    assert not await ask(redis, "EXISTS", "meterdeck:requests:alice")


async def test_a_person_may_append_to_their_own_list_and_write_nothing_else(
    redis: Redis, alice: Person
) -> None:
    """Counters, overrides, the trail, answers, what waits and others' lists are closed,
    also from within a script; and the own list cannot be emptied."""
    await alice.push("{}")
    attempts: tuple[tuple[str, ...], ...] = (
        ("RPUSH", "meterdeck:requests:bob", "{}"),
        ("LPUSH", "meterdeck:requests:alice", "{}"),
        ("LPOP", "meterdeck:requests:alice"),
        ("DEL", "meterdeck:requests:alice"),
        ("LTRIM", "meterdeck:requests:alice", "1", "0"),
        ("INCRBY", "usage:acme:api_calls:2026-11", "1"),
        ("HSET", "meterdeck:override:acme:api_calls", "units", "unlimited"),
        ("XADD", "meterdeck:audit:acme", "*", "actor", "bob"),
        ("XADD", "meterdeck:answers:alice", "*", "answer", "{}"),
        ("HSET", "meterdeck:pending", "alice:r-1", "{}"),
        ("EVAL", "return redis.call('INCR', KEYS[1])", "1", "usage:acme:x:now"),
        ("CONFIG", "GET", "*"),
        ("ACL", "SETUSER", "alice", "allkeys"),
    )
    for attempt in attempts:
        with pytest.raises(NoPermissionError):
            await ask(alice.redis, *attempt)

    assert await ask(redis, "LRANGE", "meterdeck:requests:alice", 0, -1) == [b"{}"]
    assert await ask(redis, "DBSIZE") == 1


async def test_a_name_in_the_payload_is_nobodys(
    redis: Redis, server: RequestServer, alice: Person
) -> None:
    """A field that claims another actor is refused, and nothing is done."""
    form = {"v": 1, "id": "r-1", "op": "clear_override", "tenant": "acme"}
    forged = form | {"resource": CALLS, "reason": "why", "actor": "bob"}
    await alice.push(json.dumps(forged))

    await server.serve()

    seen = await alice.desk.look()
    assert [each.says for each in seen.answered] == [
        "the request has a field actor, which means nothing"
    ]


HOSTILE = (
    "", "{", "[]", "null", "\x00\xff", "[" * 50_000, '{"v":' + "9" * 5_000 + "}",
    '{"v":1,"id":"r","op":"adjust","tenant":"acme","resource":"api_calls","kind":"add",'
    '"amount":NaN,"bill":"quota_only","reason":"x"}',
    '{"v":1,"id":"r","op":"adjust","tenant":"acme","resource":"api_calls","kind":"add",'
    '"amount":1e3,"bill":"quota_only","reason":"x"}',
    '{"v":1,"v":1,"id":"r","op":"undo"}',
    '{"v":2,"id":"r","op":"undo"}', '{"v":1,"id":"a b","op":"undo"}',
    '{"v":1,"id":"r","op":"\\u001b]52;c;eA==\\u0007"}',
    '{"v":1,"id":"r","op":"adjust","tenant":"\\ud800","resource":"api_calls",'
    '"kind":"add","amount":1,"bill":"quota_only","reason":"x"}',
    '{"v":1,"id":"s","op":"bulk","resource":"api_calls","limits":[["a",1],["a",2]],'
    '"reason":"x"}',
    '{"v":1,"id":"t","op":"undo","tenant":"acme","audit_id":"*","reason":"x"}',
    '{"v":1,"id":"u","op":"approve","person":"..","request":"r","digest":"","reason":""}',
    "x" * 1_100_000,
)  # fmt: skip


async def test_whatever_is_no_request_gets_one_sentence_and_does_nothing(
    redis: Redis, server: RequestServer, alice: Person
) -> None:
    """Of any payload: the list is empty afterwards, each was answered, nobody hurt."""
    for text in HOSTILE:
        await alice.push(text.encode("latin-1"))

    while await server.serve():
        pass

    seen = await alice.desk.look()
    assert [each.state for each in seen.answered] == [RequestState.REFUSED] * len(
        HOSTILE
    )
    assert all(each.says.isprintable() and each.says for each in seen.answered)
    keys = {key.decode() for key in await ask(redis, "KEYS", "*")}
    assert {each.split(":")[1] for each in keys} == {"answers", "answered", "pending"}


async def test_a_worker_that_dies_between_change_and_answer_leaves_it_done_once(
    redis: Redis, context: Context, server: RequestServer, alice: Person
) -> None:
    """The next one finds the request still there, does nothing twice, and answers."""
    await asked(alice, adding(50), "r-1")
    doomed = server_of(redis, context)

    async def die(step: object) -> bool:
        raise KeyboardInterrupt

    settle = doomed._calls.settle

    async def settle_once(step: Step) -> bool:
        if step.answer is None:
            return await settle(step)
        return await die(step)

    doomed._calls.settle = settle_once  # type: ignore[method-assign]  # a death
    with pytest.raises(KeyboardInterrupt):
        await doomed.serve()
    assert await used(redis) == 50

    await server.serve()

    assert (await states(alice), await used(redis)) == ([RequestState.DONE], 50)


async def test_two_workers_and_a_repeated_request_change_once(
    redis: Redis, context: Context, server: RequestServer, alice: Person
) -> None:
    """Forty requests, each asked for twice, two workers at once: forty changes."""
    for number in range(40):
        for _ in range(2):
            await asked(alice, adding(1), f"r-{number}")
    other = server_of(redis, context)

    async def work(one: RequestServer) -> None:
        while await one.serve():
            pass

    await asyncio.gather(work(server), work(other))

    assert await used(redis) == 40
    seen = await alice.desk.look(200)
    assert {each.id for each in seen.answered} == {f"r-{n}" for n in range(40)}
    assert len(await OperatorChanges(redis, context).audit("acme")) == 40


async def test_an_id_that_is_used_for_something_else_is_refused(
    redis: Redis, server: RequestServer, alice: Person, bob: Person
) -> None:
    """Of the same person; somebody else's same id is another request."""
    await asked(alice, adding(50), "r-1")
    await server.serve()
    await asked(alice, adding(70), "r-1")
    await asked(bob, adding(30), "r-1")

    await server.serve()

    assert await states(alice) == [RequestState.DONE, RequestState.REFUSED]
    assert (await states(bob), await used(redis)) == ([RequestState.DONE], 80)


async def test_a_bill_that_cannot_follow_is_refused_here_and_by_the_worker(
    redis: Redis, context: Context
) -> None:
    """Of a resource that is billed by events, which her settings may not say."""
    context = with_events(context)
    wish = replace(adding(5), resource=RENDERS, bill=Bill.QUOTA_AND_BILL)
    async with at_work(redis, context, "alice", wait_s=0) as alice:
        with pytest.raises(BadInput, match="is billed by events"):
            await alice.changes.adjust(wish, actor=NOBODY, operation_id="r-1")
    other = [replace(x, billed_by=BilledBy.COUNTER) for x in context.resources]
    others = replace(context, resources=tuple(other))
    async with at_work(redis, others, "alice", wait_s=0) as alice:
        await asked(alice, wish, "r-2")
        await server_of(redis, context).serve()
        (answer,) = (await alice.desk.look()).answered

    assert answer.state is RequestState.REFUSED
    assert "renders is billed by events" in answer.says


async def test_a_refusal_is_the_error_that_a_direct_change_raises(
    redis: Redis, context: Context, usage: UsageService, server: RequestServer
) -> None:
    """A conflict comes back as one, with both values."""
    await usage.consume("acme", {CALLS: 7})
    async with at_work(redis, context, "alice") as alice:

        async def worker() -> None:
            while not server.served.answered:
                await server.serve()
                await asyncio.sleep(0.01)

        told, _ = await asyncio.gather(
            alice.changes.adjust(
                adding(1, expected=6), actor=NOBODY, operation_id="r-1"
            ),
            worker(),
            return_exceptions=True,
        )

    assert isinstance(told, Conflict)
    assert (told.expected, told.actual) == (6, 7)


async def test_every_kind_of_change_can_be_asked_for(
    redis: Redis, context: Context, server: RequestServer
) -> None:
    """Override set and cleared, undo, many at once: as if they were made directly."""
    made: list[object] = []
    async with at_work(redis, context, "alice") as alice:
        changes = alice.changes

        async def ask_for_all() -> None:
            made.append(
                await changes.set_override(
                    "acme",
                    CALLS,
                    1200,
                    expires_at=None,
                    operation_id="r-1",
                    actor=NOBODY,
                    reason="why",
                )
            )
            made.append(
                await changes.clear_override(
                    "acme", CALLS, operation_id="r-2", actor=NOBODY, reason="why"
                )
            )
            (_, first) = await changes.audit("acme")
            with pytest.raises(Refused):
                await changes.undo(
                    "acme", first.id, operation_id="r-3", actor=NOBODY, reason="why"
                )
            done = await changes.adjust(adding(5), actor=NOBODY, operation_id="r-4")
            made.append(
                await changes.undo(
                    "acme",
                    done.audit_id,
                    operation_id="r-5",
                    actor=NOBODY,
                    reason="why",
                )
            )
            order = BulkOrder(
                CALLS, ((ACME, 900), (TenantId("bee"), 1100)), None, "why"
            )
            made.append(
                await alice.bulk.perform(order, actor=NOBODY, operation_id="r-6")
            )

        asking = asyncio.create_task(ask_for_all())
        while not asking.done():
            await server.serve()
            await asyncio.sleep(0.01)
        await asking

    set_, cleared, undone, many = made
    assert isinstance(set_, Override)
    assert isinstance(cleared, Override)
    assert isinstance(undone, Undone)
    assert (set_.units, set_.actor, cleared.units) == (1200, "alice", 1200)
    assert (undone.before, undone.after) == ("5", "0")
    assert many == BulkDone((ACME, TenantId("bee")), ())
    trail = await OperatorChanges(redis, context).audit()
    assert {each.actor for each in trail} == {"alice"}
