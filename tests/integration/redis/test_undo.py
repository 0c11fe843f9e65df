"""Undo: a change of its own that takes an entry back, once, from what is now."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.contexts import CALLS, SEATS, with_layout
from tests.support.desk import BOB, Desk
from tests.support.proxy import Proxy
from tests.support.raw import ask
from tests.support.restricted import restricted

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.errors import (
    BadInput,
    BrokenCounter,
    NotFound,
    ReadOnly,
    RedisRefused,
    RedisUnreachable,
    Refused,
    UnknownOutcome,
)
from meterdeck.core.model.changes import (
    AdjustKind,
    Adjustment,
    Bill,
    Undone,
)
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.change_calls import ChangeCalls, Signature
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def offset(redis: Redis) -> int:
    """Return what must not be billed of acme's calls."""
    (key,) = await ask(redis, "KEYS", "meterdeck:billing:*") or [b"none"]
    return int(await ask(redis, "HGET", key, "offset") or 0)


@pytest.mark.parametrize(
    ("kind", "amount", "action", "difference"),
    [
        (AdjustKind.ADD, 30, "adjust:subtract", 30),
        (AdjustKind.SUBTRACT, 30, "adjust:add", -30),
        (AdjustKind.SET, 5, "adjust:add", -95),
        (AdjustKind.RESET, 0, "adjust:add", -100),
    ],
)
@pytest.mark.parametrize("bill", list(Bill))
async def test_an_undone_adjustment_leaves_the_usage_counted_since(
    redis: Redis,
    desk: Desk,
    *,
    kind: AdjustKind,
    amount: int,
    action: str,
    difference: int,
    bill: Bill,
) -> None:
    """The difference is taken back, not the value: 7 calls came in between."""
    await desk.usage.consume("acme", {CALLS: 100})
    entry = await desk.adjust(kind, amount, bill)
    await desk.usage.consume("acme", {CALLS: 7})

    done = await desk.undo(entry)

    assert await desk.used() == 107
    assert await offset(redis) == 0
    assert (done.before, done.after) == (str(107 + difference), "107")
    assert (done.action, done.entry.id, done.replayed) == (action, entry, False)
    newest = await desk.newest()
    assert (newest.id, newest.undoes) == (done.audit_id, entry)
    assert (newest.action, newest.actor, newest.bill) == (action, "bob", bill)
    assert (newest.reason, newest.before, newest.after) == (
        "was wrong",
        done.before,
        done.after,
    )
    assert await desk.entries() == 2


async def test_an_undo_with_quota_only_keeps_what_is_billed(
    redis: Redis, desk: Desk
) -> None:
    """Used plus offset, which Stripe is told, is 100 before and after."""
    await desk.usage.consume("acme", {CALLS: 100})
    entry = await desk.adjust(AdjustKind.RESET)
    assert await offset(redis) == 100

    await desk.undo(entry)

    assert (await desk.used(), await offset(redis)) == (100, 0)


async def test_an_entry_is_undone_once_whoever_asks(desk: Desk) -> None:
    """Twenty at the same time and one later: one entry, and the others name it."""
    entry = await desk.adjust(AdjustKind.ADD, 10)
    await desk.usage.consume("acme", {CALLS: 500})

    results = await asyncio.gather(
        *(desk.undo(entry) for _ in range(20)), return_exceptions=True
    )

    (done,) = [each for each in results if isinstance(each, Undone)]
    refused = [str(each) for each in results if isinstance(each, Refused)]
    assert len(refused) == 19
    with pytest.raises(Refused, match="was undone before, by bob; to take") as later:
        await desk.undo(entry)
    assert {*refused, str(later.value)} == {str(later.value)}
    assert str(later.value).endswith(f"meterdeck undo acme {done.audit_id}")
    assert await desk.used() == 500
    assert await desk.entries() == 2


