"""Changes by request on a cluster and behind Sentinels, by users of the roles."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from tests.support.contexts import CALLS
from tests.support.people import RULES
from tests.support.raw import ask, of_each_server
from tests.support.role_users import place_of

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.role_scripts import role_scripts
from meterdeck.core.errors import Asked
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.acl.user_rules import Place, rules_of
from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.change_requests import Verdict
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context, Secret
from meterdeck.core.model.request_answers import RequestState
from meterdeck.core.model.request_rules import Changes
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.desk import RequestDesk
from meterdeck.core.services.requests.requested_changes import (
    RequestedBulk,
    RequestedChanges,
)
from meterdeck.core.services.requests.serving import RequestServer

pytestmark = pytest.mark.not_on("valkey", "redis7")

ACME = TenantId("acme")
NOBODY = Actor("whoever", "says so")


@dataclass(frozen=True)
class Member:
    """Somebody with a Redis user of a role."""

    redis: Redis
    context: Context

    @property
    def desk(self) -> RequestDesk:
        """Where they see requests."""
        return RequestDesk(self.redis, self.context)

    @property
    def changes(self) -> RequestedChanges:
        """What they ask by."""
        return RequestedChanges(self.redis, self.context)


@asynccontextmanager
async def staff(
    redis: Redis, context: Context, **roles: Role
) -> AsyncIterator[dict[str, Member]]:
    """Make users as `meterdeck acl` does, on every node, and open their clients."""
    place: Place = await place_of(redis, context)
    rules = replace(RULES, wait_s=0)
    found = {}
    async with AsyncExitStack() as stack:
        for text in role_scripts().values():
            await ask(redis, "SCRIPT", "LOAD", text)
        for name, role in roles.items():
            arguments = rules_of(role, place, name=name).arguments()
            await ask(redis, "ACL", "SETUSER", *arguments, ">pw")
            stack.push_async_callback(ask, redis, "ACL", "DELUSER", name)
            options = replace(context.redis, username=name, password=Secret("pw"))
            client = open_redis(options)
            stack.push_async_callback(client.aclose)
            own = replace(
                context, redis=options, changes=Changes.REQUEST, requests=rules
            )
            found[name] = Member(client, own)
        yield found


async def test_requests_are_made_answered_and_approved_wherever_their_keys_lie(
    redis: Redis, context: Context
) -> None:
    """A counter, many overrides on several nodes at once, and a change that a second
    person approves; each once, by a worker that has no right but its role's."""
    await ask(redis, "ACL", "LOG", "RESET")
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
        while await server.serve():
            pass
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
