"""Carrying what was used: once, whoever does it, whatever fails in between."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.acme import everything
from tests.support.contexts import CALLS, IMAGES, SEATS
from tests.support.cycles import Anchors, by_cycle
from tests.support.proxy import Proxy
from tests.support.raw import ask
from tests.support.restricted import restricted
from tests.support.tenants import but

from meterdeck.core.adapters.redis_client import Redis, open_redis, to_milliseconds
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.periods import billing_cycle
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.carrying import Carrying
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.directory_entries import DirectoryEntries
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService


@pytest.fixture
async def anchors(redis: Redis, context: Context) -> Anchors:
    """Tenant acme, who has no entry yet."""
    return await Anchors.of(redis, context)


async def entries(changes: OperatorChanges, tenant: str = "acme") -> list[AuditEntry]:
    """Return a trail that was verified, oldest entry first."""
    assert await changes.verify_audit(tenant) is None
    return list(await changes.audit(tenant))[::-1]


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


async def test_a_new_period_whose_counter_has_expired_gets_nothing(
    redis: Redis, usage: UsageService, changes: OperatorChanges, anchors: Anchors
) -> None:
    """Where nobody carried for half a year there is no limit left to go on."""
    await anchors.save(20)
    cycle = anchors.entry(10).cycle
    assert cycle is not None
    then = billing_cycle(cycle, anchors.now - timedelta(days=200))
    layout = anchors.context.redis.layout
    await redis.set(layout.counter("acme", SEATS, then.label), 9)
    at_ms, anchor = to_milliseconds(then.start) + 1, int(cycle.anchor.timestamp())
    noted = b"%d %d month 1" % (at_ms, anchor)
    await redis.hset(layout.tenant("acme"), "cycle_before", noted)
    before = set(await redis.keys("*"))

    await anchors.restart()

    assert await anchors.noted() is None
    assert set(await redis.keys("*")) - {layout.audited()} == before
    assert await changes.audit("acme") == ()


@pytest.mark.parametrize("stale", ["noted", "cycle"])
async def test_who_has_read_an_entry_that_was_changed_since_takes_nothing_out(
    redis: Redis, context: Context, anchors: Anchors, stale: str
) -> None:
    """Else a change that was noted meanwhile would be lost."""
    await anchors.save(10)
    await anchors.crash_after_writing(20)
    layout = context.redis.layout
    script = Script("checks", "reserved", "trail", "carry")
    noted = await anchors.noted()
    entry = layout.tenant("acme")
    cycle = b" ".join(
        await ask(redis, "HMGET", entry, "anchor", "interval", "interval_count")
    )
    indexes = [layout.audited(), layout.sequence(), layout.changed()]
    keys = [entry, layout.audit("acme"), *([] if layout.tagged else indexes)]

    async def send(noted: bytes, cycle: bytes) -> object:
        head = [0 if layout.tagged else 1, "acme", noted, cycle, "meterdeck", "test"]
        return await script.run(redis, keys, head, what="", operation_id="")

    assert noted is not None
    changed = (noted + b"x", cycle) if stale == "noted" else (noted, cycle + b"x")
    assert await send(*changed) == [b"moved"]
    assert await anchors.noted() == noted
    assert await send(noted, cycle) == [b"ok"]
    assert await anchors.noted() is None


async def test_what_is_noted_and_makes_no_sense_is_taken_out(
    redis: Redis, context: Context, usage: UsageService, anchors: Anchors
) -> None:
    """Whatever else is noted is carried."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})
    await anchors.crash_after_writing(20)
    noted = await anchors.noted()
    assert noted is not None
    nonsense = b"x,,1 2,99999999999999999 1 month 1,+7 1 month 1,-5 1 month 1,"
    key = context.redis.layout.tenant("acme")
    await redis.hset(key, "cycle_before", nonsense + noted)

    await anchors.restart()

    assert await anchors.noted() is None
    assert await anchors.counter(20) == 42


async def test_entries_that_do_not_change_their_cycle_note_nothing(
    redis: Redis, context: Context, anchors: Anchors
) -> None:
    """A first entry, the same again, another name or limit."""
    entries = DirectoryEntries(redis, context.redis.layout, "rules")
    first = anchors.entry(10)
    for entry in (first, first, but(first, name="New", limits={CALLS: 7})):
        await entries.write([entry])
        assert await anchors.noted() is None
    assert entries.due == set()
    await entries.write([anchors.entry(20)])
    await entries.write([but(anchors.entry(20), name="Newer")])

    noted = await anchors.noted()

    assert noted is not None
    assert noted.count(b",") == 0
    assert entries.due == {anchors.tenant}
    assert (await entries.load()).tenants[anchors.tenant].name == "Newer"


async def test_a_lost_answer_is_neither_an_error_nor_a_second_carry(
    redis_server: Valkey,
    context: Context,
    usage: UsageService,
    changes: OperatorChanges,
    anchors: Anchors,
) -> None:
    """Each answer on the way is lost once, the script's too: the same process asks
    again, and finds it done or does it."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})
    await anchors.crash_after_writing(20)
    async with Proxy(redis_server.url) as proxy:
        far = open_redis(RedisOptions(url=proxy.url, timeout_s=10.0), connections=1)
        carrying, due = Carrying(far, context), {anchors.tenant}
        lost = 0
        while await anchors.noted() is not None:
            proxy.lose_next_answer(after=lost)
            await carrying.carry(due)
            assert due == {anchors.tenant}
            lost += 1

        await carrying.carry(due)
        await far.aclose()

    assert lost > 1
    assert due == set()
    assert await anchors.counter(20) == 42
    assert len(await entries(changes)) == 1
