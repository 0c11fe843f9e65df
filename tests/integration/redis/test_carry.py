"""A billing cycle that changes: what was used goes on against the limit, once."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.acme import ACTOR, everything
from tests.support.contexts import CALLS, DISK, IMAGES, SEATS, STORAGE, with_kinds
from tests.support.cycles import Anchors, by_cycle
from tests.support.desk import Desk
from tests.support.raw import ask, expiry_ms
from tests.support.restricted import restricted

from meterdeck.core.adapters.redis_client import Redis, open_redis, to_milliseconds
from meterdeck.core.model.changes import AdjustKind, AuditEntry
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import Interval
from meterdeck.core.model.usage import Tenant
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.directory_entries import DirectoryEntries
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

HOSTILE = (
    "a:b:c",
    "a}b{c",
    "{tenant}",
    "x\x1b]52;c;aGk=\x07\r\n",
    "\udcff\udc80",
    "é 🦀, 1 month 1",
)


@pytest.fixture
async def anchors(redis: Redis, context: Context) -> Anchors:
    """Tenant acme, who has no entry yet."""
    return await Anchors.of(redis, context)


@pytest.fixture
def seats(desk: Desk) -> Desk:
    """An operator at work on acme's seats, which are counted by billing cycle."""
    return replace(desk, resource=SEATS)


async def entries(changes: OperatorChanges, tenant: str = "acme") -> list[AuditEntry]:
    """Return a trail that was verified, oldest entry first."""
    assert await changes.verify_audit(tenant) is None
    return list(await changes.audit(tenant))[::-1]


async def test_an_earlier_start_takes_along_what_was_used(
    redis: Redis,
    context: Context,
    usage: UsageService,
    changes: OperatorChanges,
    anchors: Anchors,
) -> None:
    """The limit goes on, the bill does not follow, and the trail says what happened."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})

    await anchors.save(20)

    made = (await usage.consume("acme", {SEATS: 1})).resources[0]
    old, new = anchors.period(10), anchors.period(20)
    assert (made.current, made.period) == (43, new)
    assert (await anchors.counter(10), await anchors.billed(10)) == (42, 42)
    assert await anchors.billed(20) == 1
    assert await anchors.noted() is None
    (entry,) = await entries(changes)
    assert (entry.actor, entry.origin, entry.action) == (
        "meterdeck",
        "directory",
        "adjust:add",
    )
    assert (entry.before, entry.after, entry.bill) == ("0", "42", "quota_only")
    assert (entry.resource, entry.period) == (SEATS, new.label)
    assert entry.reason == (
        f"billing anchor changed: 42 used since {old.label} go on in the period from"
        f" {new.label}"
    )
    assert entry.operation_id.startswith("carry-")
    (seen,) = await changes.audit()
    assert seen == entry
    counter = context.redis.layout.counter("acme", SEATS, new.label)
    kept = new.end + timedelta(days=35)
    assert await expiry_ms(redis, counter) == to_milliseconds(kept)


async def test_a_later_start_begins_at_nothing(
    usage: UsageService, changes: OperatorChanges, anchors: Anchors
) -> None:
    """Stripe ends the old period there and bills it."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})

    await anchors.save(5)

    assert (await usage.consume("acme", {SEATS: 1})).resources[0].current == 1
    assert await anchors.counter(10) == 42
    assert await anchors.noted() is None
    assert await entries(changes) == []


async def test_ten_directories_at_once_carry_once(
    context: Context, usage: UsageService, changes: OperatorChanges, anchors: Anchors
) -> None:
    """All write the same change, and ten more processes start meanwhile."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})
    clients = [open_redis(context.redis) for _ in range(10)]
    directories = [Directory(each, context, None) for each in clients]

    await asyncio.gather(
        *(each.save([anchors.entry(20)]) for each in directories),
        *(Directory(each, context, None).cached() for each in clients),
    )

    assert await anchors.counter(20) == 42
    assert len(await entries(changes)) == 1
    for client in clients:
        await client.aclose()


async def test_a_process_that_dies_before_it_carries_leaves_it_to_the_next(
    usage: UsageService, changes: OperatorChanges, anchors: Anchors
) -> None:
    """Also where calls count in the new period already; ten start at once."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})
    await anchors.crash_after_writing(20)
    await usage.consume("acme", {SEATS: 3})
    assert await anchors.counter(20) == 3

    await asyncio.gather(*(anchors.restart() for _ in range(10)))

    assert await anchors.counter(20) == 45
    assert await anchors.billed(20) == 3
    assert [(each.before, each.after) for each in await entries(changes)] == [
        ("3", "45")
    ]


