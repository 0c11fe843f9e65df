"""What a changed billing cycle means for counters: from which period to which.

A directory entry's `cycle_before` lists the changes that nobody has carried yet, oldest
first, separated by commas: the server's ms at the change, and `anchor interval
interval_count` of the cycle before, each empty where there was none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from meterdeck.core.adapters.redis_client import from_milliseconds
from meterdeck.core.model.periods import Cycle, Period, PeriodKind, current_period
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.services.current_periods import CYCLE_FIELDS, read_cycle

CYCLE_BEFORE = "cycle_before"
_LATEST_MS = 253_402_300_799_000  # 9999, the last year a datetime holds


@dataclass(frozen=True, slots=True)
class Carry:
    """What is in the counter of `old` goes on in that of `new`.

    Attributes:
        what: What changed, in words.
        at: When, by the server.
    """

    what: str
    at: datetime
    old: Period
    new: Period


@dataclass(frozen=True, slots=True)
class _Change:
    at: datetime
    before: Cycle | None


def carries(noted: bytes, cycle: Cycle | None) -> list[Carry]:
    """Return what is to be carried, in this order.

    Nothing where the new period began after the old one: that is as Stripe's bill does,
    which ends the old one there. Nor where both begin on one day: it is one counter.

    Args:
        noted: The entry's `cycle_before`; what makes no sense in it is left out.
        cycle: The entry's billing cycle now.
    """
    return [
        each
        for each in _steps(noted, cycle)
        if each.old.label != each.new.label and each.new.start <= each.old.start
    ]


def prolonged(noted: bytes, cycle: Cycle | None) -> list[Period]:
    """Return the periods whose counters have to last longer than they were to.

    They began on one day with one that ended earlier: a month that became a year.
    """
    return [
        each.new
        for each in _steps(noted, cycle)
        if each.old.label == each.new.label and each.new.end > each.old.end
    ]


def _steps(noted: bytes, cycle: Cycle | None) -> Iterator[Carry]:
    changes = list(_changes(noted))
    cycles = [*(each.before for each in changes), cycle]
    for change, (before, after) in zip(changes, pairwise(cycles), strict=True):
        old, new = (
            current_period(PeriodKind.BILLING_CYCLE, each, change.at)
            for each in (before, after)
        )
        yield Carry(_words(before, after), change.at, old, new)


def _changes(noted: bytes) -> Iterator[_Change]:
    for each in noted.split(b","):
        moment, *fields = each.split(b" ")
        at = parse_counter(moment)
        sound = at is not None and 0 <= at <= _LATEST_MS
        if at is not None and sound and len(fields) == len(CYCLE_FIELDS):
            yield _Change(from_milliseconds(at), read_cycle(fields))


def _words(before: Cycle | None, after: Cycle | None) -> str:
    if before is None:
        return "billing cycle began"
    if after is None:
        return "billing cycle ended"
    if (before.interval, before.count) != (after.interval, after.count):
        return "billing interval changed"
    return "billing anchor changed"
