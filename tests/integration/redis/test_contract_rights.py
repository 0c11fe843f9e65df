"""The public contract's rights are enough for what it says."""

import re
from dataclasses import replace

import pytest
from tests.support.billing import Till, settled
from tests.support.contexts import CALLS, DISK, USERS, with_kinds
from tests.support.contract_document import DOCUMENT
from tests.support.raw import ask
from tests.support.restricted import restricted

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.model.context import Context, Secret
from meterdeck.core.model.delivery import Claim, Verdict
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.services.usage import UsageService


async def test_the_documented_rights_are_enough_to_consume(
    redis: Redis, context: Context
) -> None:
    """An application's user with exactly these rights counts; on a cluster it needs
    two more, to find the nodes."""
    rights = re.search(r"needs `(\+evalsha[^`]+)`", DOCUMENT)
    besides = re.search(r"every user needs `(\S+)` and `(\S+)` besides", DOCUMENT)
    assert rights is not None
    assert besides is not None
    keys = ("~usage:*", "~meterdeck:*")
    given = (*rights[1].split(), *(besides.groups() if context.redis.cluster else ()))
    await ask(redis, "ACL", "SETUSER", "app", "on", ">pw", *keys, *given)
    client = open_redis(replace(context.redis, username="app", password=Secret("pw")))
    try:
        made = await UsageService(client, context).consume(
            "acme", {CALLS: 2}, call_id="req-1"
        )
        assert made.resources[0].current == 2
    finally:
        await client.aclose()
        await ask(redis, "ACL", "DELUSER", "app")


@pytest.mark.not_on("cluster")  # a client of one wants to know its nodes, too
@pytest.mark.parametrize(
    ("script", "needs"),
    [
        ("set_gauge", r"set_gauge needs `([^`]+)`"),
        ("count_unique", r"count_unique\s+`([^`]+)`"),
    ],
)
async def test_the_documented_rights_are_enough_for_gauges_and_members(
    redis: Redis, context: Context, script: str, needs: str
) -> None:
    """Those of consume, and the script's own; records of refusals want more."""
    rights = [
        re.search(each, DOCUMENT) for each in (r"needs `(\+evalsha[^`]+)`", needs)
    ]
    granted = " ".join(found[1] for found in rights if found).split()
    connecting = ("+ping", "+hello", "+client")
    async with restricted(
        redis, context.redis, "-@all", *connecting, *granted
    ) as client:
        usage = UsageService(client, with_kinds(context))
        if script == "set_gauge":
            assert (await usage.set_gauge("acme", DISK, 5)).current == 5
            return
        limits = {str(USERS): 1}
        made = [
            await usage.count_unique("acme", USERS, [name], limits=limits)
            for name in ("ann", "bob")
        ]

    assert [each.allowed for each in made] == [True, False]
    assert await redis.exists(KeyLayout().refusals("acme")) == 0


@pytest.mark.not_on("cluster")  # a client of one wants to know its nodes, too
async def test_the_documented_rights_are_enough_to_claim_and_settle(
    redis: Redis, context: Context
) -> None:
    """Also where the event is refused, and where it is waited for a replica."""
    rights = re.search(r"claim and settle a worker needs `([^`]+)`", DOCUMENT)
    assert rights is not None
    till = await Till.open(redis, context)
    await till.use(5)
    connecting = ("+ping", "+hello", "+client")
    granted = rights[1].split()
    async with restricted(
        redis, context.redis, "-@all", *connecting, *granted
    ) as client:
        records = BillingRecords(client, context, "worker")
        (claim,) = await records.claim([till.wanted])
        assert isinstance(claim, Claim)
        assert await records.settle([settled(claim, Verdict.DEAD)]) == [True]
        assert (await records.read([till.wanted.counter]))[0].parked == 5