async def test_a_repeated_undo_is_done_once_and_never_forgotten(
    redis: Redis, desk: Desk
) -> None:
    """The same id gives the first answer, also when the answer itself has expired."""
    entry = await desk.adjust(AdjustKind.ADD, 10)
    first = await desk.undo(entry, "op-undo")

    again = await desk.undo(entry, "op-undo")
    await redis.delete(LAYOUT.operation("acme", "op-undo"))
    a_day_later = await desk.undo(entry, "op-undo")

    assert again == a_day_later == replace(first, replayed=True)
    assert await desk.used() == 0
    assert await desk.entries() == 2


async def test_an_id_that_was_used_for_another_change_undoes_nothing(
    desk: Desk,
) -> None:
    """An operation id stands for one change."""
    entry = await desk.adjust(AdjustKind.ADD, 10)

    with pytest.raises(Refused, match="used for another change"):
        await desk.undo(entry, "op-1")

    assert await desk.used() == 10


async def test_an_undo_can_be_undone_again_and_again(desk: Desk) -> None:
    """Each is an entry of its own that names the one before."""
    named = [await desk.adjust(AdjustKind.ADD, 10)]

    for expected in (0, 10, 0, 10):
        named.append((await desk.undo(named[-1])).audit_id)
        assert await desk.used() == expected

    trail = await desk.changes.audit("acme")
    assert [each.undoes for each in trail] == [*named[-2::-1], ""]
    assert await desk.entries() == 5


async def test_an_undo_that_would_fall_below_zero_is_refused(
    redis: Redis, desk: Desk
) -> None:
    """Somebody took it away since; preview and undo say the same, and write nothing."""
    entry = await desk.adjust(AdjustKind.ADD, 10)
    await desk.adjust(AdjustKind.SET, 3)

    for attempt in (desk.changes.preview_undo("acme", entry), desk.undo(entry)):
        with pytest.raises(Refused, match="added 10, and API calls is 3 now; it"):
            await attempt

    assert await desk.used() == 3
    assert not await redis.exists(LAYOUT.undone("acme"))
    assert await desk.entries() == 2


async def test_an_adjustment_of_a_period_that_is_over_is_not_undone(
    redis: Redis, context: Context, usage: UsageService
) -> None:
    """A cycle began anew: seen by who knows it, and by the script for who does not."""
    entry_key = LAYOUT.tenant("acme")
    now = await server_time(redis)
    old, new = (int((now - timedelta(days=days)).timestamp()) for days in (20, 2))
    cycle = {"anchor": old, "interval": "month", "interval_count": 1}
    await redis.hset(entry_key, mapping=cycle)  # type: ignore[arg-type]  # bytes too
    knows_the_old = Desk(OperatorChanges(redis, context), usage, resource=SEATS)
    entry = await knows_the_old.adjust(AdjustKind.ADD, 10)
    await redis.hset(entry_key, "anchor", str(new))
    knows_the_new = replace(knows_the_old, changes=OperatorChanges(redis, context))
    label = (await knows_the_old.newest()).period

    for desk in (knows_the_old, knows_the_new):
        with pytest.raises(Refused, match=f"of period {label}, which is over"):
            await desk.undo(entry, "op-undo")

    assert await knows_the_old.entries() == 1


async def test_a_change_without_effect_has_no_undo(desk: Desk) -> None:
    """Setting what was there took nothing that could be given back."""
    entry = await desk.adjust(AdjustKind.SET, 0)

    with pytest.raises(Refused, match="changed nothing"):
        await desk.undo(entry)


async def test_the_script_knows_an_entry_by_one_name_only(
    redis: Redis, context: Context, desk: Desk
) -> None:
    """01-0 is 1-0 for the server; an entry that is none cannot be undone."""
    entry = await desk.adjust(AdjustKind.ADD, 5)
    calls = ChangeCalls(redis, context)
    wish = Adjustment(
        desk.tenant, CALLS, AdjustKind.SUBTRACT, 5, None, Bill.QUOTA_ONLY, ""
    )

    for wrong in (f"0{entry}", entry.partition("-")[0], "1-1", "x"):
        with pytest.raises(BadInput, match="wrong undoes"):
            await calls.adjust(
                wish,
                context.resource(CALLS),
                Signature(BOB, "r", "op-undo", undoes=wrong),
            )

    assert await desk.used() == 5


