"""The audit trail: what was changed afterwards is found, and where."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.contexts import CALLS, with_layout
from tests.support.desk import Desk
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import Refused
from meterdeck.core.model.audit import BrokenChain
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.audit_entries import FIRST_HASH, RawEntry, entry_problem
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
Entries = list[tuple[bytes, dict[bytes, bytes]]]


def audit() -> bytes:
    """Name acme's trail."""
    return LAYOUT.audit("acme")


async def write_entries(changes: OperatorChanges, actor: Actor, count: int) -> None:
    """Write `count` entries to acme's trail."""
    for number in range(count):
        wish = Adjustment(
            TenantId("acme"),
            CALLS,
            AdjustKind.ADD,
            1,
            None,
            Bill.QUOTA_ONLY,
            f"reason {number}",
        )
        await changes.adjust(wish, actor=actor, operation_id=f"op-{number}")


async def rewrite(redis: Redis, entries: Entries) -> None:
    """Replace acme's trail, as somebody with direct access could."""
    await redis.delete(audit())
    for raw_id, fields in entries:
        await redis.xadd(audit(), fields, id=raw_id)  # type: ignore[arg-type]  # bytes


async def test_a_trail_nobody_touched_is_sound(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """The digests computed in the server are the ones computed here."""
    await write_entries(changes, actor, 5)
    await changes.set_override(
        "acme",
        CALLS,
        5,
        expires_at=None,
        actor=actor,
        reason="ünïcode\nand a line",
        operation_id="o",
    )

    assert await changes.verify_audit("acme") is None
    assert await changes.verify_audit("nobody") is None


def flip_a_byte(entries: Entries) -> Entries:
    entries[2][1][b"reason"] = b"reason 3"
    return entries


def move_text_between_fields(entries: Entries) -> Entries:
    entries[2][1][b"actor"], entries[2][1][b"origin"] = b"ad", b"a" + b"ssh 192.0.2.7"
    return entries


def remove_one(entries: Entries) -> Entries:
    return entries[:2] + entries[3:]


def swap_two(entries: Entries) -> Entries:
    ids = [raw_id for raw_id, _ in entries]
    fields = [each for _, each in entries]
    fields[2], fields[3] = fields[3], fields[2]
    return list(zip(ids, fields, strict=True))


def rewrite_hash_too(entries: Entries) -> Entries:
    entries[2][1][b"hash"] = b"f" * 40
    return entries


def add_one(entries: Entries) -> Entries:
    extra = dict(entries[2][1])
    milliseconds, _, number = entries[2][0].partition(b"-")
    raw_id = milliseconds + b"-" + str(int(number) + 1).encode()
    return [*entries[:3], (raw_id, extra)]


@pytest.mark.parametrize(
    ("tamper", "index"),
    [
        (flip_a_byte, 2),
        (move_text_between_fields, 2),
        (remove_one, 2),
        (swap_two, 2),
        (rewrite_hash_too, 2),
        (add_one, 3),
    ],
)
async def test_a_trail_that_was_changed_is_located(
    redis: Redis,
    changes: OperatorChanges,
    actor: Actor,
    tamper: Callable[[Entries], Entries],
    index: int,
) -> None:
    """The first entry that is wrong is named."""
    await write_entries(changes, actor, 5)
    trail: Entries = await redis.xrange(audit())  # type: ignore[assignment]  # bytes
    tampered = tamper(trail)

    await rewrite(redis, tampered)

    found = await changes.verify_audit("acme")
    assert found is not None
    assert found.entry_id == tampered[index][0].decode()


async def test_a_removed_newest_entry_is_noticed(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """No link breaks at the end, but the stream remembers what it had."""
    await write_entries(changes, actor, 3)
    (newest,) = await changes.audit("acme", limit=1)
    await redis.xdel(audit(), newest.id)

    found = await changes.verify_audit("acme")

    assert found is not None
    assert found.entry_id == newest.id
    assert "1 entry is missing" in found.problem


async def test_an_emptied_trail_is_noticed(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """A stream that had entries and has none."""
    await write_entries(changes, actor, 2)
    await redis.xtrim(audit(), maxlen=0, approximate=False)

    found = await changes.verify_audit("acme")

    assert found is not None
    assert "2 entries are missing after the start" in found.problem


def first_problem(trail: list[RawEntry]) -> int:
    """Return the index of the first wrong entry of acme's; -1 for none."""
    previous = FIRST_HASH
    for index, raw in enumerate(trail):
        if entry_problem(TenantId("acme"), raw, previous):
            return index
        previous = raw[1][b"hash"].decode()
    return -1


async def test_every_single_flipped_byte_is_found_at_its_entry(
    redis: Redis, desk: Desk
) -> None:
    """In any field's name or value and in the ids, of adjustments, limits and undos."""
    await desk.undo(await desk.adjust(AdjustKind.ADD, 5))
    await desk.limit(5)
    trail: list[RawEntry] = await ask(redis, "XRANGE", audit(), "-", "+")
    trail = [(raw_id, dict(fields)) for raw_id, fields in trail]
    assert first_problem(trail) == -1
    flips = 0

    for index, (raw_id, fields) in enumerate(trail):
        wrong: list[RawEntry] = [(each, fields) for each in flipped(raw_id)]
        for name, value in fields.items():
            rest = {key: held for key, held in fields.items() if key != name}
            wrong += [(raw_id, {**rest, each: value}) for each in flipped(name)]
            wrong += [(raw_id, {**rest, name: each}) for each in flipped(value)]
        for entry in wrong:
            flips += 1
            tampered = [*trail[:index], entry, *trail[index + 1 :]]
            assert first_problem(tampered) == index, (index, entry)
    assert flips > 700


def flipped(text: bytes) -> list[bytes]:
    """Return `text` with each of its bytes flipped in turn."""
    return [
        text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :]
        for place in range(len(text))
    ]


async def test_an_added_field_and_another_tenants_entry_are_found(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """Also one that is empty, and one whose name has a meaning in other entries."""
    await write_entries(changes, actor, 1)
    ((raw_id, fields),) = await ask(redis, "XRANGE", audit(), "-", "+")
    entry = (raw_id, dict(fields))
    assert not entry_problem(TenantId("acme"), entry, FIRST_HASH)

    for added in (b"undoes", b"note"):
        wrong = (raw_id, {**fields, added: b""})
        assert entry_problem(TenantId("acme"), wrong, FIRST_HASH)
    assert "another tenant" in entry_problem(TenantId("globex"), entry, FIRST_HASH)


def as_written_before_undos(trail: Entries) -> Entries:
    """Return a trail with the digests that did not bind the entries' ids."""
    old, previous = [], FIRST_HASH.encode()
    for raw_id, fields in trail:
        values = [
            value
            for name, value in fields.items()
            if name not in {b"previous_hash", b"hash"}
        ]
        lines = [previous, *(b"%d:%b" % (len(value), value) for value in values)]
        digest = hashlib.sha1(b"\n".join(lines), usedforsecurity=False).hexdigest()
        signed = {**fields, b"previous_hash": previous, b"hash": digest.encode()}
        previous = digest.encode()
        old.append((raw_id, signed))
    return old


async def test_a_trail_from_before_there_were_undos_stays_sound_and_goes_on(
    redis: Redis, desk: Desk
) -> None:
    """Old entries do not bind their ids; what follows them does."""
    entry = await desk.adjust(AdjustKind.ADD, 5)
    await desk.adjust(AdjustKind.ADD, 6)
    trail: Entries = await ask(redis, "XRANGE", audit(), "-", "+")
    old = as_written_before_undos([(raw_id, dict(fields)) for raw_id, fields in trail])
    assert old[0][1][b"hash"] != dict(trail[0][1])[b"hash"]
    await rewrite(redis, old)

    await desk.undo(entry)

    assert await desk.used() == 6
    assert await desk.entries() == 3


async def test_ids_never_go_back_when_the_servers_clock_does(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """The stream's last id counts, also one of an entry that was taken out."""
    await write_entries(changes, actor, 1)
    ahead = b"9000000000000-7"
    await redis.xadd(audit(), {"x": "y"}, id=ahead)
    await redis.xdel(audit(), ahead)
    wish = Adjustment(
        TenantId("acme"), CALLS, AdjustKind.ADD, 1, None, Bill.QUOTA_ONLY, "r"
    )

    done = await changes.adjust(wish, actor=actor, operation_id="op-later")

    assert done.audit_id == "9000000000000-8"
    if not LAYOUT.tagged:
        assert await redis.zscore(LAYOUT.audited(), "acme") == 9000000000000


async def test_a_stream_made_anew_without_its_newest_entry_is_noticed(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """It remembers no other entry, but the index knows when the last one was.

    Not so where keys are tagged, as the contract says: there it may know too many.
    """
    await write_entries(changes, actor, 1)
    (newest,) = await changes.audit("acme")
    async with asyncio.timeout(10):
        while (await changes.audit("acme"))[0].at == newest.at:
            await changes.adjust(
                Adjustment(
                    TenantId("acme"),
                    CALLS,
                    AdjustKind.ADD,
                    1,
                    None,
                    Bill.QUOTA_ONLY,
                    "r",
                ),
                actor=actor,
                operation_id="op-later",
            )
            await redis.delete(LAYOUT.operation("acme", "op-later"))
    trail: Entries = await redis.xrange(audit())  # type: ignore[assignment]  # bytes
    kept = [each for each in trail if each[0] == newest.id.encode()]

    await rewrite(redis, kept)

    found = await changes.verify_audit("acme")
    if LAYOUT.tagged:
        assert found is None
        return
    assert found is not None
    assert found.problem == f"1 entry is missing after {newest.id}"
    await redis.delete(audit())
    assert await changes.verify_audit("acme") == BrokenChain(
        TenantId("acme"), "", "the whole trail is missing"
    )


@pytest.mark.parametrize("tagged", [False, True])
async def test_all_trails_are_verified_and_every_wrong_one_is_located(
    redis: Redis, context: Context, *, tagged: bool
) -> None:
    """Also one that the index does not name, and one whose key is a set."""
    context = with_layout(context, KeyLayout(tagged=tagged))
    layout = context.redis.layout
    changes = OperatorChanges(redis, context)
    desk = Desk(changes, UsageService(redis, context))
    names = ["a:b", "globex", "initech", "sound", "ten\udcffant", "{x}"]
    ids: dict[str, list[str]] = {}
    for name in names:
        at = replace(desk, tenant=TenantId(name))
        ids[name] = [await at.adjust(AdjustKind.ADD, 1) for _ in range(3)]
        desk.operations = at.operations
    assert (await changes.verify_audits()).broken == ()

    await redis.xdel(layout.audit("a:b"), ids["a:b"][1])
    await redis.zrem(layout.audited(), "a:b")
    await redis.delete(layout.audit("globex"))
    await redis.sadd(layout.audit("globex"), "x")
    await redis.xdel(layout.audit("ten\udcffant"), ids["ten\udcffant"][2])
    verdict = await changes.verify_audits()

    assert [(each.tenant, each.entry_id) for each in verdict.broken] == [
        ("a:b", ids["a:b"][2]),
        ("globex", ""),
        ("ten\udcffant", ids["ten\udcffant"][2]),
    ]
    assert verdict.broken[1].problem == "its key holds a set, not a trail"
    assert (verdict.trails, verdict.entries) == (6, 2 + 3 + 3 + 2 + 3)


async def test_changes_made_while_it_is_verified_are_no_missing_entries(
    changes: OperatorChanges, actor: Actor
) -> None:
    """What was there at the start is checked."""
    done = asyncio.Event()

    async def write() -> None:
        await write_entries(changes, actor, 300)
        done.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        while not done.is_set():
            assert (await changes.verify_audits()).broken == ()

    assert (await changes.verify_audits()).entries == 300


async def test_a_foreign_entry_in_a_trail_is_shown_and_named(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """Something else's XADD breaks no reading; the next change is refused."""
    await write_entries(changes, actor, 1)
    foreign = await ask(redis, "XADD", audit(), "*", b"\xff", "x")

    (newest, _) = await changes.audit("acme")
    assert newest.actor == ""
    found = await changes.verify_audit("acme")
    assert found is not None
    assert found.entry_id == foreign.decode()
    with pytest.raises(Refused, match="an entry that meterdeck did not write"):
        await write_entries(changes, actor, 2)