async def test_calls_under_way_are_counted_against_the_new_period(
    redis: Redis, context: Context, anchors: Anchors
) -> None:
    """Five programs that know the old cycle count on while it changes: whatever they
    have counted in the old period is carried, and none is counted there after it."""
    await anchors.save(10)
    programs = [UsageService(redis, context) for _ in range(5)]
    for each in programs:
        await each.consume("acme", {SEATS: 1})

    async def many(program: UsageService) -> None:
        for _ in range(60):
            await program.consume("acme", {SEATS: 1})

    async def change() -> None:
        async with asyncio.timeout(20):
            # In the middle of the load, which goes on between two reads.
            while (await anchors.counter(10) or 0) < 60:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await anchors.save(20)

    await asyncio.gather(change(), *map(many, programs))

    assert await anchors.counter(20) == 305
    assert await anchors.billed(10) + await anchors.billed(20) == 305
    assert await anchors.billed(20) > 0


async def test_a_second_change_before_the_first_was_carried_loses_nothing(
    usage: UsageService, changes: OperatorChanges, anchors: Anchors
) -> None:
    """Both are noted, and carried one after the other."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})
    await anchors.crash_after_writing(20)
    await usage.consume("acme", {SEATS: 5})
    await anchors.crash_after_writing(25)
    await usage.consume("acme", {SEATS: 1})

    await anchors.restart()

    assert await anchors.counter(25) == 48
    assert [await anchors.billed(days) for days in (10, 20, 25)] == [42, 5, 1]
    assert [each.after for each in await entries(changes)] == ["47", "48"]


async def test_a_cycle_that_is_changed_back_brings_only_what_is_new(
    redis: Redis, context: Context, usage: UsageService, anchors: Anchors
) -> None:
    """Whoever has read Stripe late may write an old cycle again, more than once. The
    later period goes on at what it had, and each time the earlier one gets the call
    that was counted there meanwhile."""
    year = anchors.entry(30, Interval.YEAR)
    directory = Directory(redis, context, None)
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})
    await anchors.save(20)
    await usage.consume("acme", {SEATS: 5})
    await directory.save([year])
    await usage.consume("acme", {SEATS: 2})
    seen = []
    for entry in (anchors.entry(20), year) * 3:
        await directory.save([entry])
        seen.append((await usage.consume("acme", {SEATS: 1})).resources[0].current)

    assert seen == [48, 51, 49, 53, 50, 55]


async def test_twice_the_same_start_counts_each_unit_once(
    redis: Redis, context: Context, usage: UsageService, anchors: Anchors
) -> None:
    """A calendar month and a cycle that began with it are two counters, and there and
    back nothing is counted twice."""
    month = anchors.now.replace(day=1, hour=0, minute=0, second=0)
    days = (anchors.now - month).days
    anchors = replace(anchors, now=month + timedelta(days=days))
    without = Tenant(anchors.tenant, "Acme")
    directory = Directory(redis, context, None)
    await directory.save([without])
    seen = []
    for entry in (anchors.entry(days), without) * 3:
        await usage.consume("acme", {SEATS: 10})
        await directory.save([entry])
        seen.append((await usage.consume("acme", {SEATS: 1})).resources[0].current)

    assert seen == [11, 22, 33, 44, 55, 66]


async def test_undo_takes_it_back(seats: Desk, anchors: Anchors) -> None:
    """Like any adjustment: the new period is left what was counted in it."""
    await anchors.save(10)
    await seats.usage.consume("acme", {SEATS: 42})
    await anchors.save(20)
    await seats.usage.consume("acme", {SEATS: 3})

    done = await seats.undo((await seats.newest()).id)

    assert (done.before, done.after) == ("45", "3")
    assert (await anchors.counter(20), await anchors.billed(20)) == (3, 3)
    await anchors.restart()
    assert await anchors.counter(20) == 3
    assert await seats.entries() == 2


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
async def test_it_is_carried_whatever_the_tenant_is_called(
    redis: Redis,
    context: Context,
    usage: UsageService,
    changes: OperatorChanges,
    name: str,
) -> None:
    """Names are bytes, in keys, arguments and the trail."""
    anchors = await Anchors.of(redis, context, name)
    await anchors.save(10)
    await usage.consume(name, {SEATS: 42})

    await anchors.save(20)

    assert await anchors.counter(20) == 42
    (entry,) = await entries(changes, name)
    assert entry.tenant == name


async def test_what_an_operator_left_is_carried_as_it_is(
    seats: Desk, anchors: Anchors
) -> None:
    """A reset in the old period is none of the new one's use; credit stays credit."""
    await anchors.save(10)
    await seats.usage.consume("acme", {SEATS: 42})
    await seats.adjust(AdjustKind.RESET)
    await seats.usage.consume("acme", {SEATS: 2})
    await anchors.save(20)
    assert await anchors.counter(20) == 2
    layout = anchors.context.redis.layout
    key = layout.counter("acme", SEATS, anchors.period(20).label)
    await anchors.redis.set(key, -7)

    await anchors.save(25)

    assert await anchors.counter(25) == -7
    entry = await seats.newest()
    assert (entry.action, entry.before, entry.after) == ("adjust:subtract", "0", "-7")
    assert entry.reason.startswith("billing anchor changed: -7 used since ")


