"""The audit view: entries of all tenants in the order of time, page by page.

Each tenant has a trail of its own, and an index names the tenants by their last entry.
The trails are merged from the newest on; tenants whose last entry is older than what
is being looked for are not touched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, nsmallest
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.model.audit import AuditPage, AuditPlace, AuditQuery
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import check_tenant, name_text
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.audit_entries import RawEntry, read_entry

LOOKED_AT = 10_000
"""Entries that are looked at for one page at most."""

_TENANTS_AT_ONCE = 100
_FIRST_ENTRIES = 10
_MORE_ENTRIES = 100
# How much older than a tenant's last entry the index may say it is: where keys are
# tagged it is written by itself, before the entry.
_LAG_MS = 1_000
_TAGGED_LAG_MS = 60_000

_Rank = tuple[int, int, bool, str]


class AuditView:
    """Reads pages of one context's audit trails."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout

    async def page(self, wanted: AuditQuery) -> AuditPage:
        """Return a page of entries, newest first.

        Looks at a bounded number of entries; of tenants, at those that were changed
        since the end of the page.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: They could not be read.
        """
        if wanted.tenant is not None:
            tenant = check_tenant(wanted.tenant, tagged=self._layout.tagged)
            return await self._page_of([tenant], wanted)
        merge = _Merge(self._redis, self._layout, wanted, indexed=True)
        page = await merge.page()
        while missed := await merge.missed():
            more = await self._page_of(missed, wanted)
            page = _both(page, more, wanted.limit)
        return page

    async def _page_of(
        self, tenants: Sequence[TenantId], wanted: AuditQuery
    ) -> AuditPage:
        merge = _Merge(self._redis, self._layout, wanted)
        await merge.add(tenants)
        return await merge.page()


def _rank(entry: AuditEntry) -> _Rank:
    return AuditPlace.of(entry).rank


def _both(one: AuditPage, other: AuditPage, limit: int) -> AuditPage:
    """Return one page of two that begin at the same place."""
    ends = [page.next for page in (one, other) if page.next is not None]
    end = min(ends, key=lambda place: place.rank, default=None)
    ranked = sorted(one.entries + other.entries, key=_rank)
    within = [each for each in ranked if end is None or _rank(each) <= end.rank]
    if len(within) > limit:
        end = AuditPlace.of(within[limit - 1])
    return AuditPage(tuple(within[:limit]), end, one.unreadable + other.unreadable)


@dataclass(slots=True)
class _Trail:
    """What was read of a tenant's trail and not yet looked at, newest first."""

    tenant: TenantId
    entries: deque[AuditEntry]
    ended: bool

    @property
    def rank(self) -> _Rank:
        return _rank(self.entries[0])


