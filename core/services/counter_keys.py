"""Which keys hold the counters of a stretch of tenants now, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import (
    ENDLESS,
    PeriodKind,
    calendar_month,
    current_period,
)
from meterdeck.core.model.usage import Resource, Tenant

_MARK = "\0tenant\0"


_Around = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """Keys of some tenants' counters: all of the first resource, then the second.

    They are written when they are asked for: kept, those of a hundred thousand tenants
    would take more room than all the counters.

    Attributes:
        around: What stands around the tenant's name, for each resource: once for all
            tenants, or for each of them.
        valid_until: The first moment one of these periods has ended.
    """

    tenants: Sequence[Tenant]
    around: Sequence[_Around | Sequence[_Around]]
    valid_until: datetime

    @property
    def keys(self) -> list[bytes]:
        """Write the keys."""
        ids = [_encoded(tenant) for tenant in self.tenants]
        keys: list[bytes] = []
        for around in self.around:
            if isinstance(around, tuple):
                before, after = around
                keys += [before + name + after for name in ids]
            else:
                pairs = zip(around, ids, strict=True)
                keys += [before + name + after for (before, after), name in pairs]
        return keys

    def key(self, column: int, place: int) -> bytes:
        """Write the key of one tenant's counter of a resource."""
        around = self.around[column]
        pair = around if isinstance(around, tuple) else around[place]
        before, after = cast("_Around", pair)
        return before + _encoded(self.tenants[place]) + after


def _encoded(tenant: Tenant) -> bytes:
    return tenant.id.encode("utf-8", "surrogateescape")


def plan_keys(
    layout: KeyLayout,
    tenants: Sequence[Tenant],
    resources: Sequence[Resource],
    at: datetime,
) -> KeyPlan:
    """Name the counters of `tenants` in the periods that hold `at`."""
    month = calendar_month(at)
    until = month.end
    planned: list[_Around | Sequence[_Around]] = []
    for resource in resources:
        gauge = resource.period is PeriodKind.NONE
        around = _around(layout, resource, ENDLESS.label if gauge else month.label)
        if resource.period is PeriodKind.BILLING_CYCLE:
            cycled = _Cycled(layout, resource, {month.label: around})
            planned.append([cycled.around(tenant, at) for tenant in tenants])
            until = min(until, cycled.until)
        else:
            planned.append(around)
    return KeyPlan(tenants, planned, until)


class _Cycled:
    """Names the counters of a resource that each tenant has by its own cycle."""

    def __init__(
        self, layout: KeyLayout, resource: Resource, known: dict[str, _Around]
    ) -> None:
        self._layout = layout
        self._resource = resource
        self._known = known
        self.until = datetime.max.replace(tzinfo=UTC)

    def around(self, tenant: Tenant, at: datetime) -> _Around:
        period = current_period(self._resource.period, tenant.cycle, at)
        self.until = min(self.until, period.end)
        around = self._known.get(period.label)
        if around is None:
            around = _around(self._layout, self._resource, period.label)
            self._known[period.label] = around
        return around


def _around(layout: KeyLayout, resource: Resource, label: str) -> _Around:
    # Naming each key by the template costs four times as much.
    key = layout.counter(_MARK, resource.name, label)
    before, _, after = key.partition(_MARK.encode())
    return before, after
