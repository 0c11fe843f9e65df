"""One entry of an audit trail: reading it, and what binds it to the one before.

Each entry carries the digest of the one before, so a changed, removed or moved entry
breaks the chain at its place. Somebody who may write to Redis directly can still
replace a whole trail by another consistent one; only a copy kept elsewhere shows that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from meterdeck.core.adapters.redis_client import from_milliseconds
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.names import name_bytes, name_text
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import ResourceName, TenantId

FIRST_HASH = "0" * 40
"""`previous_hash` of a trail's first entry."""

RawEntry = tuple[bytes, Mapping[bytes, bytes]]
"""An entry's id and fields, as Redis returns them."""

_HASHED = (
    b"at",
    b"actor",
    b"origin",
    b"action",
    b"tenant",
    b"resource",
    b"period",
    b"before",
    b"after",
    b"reason",
    b"bill",
    b"operation_id",
)
_UNDOES = b"undoes"  # hashed where it is there
_KNOWN = frozenset((*_HASHED, _UNDOES, b"previous_hash", b"hash"))
_LATEST_MS = 253_370_764_800_000  # year 9999


def read_entry(
    tenant: TenantId, raw_id: bytes, fields: Mapping[bytes, bytes]
) -> AuditEntry:
    """Read an entry; a field that is missing is empty, whatever wrote it."""

    def text(name: str) -> str:
        return name_text(fields.get(name.encode(), b""))

    at = parse_counter(fields.get(b"at", b"")) or 0
    return AuditEntry(
        id=raw_id.decode(),
        at=from_milliseconds(min(max(0, at), _LATEST_MS)),
        actor=text("actor"),
        origin=text("origin"),
        action=text("action"),
        tenant=tenant,
        resource=ResourceName(text("resource")),
        period=text("period"),
        before=text("before"),
        after=text("after"),
        reason=text("reason"),
        bill=text("bill"),
        operation_id=text("operation_id"),
        previous_hash=text("previous_hash"),
        hash=text("hash"),
        undoes=text("undoes"),
    )


def entry_problem(tenant: TenantId, raw: RawEntry, previous: str) -> str:
    """Say what is wrong with an entry that follows hash `previous`; empty if sound."""
    if name_text(raw[1].get(b"previous_hash", b"")) != previous:
        return "it does not follow the entry before: one is missing, moved or added"
    return contents_problem(tenant, raw)


def contents_problem(tenant: TenantId, raw: RawEntry) -> str:
    """Say what is wrong with an entry in itself; empty if it is as it was written."""
    raw_id, fields = raw
    if added := sorted(fields.keys() - _KNOWN):
        return f"it has a field that was not written: {visible(name_text(added[0]))}"
    if name_text(fields.get(b"hash", b"")) not in _hashes(raw_id, fields):
        return "its contents are not what was written"
    if fields.get(b"tenant") != name_bytes(tenant):
        return "it is another tenant's"
    return ""


def _hashes(raw_id: bytes, fields: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """Return the digests that an entry may have, computed as the scripts do."""
    values = [fields.get(name, b"") for name in _HASHED]
    if _UNDOES in fields:
        return (_digest(fields, [*values, fields[_UNDOES], raw_id]),)
    # Entries written before there were undos do not bind their id.
    return _digest(fields, [*values, raw_id]), _digest(fields, values)


def _digest(fields: Mapping[bytes, bytes], values: Sequence[bytes]) -> str:
    lines = [fields.get(b"previous_hash", b"")]
    lines += [b"%d:%b" % (len(value), value) for value in values]
    return hashlib.sha1(b"\n".join(lines), usedforsecurity=False).hexdigest()
