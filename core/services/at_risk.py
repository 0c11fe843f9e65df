"""Counters that are at their limit, over 90 percent of it, or there soon."""

from __future__ import annotations

from datetime import timedelta

from meterdeck.core.model.handoff import REACHED_SOON, AtRisk
from meterdeck.core.services.fleet import Fleet

_HIGH = 90
_ROWS = 2_000  # that are looked at closely, nearest to a limit
_FAR = timedelta.max
_SOON = f"eta<{int(REACHED_SOON.total_seconds()) // 3600}h"


def at_risk(fleet: Fleet, most: int) -> tuple[tuple[AtRisk, ...], int]:
    """Return at most so many, the most urgent first, and how many more there are."""
    worst = fleet.severity.worst
    high = {row for row, percent in enumerate(worst) if percent > _HIGH}
    rows = sorted(high.union(fleet.search(_SOON)), key=worst.__getitem__)[-_ROWS:]
    left_out = len(high) - len(rows)
    found = [
        risk
        for row in rows
        for column in range(len(fleet.resources))
        if (risk := _risk(fleet, row, column)) is not None
    ]
    found.sort(key=_urgency)
    return tuple(found[:most]), max(len(found) - most, 0) + max(left_out, 0)


def _risk(fleet: Fleet, row: int, column: int) -> AtRisk | None:
    used, percent = fleet.used(row, column), fleet.percent(row, column)
    limit = fleet.limit(row, column).units
    if limit is None or percent is None or not isinstance(used, int | None):
        return None
    full_in = fleet.time_to_limit(row, column)
    if percent <= _HIGH and (full_in is None or full_in > REACHED_SOON):
        return None
    return AtRisk(
        fleet.tenant(row),
        fleet.resources[column],
        used or 0,
        limit,
        percent,
        fleet.rate(row, column),
        full_in,
    )


def _urgency(risk: AtRisk) -> tuple[bool, timedelta, int, str]:
    left = risk.full_in if risk.full_in is not None else _FAR
    return not risk.full, left, -risk.percent, risk.tenant.id
