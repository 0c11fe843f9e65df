"""Meter events by request: what the scripts alone do, asked for and done once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.billing import Till
from tests.support.contexts import redis_context
from tests.support.raw import ask
from tests.support.staff import Member, staff

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.request_calls import Step
from meterdeck.core.errors import Asked, NoRight, StripeUnreachable
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.change_requests import Verdict as Word
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Secret, StripeOptions
from meterdeck.core.model.delivery import Verdict
from meterdeck.core.model.event_changes import EventChange
from meterdeck.core.model.request_answers import RequestState
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.serving import RequestServer

NOBODY = Actor("whoever", "says so")
SIGNED: dict[str, Any] = {"actor": NOBODY, "reason": "why"}


async def test_letters_are_replayed_resolved_and_compensated_by_request(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Each once, also when asked for again; what is large waits for a second person;
    with who asked in the audit trail, by a worker of the role `clerk` alone."""
    redis, context = valkey_client, redis_context(valkey.url)
    till = await Till.open(redis, context)
    names: dict[str, str] = {}
    for name, units, verdict in (
        ("billed", 7, Verdict.DELIVERED),
        ("doubted", 600, Verdict.AMBIGUOUS),
        ("dead", 5, Verdict.DEAD),
    ):
        await till.use(units)
        claim = await till.claim()
        await till.settle(claim, verdict)
        names[name] = claim.event.identifier

    async with staff(
        redis, context, alice=Role.REQUESTER, bob=Role.REQUESTER, office=Role.CLERK
    ) as team:
        alice, bob, office = team["alice"], team["bob"], team["office"]
        server = RequestServer(office.redis, office.context)
        async with Engine(alice.context) as engine:
            changes = engine.event_changes

            async def wish(change: EventChange, name: str, request: str) -> None:
                with pytest.raises(Asked):
                    await changes.perform(
                        change, names[name], operation_id=request, **SIGNED
                    )

            for _ in range(2):
                await wish(EventChange.REPLAY, "dead", "again.1")
            await wish(EventChange.NOT_COUNTED, "doubted", "not")
            await wish(EventChange.COMPENSATE, "billed", "back")
            form = {"v": 1, "id": "x", "op": "event", "tenant": "acme", "reason": "y"}
            event = {"change": "cancel", "identifier": names["billed"]}
            await ask(
                alice.redis, "RPUSH", "meterdeck:requests:alice",
                json.dumps(form | event),
            )  # fmt: skip
            theirs = form | {"id": "z", "tenant": "bee", "change": "replay"}
            await ask(
                alice.redis, "RPUSH", "meterdeck:requests:alice",
                json.dumps(theirs | {"identifier": names["dead"]}),
            )  # fmt: skip
            while await server.serve():
                pass
            (waits,) = (await bob.desk.look()).pending
            assert (waits.id, waits.why) == (
                "not",
                "it changes more than 50 % of what there is to use",
            )
            with pytest.raises(Asked):
                await bob.desk.decide(waits, Word.APPROVE, "")
            while await server.serve():
                pass
        seen = await alice.desk.look()

    said = {each.id: each.says for each in seen.answered}
    done = {each.id for each in seen.answered if each.state is RequestState.DONE}
    assert len(done) == 3
    assert {"not", "back"} < done
    assert "not made by request" in said["x"]
    assert said["z"].startswith("bee has no event")
    trail = await OperatorChanges(redis, context).audit("acme")
    assert len(trail) == 3
    assert {each.actor for each in trail} == {"alice"}
    assert [each.origin for each in trail if each.operation_id == "alice.not"] == [
        "request, approved by bob"
    ]
    await till.let_pass(timedelta(hours=1))
    claim = await till.claim()
    assert claim.units == 5 + 600 - 7


async def test_a_lead_cancels_directly_where_others_ask(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Who may not is told so, by Redis and before Stripe is asked."""
    stripe = StripeOptions(Secret("sk_test_x"), api_base="http://127.0.0.1:1")
    context = replace(redis_context(valkey.url), stripe=stripe)
    till = await Till.open(valkey_client, context)
    identifier = (await till.deliver(7)).event.identifier

    async def cancel(member: Member) -> None:
        async with Engine(member.context) as engine:
            await engine.event_changes.perform(
                EventChange.CANCEL, identifier, operation_id="c", **SIGNED
            )

    async with staff(
        valkey_client, context, alice=Role.REQUESTER, ada=Role.LEAD
    ) as team:
        with pytest.raises(NoRight, match="user alice has no right to do that"):
            await cancel(team["alice"])
        assert await ask(valkey_client, "EXISTS", "meterdeck:letters:acme") == 0
        with pytest.raises(StripeUnreachable):
            await cancel(team["ada"])

    (entry,) = await OperatorChanges(valkey_client, context).audit("acme")
    assert (entry.action, entry.operation_id) == ("event:cancel", "c")
    assert await ask(valkey_client, "EXISTS", "meterdeck:requests:ada") == 0


async def test_a_compensation_whose_worker_died_before_it_answered_is_done(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """The next worker finds it in the trail, and says so; its units go back once."""
    redis, context = valkey_client, redis_context(valkey.url)
    till = await Till.open(redis, context)
    identifier = (await till.deliver(7)).event.identifier

    async with staff(redis, context, alice=Role.REQUESTER, office=Role.CLERK) as team:
        alice, office = team["alice"], team["office"]
        async with Engine(alice.context) as engine:
            with pytest.raises(Asked):
                await engine.event_changes.perform(
                    EventChange.COMPENSATE, identifier, operation_id="back", **SIGNED
                )
        doomed = RequestServer(office.redis, office.context)
        settle = doomed._calls.settle

        async def settle_once(step: Step) -> bool:
            if step.answer is not None:
                raise KeyboardInterrupt
            return await settle(step)

        doomed._calls.settle = settle_once  # type: ignore[method-assign]  # a death
        with pytest.raises(KeyboardInterrupt):
            await doomed.serve()
        server = RequestServer(office.redis, office.context)
        while await server.serve():
            pass
        (answer,) = (await alice.desk.look()).answered

    assert (answer.state, answer.result["replayed"]) == (RequestState.DONE, True)
    (entry,) = await OperatorChanges(redis, context).audit("acme")
    assert answer.result["audit_id"] == entry.id
    await till.let_pass(timedelta(hours=1))
    assert (await till.claim()).units == -7
