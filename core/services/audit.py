"""The audit trail: reading it, and proving that nobody changed it afterwards.

Each entry carries the digest of the one before, so a changed, removed or moved entry
breaks the chain at its place. Somebody who may write to Redis directly can still
replace a whole trail by another consistent one; only a copy kept elsewhere shows that.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    from_milliseconds,
    redis_errors,
)
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import check_tenant, name_text
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.usage import ResourceName, TenantId

FIRST_HASH = "0" * 40
"""`previous_hash` of a trail's first entry."""

_HASHED = (
    "at",
    "actor",
    "origin",
    "action",
    "tenant",
    "resource",
    "period",
    "before",
    "after",
    "reason",
    "bill",
    "operation_id",
)
_PAGE = 500
_LATEST_MS = 253_370_764_800_000  # year 9999

RawEntry = tuple[bytes, Mapping[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """The first entry of a trail that is not what was written, and why."""

    tenant: TenantId
    entry_id: str
    problem: str


class AuditTrail:
    """Reads the audit trails of one context."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout

    async def latest(
        self, tenant: str | None = None, *, limit: int = 100
    ) -> tuple[AuditEntry, ...]:
        """Return up to `limit` entries of one tenant or of all, newest first.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: They could not be read.
        """
        if tenant is not None:
            tenants = [check_tenant(tenant, tagged=self._layout.tagged)]
        else:
            tenants = await self._last_audited(limit)
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for each in tenants:
                    pipe.xrevrange(self._layout.audit(each), count=limit)
                trails = await pipe.execute()
        entries = [
            read_entry(each, raw_id, fields)
            for each, trail in zip(tenants, trails, strict=True)
            for raw_id, fields in trail
        ]
        entries.sort(key=_order, reverse=True)
        return tuple(entries[:limit])

    async def verify(self, tenant: str) -> BrokenChain | None:
        """Check one tenant's whole trail; None where it is sound.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        who = check_tenant(tenant, tagged=self._layout.tagged)
        previous, last = FIRST_HASH, ""
        count = 0
        async for raw_id, fields in self._all(who):
            entry = read_entry(who, raw_id, fields)
            problem = entry_problem(entry, fields, previous)
            if problem:
                return BrokenChain(who, entry.id, problem)
            previous, last = entry.hash, entry.id
            count += 1
        return await self._verify_end(who, last, count)

    async def _last_audited(self, limit: int) -> list[TenantId]:
        # The newest entries of all lie with the tenants that have the newest ones.
        with redis_errors():
            names = await self._redis.zrevrange(
                self._layout.audited(), 0, max(0, limit - 1)
            )
        return [TenantId(name_text(name)) for name in cast("list[bytes]", names)]

    async def _all(self, tenant: TenantId) -> AsyncIterator[RawEntry]:
        start = "-"
        while True:
            with redis_errors():
                key = self._layout.audit(tenant)
                reply = await self._redis.xrange(key, min=start, count=_PAGE)
            page = cast("list[RawEntry]", reply)
            for raw_id, fields in page:
                yield raw_id, fields
            if len(page) < _PAGE:
                return
            start = f"({page[-1][0].decode()}"

    async def _verify_end(
        self, tenant: TenantId, last: str, count: int
    ) -> BrokenChain | None:
        # A removed newest entry breaks no link: the stream itself remembers it.
        key = self._layout.audit(tenant)
        with redis_errors():
            if not await self._redis.exists(key):
                return None
            state = await self._redis.xinfo_stream(key)
        newest = state["last-generated-id"].decode()
        added = state["entries-added"]
        if count < added or (last and newest != last):
            missing = max(1, added - count)
            what = "entry is" if missing == 1 else "entries are"
            return BrokenChain(
                tenant, newest, f"{missing} {what} missing after {last or 'the start'}"
            )
        return None


def verify_chain(entries: Sequence[tuple[AuditEntry, Mapping[bytes, bytes]]]) -> int:
    """Return the index of the first entry that breaks the chain; -1 for none.

    Args:
        entries: A trail from its start, oldest first, each with its raw fields.
    """
    previous = FIRST_HASH
    for index, (entry, fields) in enumerate(entries):
        if entry_problem(entry, fields, previous):
            return index
        previous = entry.hash
    return -1


def entry_problem(
    entry: AuditEntry, fields: Mapping[bytes, bytes], previous: str
) -> str:
    """Say what is wrong with an entry that follows hash `previous`; empty if sound."""
    if entry.previous_hash != previous:
        return "it does not follow the entry before: one is missing, moved or added"
    if entry.hash != entry_hash(fields):
        return "its contents are not what was written"
    return ""


def entry_hash(fields: Mapping[bytes, bytes]) -> str:
    """Compute an entry's hash from its raw fields, as the scripts do."""
    lines = [fields.get(b"previous_hash", b"")]
    for name in _HASHED:
        value = fields.get(name.encode(), b"")
        lines.append(b"%d:%b" % (len(value), value))
    return hashlib.sha1(b"\n".join(lines), usedforsecurity=False).hexdigest()


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
    )


def _order(entry: AuditEntry) -> tuple[int, int]:
    milliseconds, _, number = entry.id.partition("-")
    return int(milliseconds), int(number or 0)
