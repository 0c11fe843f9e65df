"""Groups of the fleet: by plan, by status, by how near a limit is.

One pass over rows that are in order already; each group keeps that order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from meterdeck.core.model.usage import Tenant
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.fleet_order import TROUBLE

SOON_S = 3600
"""A limit reached within so many seconds is one to look after now."""


class GroupBy(StrEnum):
    """What the fleet can be grouped by."""

    NOTHING = "nothing"
    PLAN = "plan"
    STATUS = "status"
    RISK = "risk"


class Risk(StrEnum):
    """How near a tenant's worst resource is to its limit; most urgent first."""

    AT_LIMIT = "at limit"
    OVER_90 = "over 90 %"
    SOON = "limit within the hour"
    NEAR = "over 70 %"
    CALM = "calm"


@dataclass(frozen=True, slots=True)
class Group:
    """Some rows of the fleet, in order.

    Attributes:
        key: What they have in common: a plan, a status or a `Risk`.
        at_limit: How many have used all of a limit.
        near: How many are above 70 percent of one, and not at it.
    """

    key: str
    rows: Sequence[int]
    at_limit: int
    near: int


def grouped(fleet: Fleet, by: GroupBy, rows: Sequence[int]) -> list[Group]:
    """Return the groups of `rows`, in an order that does not depend on theirs.

    Plans by name, those without one last; statuses in trouble first; risks as in
    `Risk`. No group is empty.
    """
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row, key in zip(rows, _keys(fleet, by, rows), strict=True):
        found[key].append(row)
    ordered = sorted(found, key=_PLACES[by])
    return [_group(fleet, key, found[key]) for key in ordered]


def _keys(fleet: Fleet, by: GroupBy, rows: Sequence[int]) -> list[str]:
    match by:
        case GroupBy.PLAN:
            return _of_tenants(fleet, attrgetter("plan"), rows)
        case GroupBy.STATUS:
            return _of_tenants(fleet, attrgetter("status"), rows)
        case GroupBy.RISK:
            return _risks(fleet, rows)
    return [""] * len(rows)


def _of_tenants(
    fleet: Fleet, key: Callable[[Tenant], str], rows: Sequence[int]
) -> list[str]:
    if len(rows) < len(fleet) // 4:
        return [key(fleet.tenants[row]) for row in rows]
    # In their own order tenants lie side by side in memory, which is ten times as fast.
    keys = list(map(key, fleet.tenants))
    return [keys[row] for row in rows]


def _risks(fleet: Fleet, rows: Sequence[int]) -> list[str]:
    worst, soon = fleet.severity.worst, fleet.reached_within(SOON_S)
    calm = {False: Risk.CALM.value, True: Risk.SOON.value}
    near = {False: Risk.NEAR.value, True: Risk.SOON.value}
    full, high = Risk.AT_LIMIT.value, Risk.OVER_90.value
    return [
        full
        if (share := worst[row]) >= 100
        else high
        if share > 90
        else near[row in soon]
        if share > 70
        else calm[row in soon]
        for row in rows
    ]


def _group(fleet: Fleet, key: str, rows: list[int]) -> Group:
    worst = fleet.severity.worst
    above = [share for row in rows if (share := worst[row]) > 70]
    at_limit = sum(share >= 100 for share in above)
    return Group(key, rows, at_limit, len(above) - at_limit)


_RISKS = {risk.value: place for place, risk in enumerate(Risk)}
_STATUSES: dict[str, int] = {status.value: at for status, at in TROUBLE.items()}
_PLACES: dict[GroupBy, Callable[[str], tuple[int, str]]] = {
    GroupBy.NOTHING: lambda key: (0, key),
    GroupBy.PLAN: lambda key: (not key, key),
    GroupBy.STATUS: lambda key: (_STATUSES.get(key, 0), key),
    GroupBy.RISK: lambda key: (_RISKS[key], key),
}
