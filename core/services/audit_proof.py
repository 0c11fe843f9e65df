"""Proving that audit trails are as they were written: one tenant's, or everybody's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.model.audit import AuditVerdict, BrokenChain
from meterdeck.core.model.context import Context
from meterdeck.core.model.holding import holding
from meterdeck.core.model.names import check_tenant, name_bytes, name_text
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.audit import AuditTrail
from meterdeck.core.services.audit_entries import FIRST_HASH, entry_problem

_AT_ONCE = 8
_SCANNED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class _Checked:
    entries: int
    broken: BrokenChain | None


class AuditProof:
    """Verifies the audit trails of one context; changes made meanwhile do not matter.

    Every method raises `RedisUnreachable` or `RedisRefused` where it cannot read.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout
        self._trail = AuditTrail(redis, context)

    async def verify(self, tenant: str) -> BrokenChain | None:
        """Check one tenant's whole trail; None where it is sound, or nobody's.

        Raises:
            BadInput: The name cannot be a tenant's.
        """
        who = check_tenant(tenant, tagged=self._layout.tagged)
        return (await self._check(who)).broken

    async def verify_all(
        self, told: Callable[[int, int], None] = lambda done, all_: None
    ) -> AuditVerdict:
        """Check every trail, also those that the index does not name.

        Args:
            told: Called with how many trails are done, and how many there are.
        """
        tenants = sorted(await self._indexed() | await self._scanned())
        checked: list[_Checked] = []
        for start in range(0, len(tenants), _AT_ONCE):
            batch = tenants[start : start + _AT_ONCE]
            found = await asyncio.gather(
                *map(self._check, batch), return_exceptions=True
            )
            for each in found:
                if isinstance(each, BaseException):
                    raise each
                checked.append(each)
            told(len(checked), len(tenants))
        return AuditVerdict(
            trails=len(tenants),
            entries=sum(each.entries for each in checked),
            broken=tuple(each.broken for each in checked if each.broken),
        )

    async def _indexed(self) -> set[TenantId]:
        with redis_errors():
            names = await self._redis.zrange(self._layout.audited(), 0, -1)
        return {TenantId(name_text(name)) for name in cast("list[bytes]", names)}

    async def _scanned(self) -> set[TenantId]:
        found = set()
        with redis_errors():
            async for key in self._redis.scan_iter(
                match=self._layout.audit_glob(), count=_SCANNED_AT_ONCE
            ):
                found.add(self._layout.parse_audit(cast("bytes", key)))
        return {tenant for tenant in found if tenant is not None}

    async def _check(self, tenant: TenantId) -> _Checked:
        key = self._layout.audit(tenant)
        # The index first and the stream's state next: what is added after that is
        # not looked at, and is not missed.
        indexed_ms = await self._indexed_ms(tenant)
        with redis_errors():
            kind = cast("bytes", await self._redis.type(key)).decode()
            if kind != "stream":
                return _Checked(0, _no_trail(tenant, kind, indexed_ms))
            state = await self._redis.xinfo_stream(key)
        newest = state["last-generated-id"].decode()
        previous, last, count = FIRST_HASH, "", 0
        async for raw in self._trail.all(tenant, until=newest):
            count, last = count + 1, raw[0].decode()
            if problem := entry_problem(tenant, raw, previous):
                return _Checked(count, BrokenChain(tenant, last, problem))
            previous = raw[1][b"hash"].decode()
        # A removed newest entry breaks no link: the stream itself remembers it.
        missing = max(state["entries-added"] - count, int(last != newest))
        # A stream made anew remembers nothing: the index does.
        if not missing and int(newest.partition("-")[0]) < indexed_ms:
            missing = 1
        return _Checked(count, _missing(tenant, newest, last, missing))

    async def _indexed_ms(self, tenant: TenantId) -> int:
        # Where keys are tagged, the index also has changes that were refused.
        if self._layout.tagged:
            return 0
        with redis_errors():
            score = await self._redis.zscore(self._layout.audited(), name_bytes(tenant))
        return int(score or 0)


def _no_trail(tenant: TenantId, kind: str, indexed_ms: int) -> BrokenChain | None:
    if kind != "none":
        return BrokenChain(tenant, "", f"its key holds {holding(kind)}, not a trail")
    if indexed_ms:
        return BrokenChain(tenant, "", "the whole trail is missing")
    return None


def _missing(
    tenant: TenantId, newest: str, last: str, missing: int
) -> BrokenChain | None:
    if missing <= 0:
        return None
    what = "entry is" if missing == 1 else "entries are"
    return BrokenChain(
        tenant, newest, f"{missing} {what} missing after {last or 'the start'}"
    )