async def test_a_preview_says_what_an_undo_does_and_writes_nothing(
    redis: Redis, desk: Desk
) -> None:
    """For an adjustment and an override; then the undo does just that."""
    await desk.usage.consume("acme", {CALLS: 7})
    entries = [await desk.adjust(AdjustKind.ADD, 10), await desk.limit(5)]
    keys = {key: await ask(redis, "DUMP", key) for key in await ask(redis, "KEYS", "*")}

    foreseen = [await desk.changes.preview_undo("acme", each) for each in entries]

    assert [(each.before, each.after) for each in foreseen] == [
        ("17", "7"),
        ("5", "none"),
    ]
    now = {key: await ask(redis, "DUMP", key) for key in await ask(redis, "KEYS", "*")}
    assert now == keys
    done = [await desk.undo(each) for each in entries]
    assert [replace(each, audit_id="") for each in done] == foreseen


async def test_without_an_id_the_newest_that_can_be_undone_is_chosen(
    desk: Desk,
) -> None:
    """No undo, nothing undone, nothing without effect; at last there is none."""
    first = await desk.adjust(AdjustKind.ADD, 10)
    second = await desk.limit(5)
    await desk.adjust(AdjustKind.ADD, 0)
    chosen = []

    for _ in range(2):
        foreseen = await desk.changes.preview_undo("acme")
        chosen.append(foreseen.entry.id)
        await desk.undo(foreseen.entry.id)

    assert chosen == [second, first]
    with pytest.raises(NotFound, match="acme has no change that can be undone"):
        await desk.changes.preview_undo("acme")


async def test_a_repeat_without_an_id_chooses_the_same_entry_again(desk: Desk) -> None:
    """By the operation id, though another entry is the newest now."""
    await desk.adjust(AdjustKind.ADD, 1)
    newest = await desk.adjust(AdjustKind.ADD, 10)
    await desk.undo(newest, "op-undo")

    foreseen = await desk.changes.preview_undo("acme", operation_id="op-undo")

    assert (foreseen.entry.id, foreseen.replayed) == (newest, True)


async def test_an_entry_that_was_tampered_with_is_not_undone(
    redis: Redis, desk: Desk
) -> None:
    """A changed value would take back what nobody added; unknown ones are not found."""
    entry = await desk.adjust(AdjustKind.ADD, 10)
    key = LAYOUT.audit("acme")
    ((raw_id, fields),) = await ask(redis, "XRANGE", key, "-", "+")
    await redis.delete(key)
    await redis.xadd(key, {**fields, b"before": b"-90"}, id=raw_id)

    with pytest.raises(Refused, match="not to be trusted: its contents are not"):
        await desk.undo(entry)
    with pytest.raises(
        NotFound, match="the trail of acme has no entry 1793491200000-0"
    ):
        await desk.undo("1793491200000-0")
    with pytest.raises(BadInput, match="is no place in the audit trail"):
        await desk.undo("\x1b[31m")
    assert await desk.used() == 10


async def test_a_broken_counter_is_not_undone(redis: Redis, desk: Desk) -> None:
    """Neither in the preview nor by the script."""
    entry = await desk.adjust(AdjustKind.ADD, 10)
    (key,) = await ask(redis, "KEYS", "usage:*")
    await redis.set(key, "abc")

    for attempt in (desk.changes.preview_undo("acme", entry), desk.undo(entry)):
        with pytest.raises(BrokenCounter, match="holds 'abc'"):
            await attempt


