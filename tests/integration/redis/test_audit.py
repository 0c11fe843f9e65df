"""The audit trail: what was changed afterwards is found, and where."""

from collections.abc import Callable

import pytest
from tests.support.contexts import CALLS
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import Refused
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.audit_entries import verify_chain
from meterdeck.core.services.operator_changes import OperatorChanges

AUDIT = KeyLayout().audit("acme")
Entries = list[tuple[bytes, dict[bytes, bytes]]]


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
    await redis.delete(AUDIT)
    for raw_id, fields in entries:
        await redis.xadd(AUDIT, fields, id=raw_id)  # type: ignore[arg-type]  # bytes


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
    trail: Entries = await redis.xrange(AUDIT)  # type: ignore[assignment]  # bytes
    tampered = tamper(trail)

    await rewrite(redis, tampered)

    found = await changes.verify_audit("acme")
    assert found is not None
    assert found.entry_id == tampered[index][0].decode()

    assert verify_chain(tampered) == index


async def test_a_removed_newest_entry_is_noticed(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """No link breaks at the end, but the stream remembers what it had."""
    await write_entries(changes, actor, 3)
    (newest,) = await changes.audit("acme", limit=1)
    await redis.xdel(AUDIT, newest.id)

    found = await changes.verify_audit("acme")

    assert found is not None
    assert found.entry_id == newest.id
    assert "1 entry is missing" in found.problem


async def test_an_emptied_trail_is_noticed(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """A stream that had entries and has none."""
    await write_entries(changes, actor, 2)
    await redis.xtrim(AUDIT, maxlen=0, approximate=False)

    found = await changes.verify_audit("acme")

    assert found is not None
    assert "2 entries are missing after the start" in found.problem


async def test_the_newest_entries_of_all_tenants_come_first(
    changes: OperatorChanges, actor: Actor
) -> None:
    """Merged over tenants, newest first, cut at the limit."""
    order = ["acme", "globex", "acme", "initech", "globex"]
    for number, tenant in enumerate(order):
        wish = Adjustment(
            TenantId(tenant), CALLS, AdjustKind.ADD, 1, None, Bill.QUOTA_ONLY, "r"
        )
        await changes.adjust(wish, actor=actor, operation_id=f"op-{number}")

    entries = await changes.audit(limit=3)

    assert [each.at for each in entries] == sorted(
        (each.at for each in entries), reverse=True
    )
    assert {each.operation_id for each in await changes.audit()} == {
        f"op-{number}" for number in range(5)
    }
    assert len(entries) == 3


async def test_a_foreign_entry_in_a_trail_is_shown_and_named(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """Something else's XADD breaks no reading; the next change is refused."""
    await write_entries(changes, actor, 1)
    foreign = await ask(redis, "XADD", AUDIT, "*", b"\xff", "x")

    (newest, _) = await changes.audit("acme")
    assert newest.actor == ""
    found = await changes.verify_audit("acme")
    assert found is not None
    assert found.entry_id == foreign.decode()
    with pytest.raises(Refused, match="an entry that meterdeck did not write"):
        await write_entries(changes, actor, 2)
