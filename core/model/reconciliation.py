"""Reconciliation: what was used, what the ledger says, what Stripe has, and why.

Amounts are in a resource's smallest unit; Stripe's may have parts of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from meterdeck.core.model.delivery import BillingRecord, Letter
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.periods import Period

SUMMARY_LAG = timedelta(minutes=5)
"""So long an accepted event may be missing in Stripe's summaries."""
SLOW_SUMMARY = timedelta(hours=6)
"""So long it may, while Stripe shows nothing newer of the meter either."""
GIVING_BACK = timedelta(minutes=15)
"""So long after it was billed an application may release what a call took."""


class Cause(StrEnum):
    """Why Stripe does not have what was used."""

    WAITING = "waiting"
    """Used, and in no event yet; negative where it was taken back after it was sent."""
    IN_FLIGHT = "in_flight"
    LAG = "lag"
    """Accepted or cancelled a moment ago; Stripe's summary does not show it yet."""
    RESERVED = "reserved"
    QUOTA_ONLY = "quota_only"
    """An operator changed the counter and not the bill."""
    EDGE = "edge"
    """Of the neighbouring period, in the minute that both have a part of."""
    REFUSED = "refused"
    """In a letter: Stripe did not take it, or did not count it."""
    AMBIGUOUS = "ambiguous"
    """In a letter: counted or not, nobody knows."""
    TEST = "test"
    """Test events, by `fire`."""
    FOREIGN = "foreign"
    """More than we ever sent: somebody else writes to this meter."""
    MISSING = "missing"
    """Stripe accepted it, and does not count it."""
    ROUNDING = "rounding"
    """Decimals that were not kept."""
    WRONG_PERIOD = "wrong_period"
    """Stripe counts it in the period before or after."""
    COUNTER_LOST = "counter_lost"
    """The counter is gone, or lower than what was billed of it."""
    RESTORED = "restored"
    """The billing record is an older one: events were sent that it does not know."""
    UNEXPLAINED = "unexplained"


SETTLES = frozenset({Cause.WAITING, Cause.IN_FLIGHT, Cause.LAG})
"""What goes away by itself."""
MEANT = frozenset({Cause.RESERVED, Cause.QUOTA_ONLY, Cause.EDGE})
"""What is as it should be."""


def minute_of(moment: datetime) -> datetime:
    """Return the start of the minute that holds `moment`."""
    return moment.replace(second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Minute:
    """A minute of a customer on a meter: the least that Stripe sums up."""

    event_name: str
    customer: str
    start: datetime

    @classmethod
    def of(cls, event: MeterEvent) -> Minute:
        """Return the minute that an event is summed up in."""
        return cls(event.event_name, event.customer, minute_of(event.timestamp))


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event of a counter that Stripe accepted, as the delivery log tells it.

    Attributes:
        sequence: Its number among the events of its counter.
        accepted_at: When its answer was noted.
    """

    identifier: str
    sequence: int
    units: int
    timestamp: datetime
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one counter and its period.

    Attributes:
        now: Of the Redis server; not earlier than when Stripe was asked.
        stripe: Its summary from the minute the period begins in to the minute it ends
            in, both included.
        letters: Of this counter.
        sent: Oldest first, as far back as the log goes.
        newest_sequence: The highest number of an event of this counter in the log.
        taken: Of events that wait, what a worker has: Stripe may have it already.
        test_units: Of accepted test events in this period.
        edge: What Stripe has in the period's first and last minute and is not ours;
            negative: what it lacks of ours.
        before: Stripe's surplus in the period before: its summary less what is
            reported there; None where it was not asked.
        after: The same of the period after.
        minutes: The minute of an ambiguous event → what Stripe has in it, less all that
            the log knows of it; only where every other event of it is surely shown.
        given_back: By how many units operators lowered what is to be billed since
            the last claim.
        negative: Whether negative events are sent.
        slow: Whether Stripe shows nothing of this meter that was accepted later than
            the newest event of this counter.
        shown_to: Stripe was seen to show an event of this meter that was accepted then;
            None: nobody looked, or none was found.
        covered: Whether `sent` has all that a summary may not show yet.
        lower: Whether an operator said that the counter is right, though it is lower
            than what was billed.
        held: Why the counter is not billed until it is reconciled; empty where it is.
        flush: At least so long passes between two events of the counter.
    """

    record: BillingRecord
    period: Period
    scale: int
    now: datetime
    stripe: Decimal
    letters: tuple[Letter, ...] = ()
    sent: tuple[SentEvent, ...] = ()
    newest_sequence: int = 0
    taken: int = 0
    test_units: int = 0
    edge: Decimal = Decimal(0)
    before: Decimal | None = None
    after: Decimal | None = None
    minutes: Mapping[Minute, Decimal] = field(default_factory=dict)
    given_back: int = 0
    negative: bool = True
    slow: bool = False
    shown_to: datetime | None = None
    covered: bool = True
    lower: bool = False
    held: str = ""
    flush: timedelta = timedelta(0)

    @property
    def used(self) -> int:
        """The counter; 0 where there is none."""
        return self.record.used or 0

    @property
    def ledger(self) -> int:
        """Units that are accounted for: reported, parked or in flight."""
        record = self.record
        flying = record.claim.units if record.claim else 0
        return record.reported + record.parked + flying

    @property
    def surplus(self) -> Decimal:
        """What Stripe has beyond what is reported."""
        return self.stripe - self.record.reported


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a difference: positive where Stripe lacks it, negative: has it more."""

    cause: Cause
    units: Decimal


@dataclass(frozen=True, slots=True)
class Finding:
    """A counter, the ledger and Stripe side by side.

    Attributes:
        shares: They add up to `difference`, exactly; none is 0.
        settled: Identifier of an ambiguous event → whether Stripe counted it, where
            that is proven.
        since: With something unexplained, no later than when it arose.
        confirms: Up to this number Stripe counts every event of the counter that it
            accepted; None where that is not shown.
    """

    facts: Facts
    shares: tuple[Share, ...]
    settled: Mapping[str, bool] = field(default_factory=dict)
    since: datetime | None = None
    confirms: int | None = None

    @property
    def difference(self) -> Decimal:
        """What was used less what Stripe has."""
        return self.facts.used - self.facts.stripe

    def units(self, cause: Cause) -> Decimal:
        """Return the units of a cause, 0 where it is none here."""
        return sum(
            (each.units for each in self.shares if each.cause is cause), Decimal(0)
        )

    @property
    def faults(self) -> tuple[Share, ...]:
        """The shares that need somebody: they neither settle nor are meant."""
        return tuple(
            each
            for each in self.shares
            if each.cause not in SETTLES and each.cause not in MEANT
        )

    @property
    def drift(self) -> Decimal:
        """Units of the faults, all counted as positive."""
        return sum((abs(each.units) for each in self.faults), Decimal(0))

    @property
    def agreed(self) -> bool:
        """Whether nothing is wrong, and nothing is to be settled."""
        return not (self.faults or self.settled or self.facts.held)

    @property
    def confirmed_units(self) -> int:
        """What Stripe has of the events that `confirms` names."""
        return int(self.facts.stripe + self.units(Cause.EDGE))
