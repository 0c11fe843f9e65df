"""Changes by request on a cluster and behind Sentinels, by users of the roles."""

import pytest
from tests.support.contexts import CALLS
from tests.support.raw import ask, of_each_server
from tests.support.staff import load_role_scripts, staff

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import Asked, RedisRefused
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.change_requests import Verdict
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.request_answers import RequestState
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.requested_changes import (
    RequestedBulk,
)
from meterdeck.core.services.requests.serving import RequestServer

pytestmark = pytest.mark.not_on("valkey", "redis7")

ACME = TenantId("acme")
NOBODY = Actor("whoever", "says so")


async def test_requests_are_made_answered_and_approved_wherever_their_keys_lie(
    redis: Redis, context: Context
) -> None:
    """A counter, many overrides on several nodes at once, and a change that a second
    person approves; each once, by a worker that has no right but its role's."""
    others = [TenantId(f"tenant-{number}") for number in range(5)]
    async with staff(
        redis, context, alice=Role.REQUESTER, bob=Role.REQUESTER, office=Role.CLERK
    ) as team:
        alice, bob, office = team["alice"], team["bob"], team["office"]
        server = RequestServer(office.redis, office.context)

        async def add(units: int, request: str) -> None:
            wish = Adjustment(
                ACME, CALLS, AdjustKind.ADD, units, None, Bill.QUOTA_ONLY, "why"
            )
            with pytest.raises(Asked):
                await alice.changes.adjust(wish, actor=NOBODY, operation_id=request)

        await add(50, "small")
        await add(600, "large")
        order = BulkOrder(CALLS, tuple((each, 900) for each in others), None, "why")
        with pytest.raises(Asked):
            await RequestedBulk(alice.redis, alice.context).perform(
                order, actor=NOBODY, operation_id="many"
            )
        assert not await bob.desk.served()
        await ask(redis, "SCRIPT", "FLUSH")
        with pytest.raises(RedisRefused, match="the server has forgotten"):
            await server.serve()
        assert not await bob.desk.served()  # there, and no use to anybody
        await load_role_scripts(redis)
        await ask(redis, "ACL", "LOG", "RESET")
        while await server.serve():
            pass
        assert await bob.desk.served()
        (waits,) = (await bob.desk.look()).pending
        with pytest.raises(Asked):
            await bob.desk.decide(waits, Verdict.APPROVE, "")
        while await server.serve():
            pass
        await server.tidy()
        seen = await alice.desk.look()
        changes = OperatorChanges(redis, context)
        trail = await changes.audit()
        overrides = await changes.overrides()
        broken = await changes.verify_audits()
    refused = await of_each_server(redis, "ACL", "LOG")

    assert {each.id: each.state for each in seen.answered} == dict.fromkeys(
        ("small", "large", "many"), RequestState.DONE
    )
    assert seen.pending == ()
    (approved,) = [each for each in trail if each.operation_id == "alice.large"]
    assert (approved.before, approved.after) == ("50", "650")
    assert approved.origin == "request, approved by bob"
    assert {each.tenant for each in overrides} == set(others)
    assert (len(trail), broken.broken) == (2 + len(others), ())
    assert not any(refused)
