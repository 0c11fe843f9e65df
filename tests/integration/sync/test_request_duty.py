"""A delivering worker makes the changes that people ask for, where it may."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.support.contexts import CALLS
from tests.support.delivering import Bench
from tests.support.people import RULES, Person, at_work
from tests.support.raw import ask
from tests.support.role_users import place_of

from meterdeck.core.errors import Asked
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.acl.user_rules import rules_of
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context, Secret
from meterdeck.core.model.request_answers import RequestState
from meterdeck.core.model.request_rules import Changes
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.sync.equipment import Equipment
from meterdeck.core.services.sync.request_duty import RequestDuty


@asynccontextmanager
async def on_duty(context: Context) -> AsyncIterator[RequestDuty]:
    """Give the duty of a worker of this context."""
    own = Equipment(context)
    try:
        yield RequestDuty(own)
    finally:
        await own.close()


async def add(person: Person, units: int, bill: Bill, request: str) -> None:
    """Ask for more of acme's calls."""
    wish = Adjustment(TenantId("acme"), CALLS, AdjustKind.ADD, units, None, bill, "why")
    with pytest.raises(Asked):
        await person.changes.adjust(wish, actor=Actor("x", "y"), operation_id=request)


async def test_a_worker_serves_and_reckons_by_its_own_stripe_key_what_a_change_is_worth(
    bench: Bench,
) -> None:
    """5,000 calls at a tenth of a cent are above 4 dollars, 3,000 are not, and what is
    not billed is worth nothing. Where changes are direct there is no such duty."""
    bench.stripe.subscribed("acme")
    gateway_context = replace(
        bench.context,
        changes=Changes.REQUEST,
        requests=replace(RULES, above_percent=None, above_money=Decimal(4)),
    )
    await Directory(bench.redis, bench.context, bench.gateway).refresh()
    async with (
        on_duty(gateway_context) as duty,
        at_work(bench.redis, gateway_context, "alice", wait_s=0) as alice,
    ):
        await add(alice, 5_000, Bill.QUOTA_AND_BILL, "dear")
        await add(alice, 3_000, Bill.QUOTA_AND_BILL, "cheap")
        await add(alice, 5_000, Bill.QUOTA_ONLY, "free")
        await duty.serve()
        await duty.tidy()
        seen = await alice.desk.look()
        assert duty.server.served.waiting == 1
        assert len(duty.schedule()) == 2
    async with on_duty(bench.context) as none:
        assert none.schedule() == []
        await none.serve()

    assert {each.id: each.state for each in seen.answered} == {
        "cheap": RequestState.DONE,
        "free": RequestState.DONE,
    }
    (waits,) = seen.pending
    assert (waits.id, waits.why) == ("dear", "it is worth more than 4")


async def test_a_worker_that_may_not_serve_says_so_once_and_leaves_it_to_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """With a user of the role `worker`, which delivers and does nothing else."""
    place = await place_of(bench.redis, bench.context)
    arguments = rules_of(Role.WORKER, place, name="deliverer").arguments()
    await ask(bench.redis, "ACL", "SETUSER", *arguments, ">pw")
    options = replace(bench.context.redis, username="deliverer", password=Secret("pw"))
    context = replace(
        bench.context, redis=options, changes=Changes.REQUEST, requests=RULES
    )
    async with (
        at_work(bench.redis, bench.context, "alice", wait_s=0) as alice,
        on_duty(context) as duty,
    ):
        await add(alice, 5, Bill.QUOTA_ONLY, "r-1")
        with caplog.at_level(logging.INFO, "meterdeck"):
            for _ in range(3):
                await duty.serve()
                await duty.tidy()
        assert duty.schedule() == []
        assert len((await alice.desk.look()).unread) == 0  # she is not by request
    said = [each for each in caplog.messages if "requests_not_served" in each]
    assert len(said) == 1
    assert await ask(bench.redis, "LLEN", "meterdeck:requests:alice") == 1
    await ask(bench.redis, "ACL", "DELUSER", "deliverer")