class _Merge:
    def __init__(
        self,
        redis: Redis,
        layout: KeyLayout,
        wanted: AuditQuery,
        *,
        indexed: bool = False,
    ) -> None:
        self._redis = redis
        self._layout = layout
        self._wanted = wanted
        self._heap: list[tuple[_Rank, _Trail]] = []
        self._seen: set[TenantId] = set()
        self._unreadable: list[TenantId] = []
        self._index_reads = 0
        self._index_top = 0.0
        # No tenant that was not read has a later last entry; None: all were read.
        self._index_left: float | None = float("inf") if indexed else None
        self._lag_ms = _TAGGED_LAG_MS if layout.tagged else _LAG_MS
        self._since_ms = to_milliseconds(wanted.since) if wanted.since else 0

    async def page(self) -> AuditPage:
        found: list[AuditEntry] = []
        looked_at, last = 0, None
        while len(found) < self._wanted.limit and looked_at < LOOKED_AT:
            entry = await self._next()
            if entry is None:
                last = None
                break
            looked_at, last = looked_at + 1, entry
            if self._wanted.wants(entry):
                found.append(entry)
        following = AuditPlace.of(last) if last and self._has_more() else None
        return AuditPage(tuple(found), following, tuple(self._unreadable))

    async def add(self, tenants: Sequence[TenantId]) -> None:
        """Take in trails, as far as they can matter for the page."""
        self._seen.update(tenants)
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for tenant in tenants:
                    pipe.xrevrange(
                        self._layout.audit(tenant),
                        self._newest(tenant),
                        self._oldest(),
                        count=_FIRST_ENTRIES,
                    )
                replies = await pipe.execute(raise_on_error=False)
            for tenant, reply in zip(tenants, replies, strict=True):
                if isinstance(reply, Exception):
                    if "WRONGTYPE" not in str(reply):
                        raise reply
                    self._unreadable.append(tenant)
                else:
                    trail = _Trail(tenant, deque(), ended=False)
                    self._fill(trail, reply, _FIRST_ENTRIES)
        self._keep_what_can_matter()

    async def missed(self) -> list[TenantId]:
        """Return, once each, tenants that moved up the index while it was read."""
        if self._index_reads < 2:
            return []
        with redis_errors():
            reply = await self._redis.zrangebyscore(
                self._layout.audited(), self._index_top, "+inf"
            )
        names = [TenantId(name_text(name)) for name in cast("list[bytes]", reply)]
        missed = [name for name in names if name not in self._seen]
        self._seen.update(missed)
        return missed

    async def _next(self) -> AuditEntry | None:
        while self._index_left is not None and self._may_be_later():
            await self._read_index()
        if not self._heap:
            return None
        _, trail = heappop(self._heap)
        entry = trail.entries.popleft()
        if trail.entries:
            heappush(self._heap, (trail.rank, trail))
        elif not trail.ended:
            await self._read_on(trail, entry.id)
        return entry

    def _has_more(self) -> bool:
        return bool(self._heap) or self._index_left is not None

    def _may_be_later(self) -> bool:
        assert self._index_left is not None
        latest = self._index_left + self._lag_ms
        if latest < self._since_ms:
            self._index_left = None
            return False
        return not self._heap or latest >= -self._heap[0][0][0]

    async def _read_index(self) -> None:
        start = self._index_reads * _TENANTS_AT_ONCE
        with redis_errors():
            reply = await self._redis.zrevrange(
                self._layout.audited(),
                start,
                start + _TENANTS_AT_ONCE - 1,
                withscores=True,
            )
        named = cast("list[tuple[bytes, float]]", reply)
        if named and not self._index_reads:
            self._index_top = named[0][1]
        self._index_reads += 1
        self._index_left = named[-1][1] if len(named) == _TENANTS_AT_ONCE else None
        tenants = [TenantId(name_text(name)) for name, _ in named]
        await self.add([each for each in tenants if each not in self._seen])

    async def _read_on(self, trail: _Trail, last: str) -> None:
        with redis_errors():
            reply = await self._redis.xrevrange(
                self._layout.audit(trail.tenant),
                f"({last}",
                self._oldest(),
                count=_MORE_ENTRIES,
            )
        self._fill(trail, cast("list[RawEntry]", reply), _MORE_ENTRIES)

    def _fill(self, trail: _Trail, found: Sequence[RawEntry], asked: int) -> None:
        trail.entries.extend(read_entry(trail.tenant, *raw) for raw in found)
        trail.ended = len(found) < asked
        if trail.entries:
            heappush(self._heap, (trail.rank, trail))

    def _keep_what_can_matter(self) -> None:
        # Every entry on the page or looked at for it takes one step.
        most = LOOKED_AT if self._wanted.picks else self._wanted.limit + 1
        if len(self._heap) > 2 * most:
            self._heap = nsmallest(most, self._heap, key=lambda each: each[0])
            heapify(self._heap)

    def _newest(self, tenant: TenantId) -> str:
        before = self._wanted.before
        if before is None:
            return "+"
        same_id_follows = before.tenant is not None and tenant > before.tenant
        # The server takes no "less than 0-0", which no entry has.
        nothing = before.ms == before.number == 0
        exclusive = "" if same_id_follows or nothing else "("
        return f"{exclusive}{before.ms}-{before.number}"

    def _oldest(self) -> str:
        return str(self._since_ms) if self._since_ms > 0 else "-"
