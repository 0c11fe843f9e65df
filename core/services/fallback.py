"""Answering a call without Redis, as the resources' `on_fault` says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from meterdeck.core.errors import (
    RedisRefused,
    RedisUnreachable,
    UnknownOutcome,
    Unreachable,
)
from meterdeck.core.model.amounts import check_amounts, check_limits
from meterdeck.core.model.context import Context
from meterdeck.core.model.degraded import (
    Counting,
    Degraded,
    Reason,
    SpooledCall,
    SpooledKind,
)
from meterdeck.core.model.names import check_id, check_tenant
from meterdeck.core.model.usage import OnFault, ResourceKind
from meterdeck.core.services.kinds import check_kind
from meterdeck.core.services.server_clock import ServerClock
from meterdeck.core.services.spooling import Kept, Spool


@dataclass(frozen=True, slots=True)
class Fault:
    """Why Redis gave no answer; `sent` when it may have counted all the same."""

    reason: Reason
    sent: bool
    detail: str

    def error(self, what: str, call_id: str) -> Unreachable:
        """Return the error that says so to the caller of `what`, a write or a read."""
        if self.sent and call_id:
            return UnknownOutcome(what, call_id)
        if self.reason is Reason.REDIS_REFUSED:
            return RedisRefused(self.detail)
        return RedisUnreachable(self.detail)


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller asked for.

    Attributes:
        call_id: The caller's id, or one of ours where the call may be spooled; None
            where a repeat would not be recognised.
        held: Whether it is a reservation.
    """

    tenant: str
    amounts: Mapping[str, int]
    call_id: str | None
    limits: Mapping[str, int] | None = None
    held: bool = False


class Fallback:
    """Decides what a call gets while Redis does not answer.

    Attributes:
        refused: How many calls were refused.
    """

    def __init__(
        self, context: Context, clock: ServerClock, spool: Spool | None
    ) -> None:
        self._context = context
        self._clock = clock
        self._spool = spool
        self._open = frozenset(
            str(each.name)
            for each in context.resources
            if each.on_fault is OnFault.FAIL_OPEN
        )
        self.refused = 0

    def fails_open(self, names: Iterable[str]) -> bool:
        """Tell whether a call may go on without Redis: every resource of it may."""
        return self._open.issuperset(names)

    async def answer(self, call: Call, fault: Fault) -> Degraded:
        """Refuse a call, or keep it on local disk and allow it.

        Raises:
            BadInput, NotFound: An argument is wrong.
            ReadOnly: The context allows no changes.
        """
        return await self.keep(self._check(call, fault), fault, call.call_id)

    async def keep(
        self, spooled: SpooledCall, fault: Fault, call_id: str | None
    ) -> Degraded:
        """Refuse what was checked, or keep it on local disk and allow it.

        Args:
            call_id: As in `Call`.
        """
        if self._spool is None or not self.fails_open(n for n, _ in spooled.amounts):
            return self._refuse(call_id, fault)
        kept = await self._spool.append(spooled)
        match kept:
            case Kept.KEPT:
                return Degraded(
                    True,
                    fault.reason,
                    Counting.SPOOLED,
                    spooled.call_id,
                    f"{fault.detail}; kept on local disk, to be counted once",
                )
            case Kept.FULL:
                full = Fault(
                    Reason.SPOOL_FULL,
                    fault.sent,
                    f"{fault.detail}, and local disk holds all that it may",
                )
                return self._refuse(call_id, full)
            case Kept.FAILED:
                failed = Fault(
                    Reason.SPOOL_FAILED,
                    True,  # what was written may come to light
                    f"{fault.detail}, and {self._spool.trouble}",
                )
                return self._refuse(call_id, failed)
            case _:
                assert_never(kept)

    def _refuse(self, call_id: str | None, why: Fault) -> Degraded:
        self.refused += 1
        counting = Counting.UNKNOWN if why.sent else Counting.NOT_COUNTED
        return Degraded(False, why.reason, counting, call_id or "", why.detail)

    def _check(self, call: Call, fault: Fault) -> SpooledCall:
        context = self._context
        context.check_writable()
        tenant = check_tenant(call.tenant, tagged=context.redis.layout.tagged)
        if call.call_id is not None:
            check_id("call id", call.call_id)
        check_amounts(call.amounts)
        check_limits(call.limits, call.amounts)
        resources = [context.resource(name) for name in call.amounts]
        for each in resources:
            check_kind(each, ResourceKind.COUNTER, ResourceKind.GAUGE)
        return SpooledCall(
            call_id=call.call_id or "",
            tenant=tenant,
            amounts=tuple(
                (each.name, amount)
                for each, amount in zip(resources, call.amounts.values(), strict=True)
            ),
            at=self._clock.now(),
            server_time=self._clock.known,
            sent=fault.sent,
            kind=SpooledKind.RESERVE if call.held else SpooledKind.USE,
        )