async def test_an_expired_reservation_is_not_carried(
    redis: Redis, context: Context, usage: UsageService, anchors: Anchors
) -> None:
    """It is not used; one that lasts is."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 5})
    await usage.reserve("acme", {SEATS: 7}, ttl=timedelta(hours=1), call_id="lasts")
    await usage.reserve("acme", {SEATS: 30}, ttl=timedelta(hours=1), call_id="over")
    key = context.redis.layout.reserved("acme", SEATS, anchors.period(10).label)
    await redis.zadd(key, {"over:30": 1})

    await anchors.save(20)

    assert await anchors.counter(20) == 12


async def test_scaled_units_are_written_as_the_operator_knows_them(
    redis: Redis, context: Context, changes: OperatorChanges
) -> None:
    """1500 thousandths of a GB are 1.5."""
    context = by_cycle(context, STORAGE)
    usage = UsageService(redis, context)
    anchors = await Anchors.of(redis, context)
    await anchors.save(10)
    for units, words in ((1500, "1.5"), (500, "2"), (8, "2.008")):
        await usage.consume("acme", {STORAGE: units})
        await anchors.save(20)
        (entry, *_) = await changes.audit("acme")
        assert f": {words} used since" in entry.reason
        await redis.delete(
            *(
                context.redis.layout.counter("acme", STORAGE, anchors.period(20).label),
                context.redis.layout.billing("acme", STORAGE, anchors.period(20).label),
            )
        )
        await anchors.save(10)


async def test_gauges_and_calendar_months_do_not_notice(
    redis: Redis, context: Context, usage: UsageService, anchors: Anchors
) -> None:
    """Nothing but the entry is written where no counter is cut by the cycle."""
    context = with_kinds(context)
    await anchors.save(10)
    await usage.consume("acme", {CALLS: 4, IMAGES: 2})
    await UsageService(redis, context).set_gauge("acme", DISK, 9)
    layout = context.redis.layout
    entry = {layout.tenant("acme"), layout.directory()}
    before = await everything(redis, layout)

    await Directory(redis, context, None).save([anchors.entry(20)])

    after = await everything(redis, layout)
    assert {key for key in after if after[key] != before.get(key)} <= entry
    assert before.keys() == after.keys()


async def test_a_broken_counter_keeps_no_other_from_being_carried(
    redis: Redis,
    context: Context,
    changes: OperatorChanges,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is left as it is, named in the log, and not tried again."""
    context = by_cycle(context, CALLS, IMAGES)
    usage = UsageService(redis, context)
    anchors = await Anchors.of(redis, context)
    await anchors.save(10)
    await usage.consume("acme", {CALLS: 1, SEATS: 42})
    layout, old = context.redis.layout, anchors.period(10).label
    await redis.set(layout.counter("acme", CALLS, old), "x")
    await redis.rpush(layout.counter("acme", IMAGES, anchors.period(20).label), "x")

    with caplog.at_level(logging.WARNING, "meterdeck"):
        await anchors.save(20)

    assert await anchors.counter(20) == 42
    assert await redis.get(layout.counter("acme", CALLS, old)) == b"x"
    assert len(await entries(changes)) == 1
    assert await anchors.noted() is None
    lines = [each.message for each in caplog.records]
    assert [line.split(" key=")[0] for line in lines] == [
        f"usage_not_carried tenant=acme resource={name} from={old}"
        f" to={anchors.period(20).label} reason=broken"
        for name in (CALLS, IMAGES)
    ]


