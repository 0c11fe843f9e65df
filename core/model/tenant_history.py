"""The history of a tenant's counters: this period, those before, how fast, how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from meterdeck.core.model.history import (
    DAY,
    HOUR,
    Rate,
    Reading,
    Readings,
    Stretch,
    UsedLine,
    day_edges,
    hour_edges,
    used_line,
)
from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import (
    Broken,
    Resource,
    ResourceKind,
    Tenant,
    Usage,
    percent_of,
)

HOURS_SHOWN = 24
LEVEL_DAYS = 31
"""Days that are shown of a level, which has no period."""


class Source(StrEnum):
    """Who knows what was used in a period that is over."""

    COUNTER = "counter"
    STRIPE = "stripe"
    """Its summaries: what was billed, which may differ from what was counted."""


@dataclass(frozen=True, slots=True)
class PastPeriod:
    """A period that is over.

    Attributes:
        used: Units.
        limit: As it was at the period's end, None: there was none.
        limit_then: Whether that is known; else it is today's.
    """

    period: Period
    used: int | Broken
    limit: int | None
    limit_then: bool
    source: Source

    @property
    def percent(self) -> int | None:
        """Share of the limit, rounded down; None where there is no share."""
        if isinstance(self.used, Broken):
            return None
        return percent_of(self.used, self.limit)


@dataclass(frozen=True, slots=True)
class ResourceHistory:
    """One counter: what it is now, and what was before.

    Attributes:
        running: What is known of the running period; the last reading is of now.
        before: What is known of those that led to it, oldest first.
        earlier: Periods that are over, the newest first.
        problem: Why there are no samples of it; empty where there are, or none yet.
        by_stripe: The running period's readings are Stripe's, day by day.
    """

    resource: Resource
    usage: Usage
    now: datetime
    running: Readings
    before: tuple[Readings, ...] = ()
    earlier: tuple[PastPeriod, ...] = ()
    problem: str = ""
    by_stripe: bool = False
    line: UsedLine = field(init=False, repr=False, compare=False)
    """What was used, in this period and as far as it is known before."""

    def __post_init__(self) -> None:
        lined = [each for each in (*self.before, self.running) if each.taken]
        object.__setattr__(self, "line", used_line(lined))

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Readings of the running period, oldest first."""
        return self.running.taken

    def including(self, seen: Iterable[Reading]) -> ResourceHistory:
        """Return the history with what somebody else has seen of the running period."""
        period = self.usage.period
        within = [each for each in seen if each.at in period and each.at < self.now]
        if not within:
            return self
        by_moment = {each.at: each for each in (*within, *self.running.taken)}
        taken = tuple(by_moment[at] for at in sorted(by_moment))
        return replace(self, running=replace(self.running, taken=taken))

    @property
    def since(self) -> datetime | None:
        """From when on it is known how it was used; None where it is not."""
        return self.line.begins

    @property
    def last_hour(self) -> Rate | None:
        """How fast it is used by the last hour."""
        return self.line.rate(HOUR)

    @property
    def last_day(self) -> Rate | None:
        """How fast it is used by the last 24 hours."""
        return self.line.rate(DAY)

    def until_limit(self, rate: Rate | None) -> timedelta | None:
        """Return how long the limit lasts at a rate.

        Zero where it is reached; None where it is not in this period, or not known.
        """
        remaining = self.usage.remaining
        if remaining is None:
            return None
        if remaining == 0:
            return timedelta(0)
        if rate is None or rate.units <= 0:
            return None
        left_s = remaining / rate.per_second
        period = self.usage.period
        most = timedelta(days=366) if period.endless else period.end - self.now
        return timedelta(seconds=left_s) if left_s < most.total_seconds() else None

    @property
    def at_end(self) -> int | None:
        """What the counter will hold at the period's end, as the last day went."""
        used, period, rate = self.usage.used, self.usage.period, self.last_day
        if isinstance(used, Broken) or period.endless or rate is None:
            return None
        left_s = (period.end - self.now).total_seconds()
        return used + max(0, round(rate.per_second * left_s))

    def days(self) -> list[Stretch]:
        """Return what was used in each UTC day of the period, up to now.

        Of a level: how much it rose or fell in each of the last days.
        """
        start = self.usage.period.start
        if self.usage.period.endless:
            first = (self.now - DAY * (LEVEL_DAYS - 1)).replace(hour=0, minute=0)
            start = first.replace(second=0, microsecond=0)
        return self.line.stretches(day_edges(start, self.now))

    def hours(self) -> list[Stretch]:
        """Return what was used in each of the last 24 hours, the running one too."""
        return self.line.stretches(hour_edges(self.now, HOURS_SHOWN))

    @property
    def is_level(self) -> bool:
        """Whether it is a gauge, which has no periods."""
        return self.resource.kind is ResourceKind.GAUGE


@dataclass(frozen=True, slots=True)
class TenantHistory:
    """The history of all of a tenant's counters.

    Attributes:
        at: By the Redis server's clock.
        notes: What could not be read, in a sentence each.
    """

    tenant: Tenant
    at: datetime
    resources: tuple[ResourceHistory, ...]
    notes: tuple[str, ...] = ()

    def of(self, resource: str) -> ResourceHistory | None:
        """Return one resource's; None where there is none."""
        return next((r for r in self.resources if r.resource.name == resource), None)
