"""Which counters reach their limits soon: a whole column against an older copy."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import datetime

from meterdeck.core.model.fleet_update import NO_COUNTER
from meterdeck.core.model.periods import Cycle, PeriodKind, calendar_month
from meterdeck.core.services.fleet_columns import Column

_BLOCK = 512
"""Rows compared at once: where nothing was counted, one comparison in C is enough."""
_DAY_S = 86_400


def soon_rows(
    column: Column, then: array[int], units: Sequence[int], ahead: float
) -> list[int]:
    """Return rows that reach their limit while the copy's age passes `ahead` times.

    Args:
        then: The column some time ago; rows that came since are not looked at.
        units: Limits by their number, negative where unlimited.
    """
    found: list[int] = []
    used, limits = column.used, column.limit
    for start in range(0, len(then), _BLOCK):
        now, past = used[start : start + _BLOCK], then[start : start + _BLOCK]
        if now == past:
            continue
        numbers = limits[start : start + _BLOCK]
        found += [
            row
            for row, value, before, limit in zip(
                range(start, start + _BLOCK), now, past, numbers, strict=False
            )
            if value > before != NO_COUNTER
            and 0 < units[limit] - value <= (value - before) * ahead
        ]
    return found


def may_end(
    kind: PeriodKind, cycle: Cycle | None, at: datetime, seconds: float
) -> bool:
    """Tell whether a period can end within `seconds`; cheap, and never wrongly False.

    A cycle turns at its anchor's time of day, whatever the day is.
    """
    if kind is PeriodKind.NONE:
        return False
    if kind is PeriodKind.BILLING_CYCLE and cycle is not None:
        turn = cycle.anchor.timestamp() - at.timestamp()
        return turn % _DAY_S <= seconds
    return (calendar_month(at).end - at).total_seconds() <= seconds
