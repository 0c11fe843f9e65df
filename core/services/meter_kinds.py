"""Gauges and distinct members for an application, whatever Redis does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision, GaugeReading
from meterdeck.core.model.degraded import Degraded, SpooledCall, SpooledKind
from meterdeck.core.model.names import check_tenant
from meterdeck.core.model.usage import Resource, ResourceKind
from meterdeck.core.services.fallback import Fallback, Fault
from meterdeck.core.services.guarded import Guarded
from meterdeck.core.services.kinds import OneCall, check_reading, member_bytes
from meterdeck.core.services.server_clock import ServerClock
from meterdeck.core.services.tracking import TrackedCall, check_time
from meterdeck.core.services.usage import UsageService


class MeterKinds:
    """Asks Redis within a deadline, and answers as `on_fault` says where it is away."""

    def __init__(
        self,
        context: Context,
        usage: UsageService,
        guarded: Guarded,
        fallback: Fallback,
        clock: ServerClock,
    ) -> None:
        self._context = context
        self._usage = usage
        self._guarded = guarded
        self._fallback = fallback
        self._clock = clock

    async def set_gauge(
        self, wanted: OneCall, value: int, measured_at: datetime | None
    ) -> GaugeReading | Degraded:
        """Record a reading; see `MeterClient.set_gauge`."""
        found = wanted.checked(self._context, ResourceKind.GAUGE)
        check_reading(found, value, measured_at)
        wanted = self._named(wanted)
        # Before it is asked: what is read now may be told much later.
        at = measured_at or self._clock.now()
        answer = await self._guarded.ask(
            lambda: self._usage.set_gauge(
                wanted.tenant,
                wanted.resource,
                value,
                measured_at=measured_at,
                call_id=wanted.call_id,
                limits=wanted.limits,
            )
        )
        if isinstance(answer, GaugeReading):
            return answer
        kept = self._record(wanted, found, answer, SpooledKind.READING)
        kept = replace(kept, amounts=((found.name, value),), at=at)
        return await self._fallback.keep(kept, answer, wanted.call_id)

    async def count_unique(
        self, wanted: OneCall, members: Collection[str | bytes]
    ) -> Decision | Degraded:
        """Count distinct members; see `MeterClient.count_unique`."""
        found = wanted.checked(self._context, ResourceKind.UNIQUE)
        raw = member_bytes(members)
        wanted = self._named(wanted)
        answer = await self._guarded.ask(
            lambda: self._usage.count_unique(
                wanted.tenant,
                wanted.resource,
                raw,
                call_id=wanted.call_id,
                limits=wanted.limits,
            )
        )
        if isinstance(answer, Decision):
            return answer
        kept = self._record(wanted, found, answer, SpooledKind.MEMBERS)
        kept = replace(kept, amounts=((found.name, len(raw)),), members=tuple(raw))
        return await self._fallback.keep(kept, answer, wanted.call_id)

    async def track(self, wanted: TrackedCall) -> Decision | Degraded:
        """Count units and queue their event; see `MeterClient.track`."""
        found = wanted.checked(self._context)
        wanted = wanted.named()
        call = wanted.call
        answer = await self._guarded.ask(
            lambda: self._usage.track(
                call.tenant,
                call.resource,
                wanted.units,
                dimensions=wanted.dimensions,
                timestamp=wanted.timestamp,
                call_id=call.call_id,
                limits=call.limits,
            )
        )
        if isinstance(answer, Decision):
            return answer
        if wanted.timestamp is not None:
            check_time(wanted.timestamp, self._clock.now())
        kept = replace(
            self._record(call, found, answer, SpooledKind.TRACK),
            amounts=((found.name, wanted.units),),
            dimensions=tuple(sorted((wanted.dimensions or {}).items())),
            timestamp=wanted.timestamp,
        )
        return await self._fallback.keep(kept, answer, call.call_id)

    def _named(self, wanted: OneCall) -> OneCall:
        """Return the call with an id, where it may be told twice."""
        if wanted.call_id is None and self._fallback.fails_open([wanted.resource]):
            return replace(wanted, call_id=uuid4().hex)
        return wanted

    def _record(
        self, wanted: OneCall, resource: Resource, fault: Fault, kind: SpooledKind
    ) -> SpooledCall:
        tagged = self._context.redis.layout.tagged
        return SpooledCall(
            call_id=wanted.call_id or "",
            tenant=check_tenant(wanted.tenant, tagged=tagged),
            amounts=((resource.name, 0),),
            at=self._clock.now(),
            server_time=self._clock.known,
            sent=fault.sent,
            kind=kind,
        )
