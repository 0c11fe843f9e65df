"""The calls of a client that are about one resource, and no plain use of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import TypeVar

from meterdeck.core.model.decisions import Decision, GaugeReading
from meterdeck.core.model.degraded import Degraded
from meterdeck.core.services.kinds import OneCall
from meterdeck.core.services.meter_kinds import MeterKinds
from meterdeck.core.services.meter_reading import MeterReading
from meterdeck.core.services.recovery import Recovery
from meterdeck.core.services.tracking import TrackedCall

_T = TypeVar("_T")


class OneResourceCalls(MeterReading):
    """Part of a `MeterClient`, which sets its attributes."""

    _kinds: MeterKinds
    _recovery: Recovery

    async def set_gauge(
        self,
        tenant: str,
        resource: str,
        value: int,
        *,
        measured_at: datetime | None = None,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> GaugeReading | Degraded:
        """Record a gauge's level. No limit refuses it; the answer says if it is over.

        A reading sets the level, and what is consumed and released after it moves it
        from there. An older reading than the newest changes nothing, and the answer
        says so. Without Redis it is answered as `consume`; one that is kept on local
        disk is told with the moment at which it was taken, and replaces no newer one.

        Args:
            value: 0 to 2^53.
            measured_at: When the level was read, by default now.
            call_id, limits: As in `consume`.

        Raises:
            As `consume`; BadInput also where the resource is no gauge.
        """
        wanted = OneCall(tenant, resource, call_id, limits)
        return await self._told(
            lambda: self._kinds.set_gauge(wanted, value, measured_at)
        )

    async def count_unique(
        self,
        tenant: str,
        resource: str,
        members: Collection[str | bytes],
        *,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision | Degraded:
        """Count distinct members of the period: all of `members`, or none of them.

        A member counts once a period, however often it is named. The count is an
        estimate with a standard error of 0.81 %. Without Redis it is answered as
        `consume`; what is kept on local disk counts in the period in which it was seen.

        Args:
            members: 1 to 1,000 texts or bytes, each of 1 to 512 bytes.
            call_id, limits: As in `consume`.

        Raises:
            As `consume`; BadInput also where the resource counts no members.
        """
        wanted = OneCall(tenant, resource, call_id, limits)
        return await self._told(lambda: self._kinds.count_unique(wanted, members))

    async def track(
        self,
        tenant: str,
        resource: str,
        units: int = 1,
        *,
        dimensions: Mapping[str, str] | None = None,
        timestamp: datetime | None = None,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision | Degraded:
        """Count units, and bill them by a meter event of their own: both, or neither.

        For resources that are billed by events. The event waits in Redis until a worker
        has delivered it. Without Redis it is answered as `consume`; what is kept on
        local disk is counted and queued once, with the time at which it was used.

        Args:
            units: 1 to 10^15 - 1; `units()` makes them of an exact amount.
            dimensions: At most 20 names and texts of at most 100 characters.
            timestamp: When it was used, within the current period, at most 35 days ago
                and 5 minutes ahead; by default now.
            call_id: By it a repeat within ten minutes is known; one is made where none
                is given, and is in the answer.
            limits: As in `consume`.

        Raises:
            As `consume`; BadInput also where the resource is not billed by events.
        """
        wanted = OneCall(tenant, resource, call_id, limits)
        tracked = TrackedCall(wanted, units, dimensions, timestamp)
        return await self._told(lambda: self._kinds.track(tracked))

    async def _told(self, ask: Callable[[], Awaitable[_T | Degraded]]) -> _T | Degraded:
        with self._uses:
            answer = await ask()
            if isinstance(answer, Degraded):
                self._recovery.wake()
            return answer