async def test_a_read_only_context_carries_nothing(
    redis: Redis, context: Context, usage: UsageService, anchors: Anchors
) -> None:
    """It is left to one that may."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})
    await anchors.crash_after_writing(20)
    before = await everything(redis, context.redis.layout)
    onlooker = Directory(redis, replace(context, read_only=True), None)

    await onlooker.cached()
    await onlooker.refresh()

    assert await everything(redis, context.redis.layout) == before
    assert await anchors.noted() is not None


async def test_what_could_not_be_carried_is_carried_later(
    redis: Redis,
    context: Context,
    usage: UsageService,
    anchors: Anchors,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For want of a right nothing is written, the log says so once, and the directory
    is read all the same; the same process tries again."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})
    await anchors.crash_after_writing(20)
    with caplog.at_level(logging.WARNING, "meterdeck"):
        async with restricted(redis, context.redis, "-hincrby") as client:
            directory = Directory(client, context, None)
            assert len(await directory.cached()) == 1
            await directory.refresh()
            await directory.refresh()
            assert await anchors.counter(20) is None
            assert len(caplog.records) == 1
            assert caplog.messages[0].startswith("usage_not_carried_yet tenant=acme")
            await ask(redis, "ACL", "SETUSER", "restricted", "+hincrby")

            await directory.refresh()

    assert await anchors.counter(20) == 42


async def test_what_is_noted_and_makes_no_sense_is_taken_out(
    redis: Redis, context: Context, usage: UsageService, anchors: Anchors
) -> None:
    """Whatever else is noted is carried; a new period whose counter would have
    expired by now is not."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})
    await anchors.crash_after_writing(20)
    noted = await anchors.noted()
    assert noted is not None
    long_ago = to_milliseconds(anchors.now - timedelta(days=200))
    nonsense = b"x,,1 2,99999999999999999 1 month 1,%d   ,-5 1 month 1," % long_ago
    key = context.redis.layout.tenant("acme")
    await redis.hset(key, "cycle_before", nonsense + noted)

    await anchors.restart()

    assert await anchors.noted() is None
    assert await anchors.counter(20) == 42
    assert await anchors.counter(10) == 42


async def test_entries_that_do_not_change_their_cycle_note_nothing(
    redis: Redis, context: Context, anchors: Anchors
) -> None:
    """A first entry, the same again, another name or limit."""
    entries = DirectoryEntries(redis, context.redis.layout, "rules")
    first = anchors.entry(10)
    for entry in (first, first, replace(first, name="New", limits={CALLS: 7})):
        await entries.write([entry])
        assert await anchors.noted() is None
    assert entries.due == set()
    await entries.write([anchors.entry(20)])
    await entries.write([replace(anchors.entry(20), name="Newer")])

    noted = await anchors.noted()

    assert noted is not None
    assert noted.count(b",") == 0
    assert entries.due == {anchors.tenant}
    assert (await entries.load()).tenants[anchors.tenant].name == "Newer"


async def test_the_console_of_an_operator_sees_who_did_it(
    seats: Desk, anchors: Anchors
) -> None:
    """Among all tenants' changes, beside the operator's own."""
    await anchors.save(10)
    await seats.adjust(AdjustKind.ADD, 3)
    await anchors.save(20)

    found = await seats.changes.audit()

    assert [each.actor for each in found] == ["meterdeck", ACTOR.name]
