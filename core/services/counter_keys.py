"""Which keys hold the counters of a stretch of tenants now, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import (
    ENDLESS,
    PeriodKind,
    calendar_month,
    current_period,
)
from meterdeck.core.model.usage import Resource, Tenant

_MARK = "\0tenant\0"


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """Keys of some tenants' counters: all of the first resource, then the second.

    Attributes:
        valid_until: The first moment one of these periods has ended.
    """

    keys: list[bytes]
    valid_until: datetime


def plan_keys(
    layout: KeyLayout,
    tenants: Sequence[Tenant],
    resources: Sequence[Resource],
    at: datetime,
) -> KeyPlan:
    """Name the counters of `tenants` in the periods that hold `at`."""
    ids = [tenant.id.encode("utf-8", "surrogateescape") for tenant in tenants]
    month = calendar_month(at)
    until = month.end
    keys: list[bytes] = []
    for resource in resources:
        gauge = resource.period is PeriodKind.NONE
        label = ENDLESS.label if gauge else month.label
        before, after = _around(layout, resource, label)
        monthly = [before + name + after for name in ids]
        if resource.period is PeriodKind.BILLING_CYCLE:
            for place, tenant in enumerate(tenants):
                if tenant.cycle is None:
                    continue
                period = current_period(resource.period, tenant.cycle, at)
                until = min(until, period.end)
                name = layout.counter(tenant.id, resource.name, period.label)
                monthly[place] = name
        keys += monthly
    return KeyPlan(keys, until)


def _around(layout: KeyLayout, resource: Resource, label: str) -> tuple[bytes, bytes]:
    # Naming each key by the template costs four times as much.
    key = layout.counter(_MARK, resource.name, label)
    before, _, after = key.partition(_MARK.encode())
    return before, after
