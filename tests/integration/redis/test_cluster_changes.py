"""Operator changes on a cluster, whose indexes are written beside the scripts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis.crc import key_slot
from tests.support.cluster import Cluster
from tests.support.contexts import CALLS, redis_context
from tests.support.desk import Desk
from tests.support.raw import of_each_server
from tests.support.redis_server import ask_node, until
from tests.support.restricted import restricted
from tests.support.role_users import place_of, role_users

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.acl.user_rules import rules_of
from meterdeck.core.model.audit import AuditQuery
from meterdeck.core.model.changes import AdjustKind
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.acl.redis_users import RedisUsers
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

OTHERS = ("globex", "initech")


@pytest.fixture
def context(cluster_server: Cluster) -> Context:
    """A context on the cluster."""
    options = cluster_server.options
    return replace(redis_context(options.url), redis=options)


@pytest.fixture
async def redis(context: Context) -> AsyncIterator[Redis]:
    """A client of the cluster, with nothing in it."""
    client = open_redis(context.redis)
    try:
        await client.flushall()
        yield client
    finally:
        await client.aclose()


@pytest.fixture
def desk(redis: Redis, context: Context) -> Desk:
    """An operator at work on acme."""
    return Desk(OperatorChanges(redis, context), UsageService(redis, context))


async def others_change(desk: Desk) -> set[str]:
    """Let two other tenants have an entry each; return their names."""
    for name in OTHERS:
        other = replace(desk, tenant=TenantId(name))
        await other.adjust(AdjustKind.ADD, 1)
        desk.operations = other.operations
    return {*OTHERS}


@pytest.mark.parametrize(
    "forbidden",
    [("-zadd",), ("-evalsha", "-eval")],
    ids=["between the indexes", "before the script"],
)
@pytest.mark.parametrize("what", ["adjust", "limit", "unlimit"])
async def test_an_operator_who_dies_before_the_change_leaves_nothing_to_be_seen(
    redis: Redis, context: Context, desk: Desk, what: str, forbidden: tuple[str, ...]
) -> None:
    """The indexes may name a tenant too many: no entry, no override and no fault is
    shown for it, and the next change is shown like any other. So for a tenant that
    nobody changed before, and for one that has entries and an override."""
    seen = await others_change(desk)
    for _ in range(2):
        before = await state(desk)

        async with restricted(redis, context.redis, *forbidden) as client:
            # What a right stops here, the death of the process stops just as well.
            dying = replace(desk, changes=OperatorChanges(client, context))
            change = {
                "adjust": lambda: dying.adjust(AdjustKind.ADD, 1),  # noqa: B023  # now
                "limit": lambda: dying.limit(9),  # noqa: B023  # now
                "unlimit": dying.unlimit,
            }[what]
            with pytest.raises(RedisRefused, match="no right"):
                await change()

        assert await state(desk) == before
        desk.operations = dying.operations
        last = [await desk.limit(7), await desk.adjust(AdjustKind.ADD, 1)][1]
        page = (await desk.changes.audit_page(AuditQuery(limit=1))).entries
        assert [each.id for each in page] == [last]
    assert {each.tenant for each in await desk.changes.audit()} == {*seen, "acme"}


async def state(desk: Desk) -> list[object]:
    """Return all that an operator can see."""
    return [
        await desk.used(),
        await desk.entries(),
        await desk.changes.audit(),
        await desk.changes.overrides(),
        (await desk.changes.verify_audits()).broken,
    ]


async def test_a_change_is_in_the_index_though_that_lost_it_meanwhile(
    cluster_server: Cluster, redis: Redis, context: Context, desk: Desk
) -> None:
    """The index's master fails over while the tenant's keeps the script waiting: what
    was written to the index first is gone, and is written again."""
    index = context.redis.layout.audited()
    desk = replace(desk, tenant=await elsewhere(cluster_server, index))
    home = await cluster_server.master_of(key_slot(f"{{{desk.tenant}}}".encode()))
    await desk.used()  # what is asked first is known
    await ask_node(home, "CLIENT", "PAUSE", 60_000, "WRITE")
    try:
        change = asyncio.create_task(desk.limit(5))
        await until(lambda: named(redis, index, desk.tenant))
        await redis.delete(index)
    finally:
        await ask_node(home, "CLIENT", "UNPAUSE")
    entry = await change

    assert [each.id for each in await desk.changes.audit()] == [entry]
    assert await named(redis, index, desk.tenant)


async def elsewhere(cluster: Cluster, index: bytes) -> TenantId:
    """Return a tenant whose keys are on another node than the index."""
    place = await cluster.master_of(key_slot(index))
    for number in range(100):
        name = f"tenant-{number}"
        if await cluster.master_of(key_slot(f"{{{name}}}".encode())) is not place:
            return TenantId(name)
    raise AssertionError("one node has everything")


async def named(redis: Redis, index: bytes, tenant: TenantId) -> bool:
    """Tell whether a tenant is in the index."""
    return await redis.zscore(index, name_bytes(tenant)) is not None


async def test_the_trails_are_what_is_verified_whatever_the_indexes_say(
    redis: Redis, context: Context, desk: Desk
) -> None:
    """An index lost as a whole hides no broken trail and breaks no sound one; the
    audit view shows a tenant again with its next change."""
    await others_change(desk)
    first, second = [await desk.adjust(AdjustKind.ADD, 1) for _ in range(2)]
    layout = context.redis.layout
    await redis.delete(layout.audited())

    sound = await desk.changes.verify_audits()
    third = await desk.adjust(AdjustKind.ADD, 1)
    shown = await desk.changes.audit()
    await redis.delete(layout.audited())
    await redis.xdel(layout.audit(desk.tenant), second)
    verdict = await desk.changes.verify_audits()

    assert (sound.broken, sound.trails) == ((), 3)
    assert [each.id for each in shown] == [third, second, first]
    assert [(each.tenant, each.entry_id) for each in verdict.broken] == [
        (desk.tenant, third)
    ]


async def test_roles_work_on_every_node_of_a_cluster(
    redis: Redis, context: Context
) -> None:
    """Applied once, all nodes have the user; the roles' work is refused nowhere."""
    rules = rules_of(Role.VIEWER, await place_of(redis, context), name="ana")
    users = RedisUsers(redis, context)
    before = await users.differences([rules])
    await users.apply([rules])
    after = await users.differences([rules])
    await of_each_server(redis, "ACL", "DELUSER", "ana")
    await of_each_server(redis, "ACL", "LOG", "RESET")
    async with role_users(redis, context) as made:
        app, support = made[Role.APPLICATION], made[Role.SUPPORT]
        usage = UsageService(app.redis, app.context)
        await usage.consume("acme", {CALLS: 2}, call_id="c-1")
        desk = Desk(OperatorChanges(support.redis, support.context), usage)
        await desk.limit(5)
    refused = await of_each_server(redis, "ACL", "LOG")

    assert len(before) > 2
    assert all(each.new for each in before)
    assert not any(each.changes for each in after)
    assert not any(refused)
