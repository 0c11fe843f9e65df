"""The audit view: all tenants in the order of time, in pages."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from tests.support.contexts import CALLS, with_layout
from tests.support.desk import ADA, BOB, Desk
from tests.support.raw import ask
from tests.support.restricted import restricted

from meterdeck.core.adapters.redis_client import Redis, from_milliseconds
from meterdeck.core.errors import BadInput, RedisRefused
from meterdeck.core.model.audit import AuditPlace, AuditQuery
from meterdeck.core.model.changes import (
    Actor,
    AdjustKind,
    Adjustment,
    AuditEntry,
    Bill,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
TENANTS = ["acme", "globex", "initech", "a:b", "ten\udcffant"]


@dataclass
class Scribe:
    """Writes entries of any tenant."""

    changes: OperatorChanges
    written: int = 0

    async def write(self, tenant: str, actor: Actor = ADA) -> str:
        """Add one call and return the entry's id."""
        self.written += 1
        wish = Adjustment(
            TenantId(tenant), CALLS, AdjustKind.ADD, 1, None, Bill.QUOTA_ONLY, "r"
        )
        operation_id = f"op-{self.written}"
        done = await self.changes.adjust(wish, actor=actor, operation_id=operation_id)
        return done.audit_id


@pytest.fixture
def scribe(changes: OperatorChanges) -> Scribe:
    """A scribe on an empty server."""
    return Scribe(changes)


async def fabricate(redis: Redis, trails: Mapping[str, list[int]]) -> None:
    """Write bare entries at given ms, and the index as the scripts do."""
    async with redis.pipeline(transaction=False) as pipe:
        for tenant, moments in trails.items():
            key = LAYOUT.audit(tenant)
            for ms in moments:
                pipe.xadd(key, {"at": ms, "actor": "ada"}, id=f"{ms}-0")
            pipe.zadd(LAYOUT.audited(), {name_bytes(tenant): moments[-1]})
        await pipe.execute()


async def pages(changes: OperatorChanges, wanted: AuditQuery) -> list[list[AuditEntry]]:
    """Return all pages of a query."""
    found = []
    while True:
        page = await changes.audit_page(wanted)
        found.append(list(page.entries))
        if page.next is None:
            return found
        # Through text and back, as a person at the command line does.
        wanted = replace(wanted, before=AuditPlace.parse(str(page.next)))


@pytest.mark.parametrize("tagged", [False, True])
async def test_pages_of_all_tenants_are_in_the_order_of_time_and_miss_nothing(
    redis: Redis, context: Context, *, tagged: bool
) -> None:
    """Whatever the size of a page: newest first, each entry once."""
    layout = KeyLayout(tagged=tagged)
    scribe = Scribe(OperatorChanges(redis, with_layout(context, layout)))
    for number in range(40):
        await scribe.write(TENANTS[number * number % len(TENANTS)])
    everything = await scribe.changes.audit(limit=1000)

    ids = [AuditPlace.of(each) for each in everything]
    assert ids == sorted(ids, key=lambda place: (-place.ms, -place.number))
    assert {each.operation_id for each in everything} == {
        f"op-{number}" for number in range(1, 41)
    }
    for limit in (1, 7, 39, 40, 41):
        split = await pages(scribe.changes, AuditQuery(limit=limit))
        assert [each for page in split for each in page] == list(everything)
        assert all(len(page) == limit for page in split[:-1])
    for tenant in TENANTS:
        own = await pages(scribe.changes, AuditQuery(tenant, limit=3))
        assert [each for page in own for each in page] == [
            each for each in everything if each.tenant == tenant
        ]


async def test_entries_of_one_millisecond_are_not_lost_between_pages(
    redis: Redis, changes: OperatorChanges
) -> None:
    """Five tenants with the same ids: the place in a page names the tenant, too."""
    moments = [1793491200000, 1793491200001]
    await fabricate(redis, dict.fromkeys(TENANTS, moments))

    split = await pages(changes, AuditQuery(limit=2))

    found = [(each.id, each.tenant) for page in split for each in page]
    assert found == [
        (f"{ms}-0", tenant)
        for ms in (1793491200001, 1793491200000)
        for tenant in sorted(TENANTS)
    ]


async def test_a_place_without_a_tenant_is_before_all_entries_of_its_id(
    redis: Redis, changes: OperatorChanges
) -> None:
    """An entry's id and a moment are places as well."""
    moments = [1793491200000, 1793491200001, 1793491200002]
    await fabricate(redis, dict.fromkeys(TENANTS, moments))

    for before in (
        AuditPlace.parse("1793491200001-0"),
        AuditPlace.at(from_milliseconds(1793491200001)),
    ):
        entries = await changes.audit(before=before)
        assert {each.id for each in entries} == {"1793491200000-0"}
        assert len(entries) == len(TENANTS)
    assert await changes.audit(before=AuditPlace(0)) == ()


