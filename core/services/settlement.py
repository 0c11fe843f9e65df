"""Confirming and releasing calls for an application, whatever Redis does."""

from __future__ import annotations

from collections.abc import Mapping

from meterdeck.core.adapters.settle_calls import Settling
from meterdeck.core.errors import NotFound
from meterdeck.core.model.amounts import check_settled
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Settled
from meterdeck.core.model.degraded import Deferred, Reason, SpooledCall, SpooledKind
from meterdeck.core.model.names import check_id, check_tenant
from meterdeck.core.model.usage import ResourceName
from meterdeck.core.services.fallback import Fault
from meterdeck.core.services.guarded import Guarded
from meterdeck.core.services.server_clock import ServerClock
from meterdeck.core.services.spooling import Kept, Spool
from meterdeck.core.services.usage import UsageService

_BEHIND = Fault(
    Reason.REDIS_UNREACHABLE, False, "Redis was not told of calls before this one yet"
)


class Settlement:
    """Tells Redis how calls ended, at once or by way of the spool.

    A call that is only in the spool is unknown to Redis. What is said of it goes into
    the spool too, behind it, so that it is counted first and settled then.
    """

    def __init__(
        self,
        context: Context,
        usage: UsageService,
        guarded: Guarded,
        clock: ServerClock,
        spool: Spool | None,
    ) -> None:
        self._context = context
        self._usage = usage
        self._guarded = guarded
        self._clock = clock
        self._spool = spool

    async def settle(
        self,
        how: Settling,
        tenant: str,
        call_id: str,
        amounts: Mapping[str, int] | None,
    ) -> Settled | Deferred:
        """Settle a call once.

        Raises:
            As `MeterClient.release` and `confirm`.
        """
        self._context.check_writable()
        check_settled(amounts)
        call = self._record(how, tenant, call_id, amounts)
        # Asked before Redis is: what waits now may be counted a moment later.
        spooled = self._spool is not None and self._spool.waits
        settle = self._usage.release if how is Settling.RELEASE else self._usage.confirm
        try:
            answer = await self._guarded.ask(lambda: settle(tenant, call_id, amounts))
        except NotFound:
            if not spooled:
                raise
            answer = _BEHIND
        if isinstance(answer, Settled):
            return answer
        return await self._defer(call, answer)

    async def _defer(self, call: SpooledCall, why: Fault) -> Deferred:
        what = f"the {call.kind}"
        if self._spool is None:
            raise why.error(what, call.call_id)
        match await self._spool.append(call):
            case Kept.KEPT:
                detail = f"{why.detail}; {what} is kept on local disk, to be done once"
                return Deferred(call.call_id, detail)
            case Kept.FULL:
                detail = f"{why.detail}, and local disk holds all that it may"
                raise Fault(why.reason, why.sent, detail).error(what, call.call_id)
            case Kept.FAILED:
                detail = f"{why.detail}, and {self._spool.trouble}"
                # What was written may come to light.
                raise Fault(why.reason, True, detail).error(what, call.call_id)

    def _record(
        self,
        how: Settling,
        tenant: str,
        call_id: str,
        amounts: Mapping[str, int] | None,
    ) -> SpooledCall:
        tagged = self._context.redis.layout.tagged
        return SpooledCall(
            call_id=check_id("call id", call_id),
            tenant=check_tenant(tenant, tagged=tagged),
            amounts=tuple((ResourceName(n), u) for n, u in (amounts or {}).items()),
            at=self._clock.now(),
            server_time=self._clock.known,
            sent=False,
            kind=SpooledKind(how.value),
        )
