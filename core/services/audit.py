"""One tenant's audit trail: reading entries of it, and which of them were undone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import cast

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.errors import NotFound, Refused
from meterdeck.core.model.audit import AuditPlace
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.context import Context
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.audit_entries import (
    RawEntry,
    contents_problem,
    read_entry,
)

PAGE = 500
"""Entries that are read at once."""

_LATER_KEPT = 10_000


class AuditTrail:
    """Reads the trail of one tenant at a time.

    Every method raises `RedisUnreachable` or `RedisRefused` where it cannot be read.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout

    async def entry(self, tenant: TenantId, audit_id: str) -> AuditEntry:
        """Return an entry that is as it was written.

        Raises:
            BadInput: That is no entry's id.
            NotFound: There is none.
            Refused: It was changed afterwards.
        """
        place = AuditPlace.parse(audit_id)
        at = f"{place.ms}-{place.number}"
        with redis_errors():
            reply = await self._redis.xrange(self._layout.audit(tenant), at, at)
        found = cast("list[RawEntry]", reply)
        who = visible(tenant)
        if not found or place.tenant not in (None, tenant):
            raise NotFound(
                f"the trail of {who} has no entry {visible(audit_id)};"
                f" its entries: meterdeck audit {who} --json"
            )
        if problem := contents_problem(tenant, found[0]):
            raise Refused(
                f"entry {at} of {who} is not to be trusted: {problem};"
                f" see: meterdeck audit {who} --verify"
            )
        return read_entry(tenant, *found[0])

    async def later(self, entry: AuditEntry) -> list[AuditEntry]:
        """Return the entries after `entry`, oldest first.

        Raises:
            Refused: They are more than anybody can look through.
        """
        found: list[AuditEntry] = []
        async for raw in self.all(entry.tenant, after=entry.id):
            found.append(read_entry(entry.tenant, *raw))
            if len(found) > _LATER_KEPT:
                raise Refused(
                    f"more than {_LATER_KEPT:,} changes of {visible(entry.tenant)} came"
                    f" after entry {entry.id}; change it by hand"
                )
        return found

    async def newest(self, tenant: TenantId, *, count: int) -> list[AuditEntry]:
        """Return up to `count` entries, newest first."""
        with redis_errors():
            key = self._layout.audit(tenant)
            reply = await self._redis.xrevrange(key, count=count)
        return [read_entry(tenant, *raw) for raw in cast("list[RawEntry]", reply)]

    async def undone_by(self, tenant: TenantId, ids: Sequence[str]) -> dict[str, str]:
        """Return, for those of `ids` that were undone, the id of the entry that did."""
        if not ids:
            return {}
        with redis_errors():
            key = self._layout.undone(tenant)
            reply = await self._redis.hmget(key, list(ids))
        pairs = zip(ids, cast("list[bytes | None]", reply), strict=True)
        return {each: by.decode("ascii", "replace") for each, by in pairs if by}

    async def all(
        self, tenant: TenantId, *, after: str = "", until: str = "+"
    ) -> AsyncIterator[RawEntry]:
        """Go through a trail, oldest first, page by page."""
        start = f"({after}" if after else "-"
        while True:
            with redis_errors():
                key = self._layout.audit(tenant)
                reply = await self._redis.xrange(key, start, until, count=PAGE)
            page = cast("list[RawEntry]", reply)
            for raw in page:
                yield raw
            if len(page) < PAGE:
                return
            start = f"({page[-1][0].decode()}"
