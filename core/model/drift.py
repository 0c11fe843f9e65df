"""Drift as it is kept and shown: counters that Stripe does not have as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from meterdeck.core.model.reconciliation import MEANT, SETTLES, Cause, Finding, Share
from meterdeck.core.model.usage import CounterId

MOST_ROWS = 500
"""Counters that a pass names; how many more there are it counts."""


@dataclass(frozen=True, slots=True)
class Drifted:
    """A counter beside Stripe, in the resource's smallest unit.

    Attributes:
        used: None where the counter is gone.
        reported: What Stripe accepted.
        shares: They add up to `difference`.
        held: Why it is not billed until it is reconciled; empty where it is.
        settles: Whether an ambiguous event of it is proven, and only to be settled.
    """

    counter: CounterId
    used: int | None
    reported: int
    stripe: Decimal
    shares: tuple[Share, ...]
    held: str = ""
    settles: bool = False

    @property
    def difference(self) -> Decimal:
        """What was used less what Stripe has."""
        return (self.used or 0) - self.stripe

    @property
    def faults(self) -> tuple[Share, ...]:
        """The shares that need somebody: they neither settle nor are meant."""
        fine = SETTLES | MEANT
        return tuple(each for each in self.shares if each.cause not in fine)

    @property
    def agreed(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.faults or self.held or self.settles)

    @property
    def drift(self) -> Decimal:
        """Units of the faults, all counted as positive."""
        return sum((abs(each.units) for each in self.faults), Decimal(0))


@dataclass(frozen=True, slots=True)
class LastPass:
    """What the workers' last reconciliation found.

    Attributes:
        at: When it ended.
        everything: Whether also what had not changed was compared.
        unasked: Counters that could not be compared.
        settled: Ambiguous events that it settled.
        rows: Counters that differ, the worst first, `MOST_ROWS` at most.
        more: How many more there are.
        since: Since when, at the latest, something is unexplained.
        drift: Units of each cause that needs somebody, of all counters, as positive.
    """

    at: datetime
    by: str
    took_s: float
    everything: bool
    compared: int
    unchanged: int
    unasked: int
    settled: int
    rows: tuple[Drifted, ...] = ()
    more: int = 0
    since: datetime | None = None
    drift: Mapping[Cause, Decimal] = field(default_factory=dict)

    @property
    def differing(self) -> int:
        """Counters that differ."""
        return len(self.rows) + self.more


def drifted(counter: CounterId, finding: Finding) -> Drifted:
    """Return what is kept of a comparison."""
    record = finding.facts.record
    return Drifted(
        counter,
        record.used,
        record.reported,
        finding.facts.stripe,
        finding.shares,
        finding.facts.held,
        bool(finding.settled),
    )


def worst_first(rows: Iterable[Drifted]) -> list[Drifted]:
    """Order rows: what is wrong before what is on its way, the most units first."""
    return sorted(rows, key=_urgency)


class WorstRows:
    """The worst of any number of rows, and how many there were.

    Args:
        most: Rows that are kept.

    Attributes:
        count: How many there were in all.
    """

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._most = most
        self._rows: list[Drifted] = []
        self.count = 0

    def add(self, row: Drifted) -> None:
        """Take a row; twice as many as are kept are held for a while."""
        self.count += 1
        self._rows.append(row)
        if len(self._rows) > 2 * self._most:
            self._rows = worst_first(self._rows)[: self._most]

    @property
    def rows(self) -> tuple[Drifted, ...]:
        """Those that are kept, the worst first."""
        return tuple(worst_first(self._rows)[: self._most])

    @property
    def more(self) -> int:
        """How many there were besides."""
        return max(0, self.count - self._most)


def _urgency(row: Drifted) -> tuple[object, ...]:
    counter = row.counter
    name = (counter.tenant, counter.resource, counter.period)
    return row.agreed, -row.drift, *name


def causes_of(rows: Iterable[Drifted]) -> dict[Cause, Decimal]:
    """Return units of each cause that needs somebody, all as positive."""
    found: dict[Cause, Decimal] = {}
    for row in rows:
        for share in row.faults:
            found[share.cause] = found.get(share.cause, Decimal(0)) + abs(share.units)
    return found