async def test_a_read_only_context_foresees_and_refuses(
    redis: Redis, context: Context, desk: Desk
) -> None:
    """Looking is allowed, undoing is not."""
    entry = await desk.adjust(AdjustKind.ADD, 10)
    desk.changes = OperatorChanges(redis, replace(context, read_only=True))

    assert (await desk.changes.preview_undo("acme")).after == "0"
    with pytest.raises(ReadOnly):
        await desk.undo(entry)
    assert await desk.used() == 10


@pytest.mark.parametrize("name", ["a:b", "}{", "ten\udcffant", "\x1b[2J\n", "{tenant}"])
@pytest.mark.parametrize("tagged", [False, True])
async def test_any_tenant_in_any_layout_can_be_undone(
    redis: Redis, context: Context, name: str, *, tagged: bool
) -> None:
    """All keys of an undo lie in the tenant's slot where keys are tagged."""
    if tagged and name.startswith("}"):
        name = f"x{name}"
    context = with_layout(context, KeyLayout(tagged=tagged))
    changes = OperatorChanges(redis, context)
    desk = Desk(changes, UsageService(redis, context), tenant=TenantId(name))
    entries = [
        await desk.adjust(AdjustKind.ADD, 10),
        await desk.limit(5),
        await desk.unlimit(),
    ]

    for entry in reversed(entries):
        await desk.undo(entry)

    assert await desk.used() == 0
    assert await desk.override() is None
    assert await desk.entries() == 6
    assert (await changes.verify_audits()).broken == ()
    assert [each.tenant for each in await changes.audit()] == [name] * 6
    if tagged:
        tag = f"{{{name}}}".encode("utf-8", "surrogateescape")
        indexes = {b"meterdeck:audited", b"meterdeck:overridden"}
        assert {key for key in await ask(redis, "KEYS", "*") if tag not in key} == (
            indexes
        )


@pytest.mark.parametrize("command", ["hset", "xinfo", "hget"])
async def test_a_missing_right_is_found_before_an_undo_writes(
    redis: Redis, context: Context, desk: Desk, command: str
) -> None:
    """The mark that it was undone is part of the change."""
    entry = await desk.adjust(AdjustKind.ADD, 1)
    everybody = desk.changes
    async with restricted(redis, context.redis, f"-{command}") as client:
        desk.changes = OperatorChanges(client, context)
        with pytest.raises(RedisRefused, match="no right to do that"):
            await desk.undo(entry)

    desk.changes = everybody
    assert (await desk.used(), await desk.entries()) == (1, 1)


@pytest.fixture
async def proxy(redis_server: Valkey, redis: Redis) -> AsyncIterator[Proxy]:
    """A proxy before the (empty) server."""
    async with Proxy(redis_server.url) as running:
        yield running


@pytest.mark.parametrize("what", ["adjustment", "override", "removal"])
async def test_a_lost_undo_is_repeated_with_its_operation_id(
    context: Context, desk: Desk, proxy: Proxy, what: str
) -> None:
    """Each answer on the way is lost once: a read changes nothing, the undo is done."""
    entries = {"override": await desk.limit(5), "removal": await desk.unlimit()}
    if what == "override":
        entries["override"] = await desk.limit(6)
    entries["adjustment"] = await desk.adjust(AdjustKind.ADD, 10)
    entry, before = entries[what], await desk.entries()
    far = open_redis(RedisOptions(url=proxy.url, timeout_s=10.0), connections=1)
    here, there = desk.changes, OperatorChanges(far, context)
    try:
        desk.changes = there
        for answers in range(20):
            proxy.lose_next_answer(after=answers)
            try:
                await desk.undo(entry, "op-undo")
            except RedisUnreachable:
                assert len(await here.audit("acme")) == before
            except UnknownOutcome as error:
                lost = str(error)
                break
        done = await desk.undo(entry, "op-undo")
    finally:
        desk.changes = here
        await far.aclose()

    assert f"the undo of entry {entry} was sent" in lost
    assert "with operation id op-undo" in lost
    assert answers > 1
    assert done.replayed
    assert await desk.entries() == before + 1
    assert (await desk.newest()).id == done.audit_id