async def test_many_tenants_are_read_no_further_than_the_page_needs(
    redis: Redis, changes: OperatorChanges
) -> None:
    """Of 1,000 tenants a page of 20 touches the trails of the last few."""
    base = 1793491200000
    steps = {f"t{number}": number * 10_000 for number in range(1000)}
    await fabricate(
        redis, {t: [base - 20_000_000 + s, base + s] for t, s in steps.items()}
    )
    await redis.config_resetstat()

    entries = await changes.audit(limit=20)

    assert [each.tenant for each in entries] == [f"t{n}" for n in range(999, 979, -1)]
    stats = await ask(redis, "INFO", "commandstats")
    assert stats["cmdstat_xrevrange"]["calls"] <= 100
    split = await pages(changes, AuditQuery(limit=333))
    assert [each.tenant for page in split for each in page] == [
        f"t{n}" for n in range(999, -1, -1)
    ] * 2


async def test_small_pages_of_some_tenants_go_to_the_end(
    redis: Redis, changes: OperatorChanges
) -> None:
    """What was read and is not on the page is on the next one."""
    await fabricate(redis, {f"t{n}": [1793491200000 + n] for n in range(50)})

    split = await pages(changes, AuditQuery(limit=10))

    assert [len(page) for page in split] == [10] * 5


async def test_since_actor_and_action_choose_entries(
    desk: Desk, changes: OperatorChanges
) -> None:
    """Each alone and together; under sudo the person counts."""
    scribe = Scribe(changes, written=100)
    await desk.limit(5)
    adjusted = await desk.adjust(AdjustKind.RESET)
    added = await scribe.write("globex", Actor("ada (sudo as root)", "local"))
    await scribe.write("globex", Actor("adam", "local"))
    undone = await desk.undo(added_entry := await desk.adjust(AdjustKind.ADD, 1))
    (newest, *_) = await changes.audit(limit=1)

    async def chosen(**wanted: object) -> list[str]:
        query = AuditQuery(**wanted)  # type: ignore[arg-type]  # of every field's type
        return [each.id for each in (await changes.audit_page(query)).entries]

    assert await chosen(actor="bob") == [undone.audit_id]
    assert added in await chosen(actor="ada")
    assert len(await chosen(actor="ada")) == 4
    assert await chosen(action="undo") == [undone.audit_id]
    assert await chosen(action="adjust:reset") == [adjusted]
    assert len(await chosen(action="override")) == 1
    assert await chosen(action="override:clear") == []
    assert await chosen(action="adjust", actor="ada", tenant="acme") == [
        added_entry,
        adjusted,
    ]
    assert newest.id in await chosen(since=newest.at)
    assert await chosen(since=newest.at + timedelta(seconds=1)) == []


async def test_a_look_for_few_among_many_ends_and_can_go_on(
    redis: Redis, changes: OperatorChanges
) -> None:
    """A page may be empty and still have a next one."""
    await Scribe(changes).write("acme", BOB)
    now = AuditPlace.of((await changes.audit("acme"))[0]).ms
    moments = [now + 1000 + n for n in range(6_000)]
    await fabricate(redis, dict.fromkeys(("globex", "initech"), moments))

    split = await pages(changes, AuditQuery(actor="bob", limit=5))

    assert [len(page) for page in split] == [0, 1]


async def test_a_trail_that_cannot_be_read_hides_no_others(
    redis: Redis, scribe: Scribe
) -> None:
    """Its tenant is named; asked for alone it is an answer, not an error."""
    await scribe.write("acme")
    await scribe.write("globex")
    await redis.delete(LAYOUT.audit("acme"))
    await redis.sadd(LAYOUT.audit("acme"), "x")

    page = await scribe.changes.audit_page(AuditQuery())

    assert [each.tenant for each in page.entries] == ["globex"]
    assert page.unreadable == ("acme",)
    with pytest.raises(BadInput):
        await scribe.changes.audit("")


async def test_a_missing_right_is_no_empty_trail(
    redis: Redis, scribe: Scribe, context: Context
) -> None:
    """What may not be read is an error."""
    await scribe.write("acme")
    async with restricted(redis, context.redis, "-xrevrange") as client:
        with pytest.raises(RedisRefused, match="no right to do that"):
            await OperatorChanges(client, context).audit()


@pytest.mark.not_on("sentinel")
async def test_reading_while_others_write_shows_every_older_entry(
    redis: Redis, scribe: Scribe, context: Context
) -> None:
    """Tenants that move up the index while it is read are not lost."""
    names = [f"t{number}" for number in range(250)]
    base = 1793491200000
    await fabricate(redis, {t: [base + n * 10_000] for n, t in enumerate(names)})
    done = asyncio.Event()

    async def write() -> None:
        usage = UsageService(redis, context)
        for name in names:
            await redis.zadd(LAYOUT.audited(), {name: 1999999999999})
            await usage.usage(name)
        done.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        while not done.is_set():
            entries = await scribe.changes.audit(limit=1000)
            assert {each.tenant for each in entries} == set(names)
            assert len(entries) == len(names)
