"""A billing cycle that changes: what was used goes on against the limit."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.acme import ACTOR, everything
from tests.support.contexts import CALLS, DISK, IMAGES, SEATS, STORAGE, with_kinds
from tests.support.cycles import Anchors, by_cycle
from tests.support.desk import Desk
from tests.support.raw import expiry_ms

from meterdeck.core.adapters.redis_client import Redis, to_milliseconds
from meterdeck.core.model.changes import AdjustKind, AuditEntry
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import Cycle, Interval, billing_cycle
from meterdeck.core.model.usage import Tenant
from meterdeck.core.services.directory import Directory
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


async def test_a_cycle_that_begins_on_the_same_day_has_the_same_counter(
    usage: UsageService,
    changes: OperatorChanges,
    anchors: Anchors,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """There is nothing to carry, and nothing to say."""
    await anchors.save(10)
    await usage.consume("acme", {SEATS: 42})
    directory = Directory(anchors.redis, anchors.context, None)

    await directory.save([anchors.entry(10, Interval.YEAR)])

    assert (await usage.consume("acme", {SEATS: 1})).resources[0].current == 43
    assert await anchors.noted() is None
    assert (await changes.audit("acme"), caplog.records) == ((), [])


async def test_what_is_counted_in_a_month_that_becomes_a_year_lasts_a_year(
    redis: Redis, usage: UsageService, changes: OperatorChanges, anchors: Anchors
) -> None:
    """With a month's expiry the counter would be gone, and begin at 0, in the third
    month; what has no expiry gets none, and what lasts longer is left alone."""
    layout = anchors.context.redis.layout
    label = anchors.period(10).label
    year = billing_cycle(
        Cycle(anchors.now - timedelta(days=10), Interval.YEAR), anchors.now
    )
    await anchors.save(10)
    await usage.reserve("acme", {SEATS: 42}, ttl=timedelta(hours=1))
    await Desk(changes, usage, resource=SEATS).adjust(AdjustKind.ADD, 1)
    names = ("acme", SEATS, label)
    directory = Directory(redis, anchors.context, None)

    await directory.save([anchors.entry(10, Interval.YEAR)])

    ends = to_milliseconds(year.end) + 35 * 86_400_000
    for key in (layout.counter(*names), layout.reserved(*names)):
        assert await expiry_ms(redis, key) == ends
    bill = layout.billing(*names)
    assert await expiry_ms(redis, bill) == ends + 35 * 86_400_000
    await directory.save([anchors.entry(10)])
    assert await expiry_ms(redis, layout.counter(*names)) == ends
    await redis.persist(layout.counter(*names))
    await directory.save([anchors.entry(10, Interval.YEAR)])
    assert await redis.ttl(layout.counter(*names)) == -1


async def test_the_console_of_an_operator_sees_who_did_it(
    seats: Desk, anchors: Anchors
) -> None:
    """Among all tenants' changes, beside the operator's own."""
    await anchors.save(10)
    await seats.adjust(AdjustKind.ADD, 3)
    await anchors.save(20)

    found = await seats.changes.audit()

    assert [each.actor for each in found] == ["meterdeck", ACTOR.name]
