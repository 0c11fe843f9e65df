"""Accepted meter events: remembered for a day, and added up for ever."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from meterdeck.core.local_stripe.records import Meter
from meterdeck.core.local_stripe.totals import Point, Totals, totals_for

UNIQUE_FOR = timedelta(hours=24)
# At Stripe's sandbox limit of 25 events a second a day has two million.
MOST_REMEMBERED = 2_500_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted event; `customer` is None when it was dropped later."""

    identifier: str
    event_name: str
    meter: str
    customer: str | None
    point: Point
    received: datetime
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """Usage that no event brought."""

    meter: str
    customer: str
    point: Point


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The event of this place in the order of receipt was cancelled."""

    sequence: int
    at: datetime


Change: TypeAlias = Accepted | Past | Cancelled


class UsageStore:
    """Hold identifiers for 24 hours and the totals of each meter and customer.

    Totals change `lag_s` seconds after receipt, as Stripe's summaries do.

    Attributes:
        changes: What was added and cancelled; None where nobody wants to know.
    """

    def __init__(self, lag_s: Callable[[], float]) -> None:
        self._lag_s = lag_s
        self._totals: dict[tuple[str, str], Totals] = {}
        self._past: dict[tuple[str, str], Point] = {}
        self._accepted: dict[str, Accepted] = {}
        self._waiting: deque[tuple[datetime, Callable[[], None]]] = deque()
        self._sequence = 0
        self.changes: list[Change] | None = None

    @property
    def lag_s(self) -> float:
        """Seconds until an event counts, by the setting of now."""
        return self._lag_s()

    def __len__(self) -> int:
        """Give the number of identifiers remembered."""
        return len(self._accepted)

    def next_sequence(self) -> int:
        """Give the place of the next event in the order of receipt."""
        self._sequence += 1
        return self._sequence

    def accepted(self, identifier: str, now: datetime) -> Accepted | None:
        """Give the event that used an identifier within the last 24 hours."""
        self._forget(now)
        return self._accepted.get(identifier)

    def add(self, meter: Meter, event: Accepted) -> None:
        """Remember an event, and count it if its customer exists."""
        self._accepted[event.identifier] = event
        if self.changes is not None:
            self.changes.append(event)
        if event.customer is not None:
            totals = self._totals_of(meter, event.customer)
            self._later(event.received, totals.add, event.point)

    def add_past(self, meter: Meter, customer: str, point: Point) -> None:
        """Count usage that no event brought; it is visible at once."""
        if self.changes is not None:
            self.changes.append(Past(meter.id, customer, point))
        # Most of a large fleet's is never asked for: it costs totals only if it is.
        if (meter.id, customer) in self._past:
            self._found(meter, customer)
        found = self._totals.get((meter.id, customer))
        if found is None:
            self._past[meter.id, customer] = point
        else:
            found.add(point)

    def cancel(self, event: Accepted, now: datetime) -> None:
        """Take an event out of the totals; its identifier stays used."""
        self._accepted[event.identifier] = replace(event, cancelled=True)
        if self.changes is not None:
            self.changes.append(Cancelled(event.point.sequence, now))
        if event.customer is not None:
            totals = self._totals[event.meter, event.customer]
            self._later(now, totals.remove, event.point)

    def totals(self, meter: Meter, customer: str, now: datetime) -> Totals | None:
        """Give what has become visible of a customer's usage."""
        self._settle(now)
        return self._found(meter, customer)

    def settle(self) -> int:
        """Make everything visible that is not yet; return how many changes."""
        count = len(self._waiting)
        while self._waiting:
            self._waiting.popleft()[1]()
        return count

    def recall(
        self,
        meter: Meter,
        event: Accepted,
        cancelled_at: datetime | None,
        now: datetime,
    ) -> None:
        """Take up an event of an earlier run; in the order of receipt."""
        self.recall_sequence(event.point.sequence)
        if event.received > now - UNIQUE_FOR:
            self._accepted[event.identifier] = event
        if event.customer is None:
            return
        totals = self._totals_of(meter, event.customer)
        seen = now - timedelta(seconds=self.lag_s)
        if cancelled_at is not None and cancelled_at <= seen:
            return
        if event.received <= seen:
            totals.add(event.point)
        else:
            self._waiting.append((event.received, lambda: totals.add(event.point)))
        if cancelled_at is not None:
            self._waiting.append((cancelled_at, lambda: totals.remove(event.point)))

    def recall_sequence(self, sequence: int) -> None:
        """Go on counting behind a place of an earlier run."""
        self._sequence = max(self._sequence, sequence)

    def recalled(self) -> None:
        """Put what is not visible yet in the order of time."""
        self._waiting = deque(sorted(self._waiting, key=lambda each: each[0]))

    def _totals_of(self, meter: Meter, customer: str) -> Totals:
        totals = self._found(meter, customer)
        if totals is None:
            totals = self._totals[meter.id, customer] = totals_for(meter)
        return totals

    def _found(self, meter: Meter, customer: str) -> Totals | None:
        key = meter.id, customer
        past = self._past.pop(key, None)
        if past is not None:
            totals = self._totals[key] = totals_for(meter)
            totals.add(past)
        return self._totals.get(key)

    def _later(
        self, now: datetime, change: Callable[[Point], None], point: Point
    ) -> None:
        if self.lag_s <= 0 and not self._waiting:
            change(point)
            return
        self._waiting.append((now, lambda: change(point)))

    def _settle(self, now: datetime) -> None:
        # By the lag of now: a shorter one holds for what is waiting, too.
        seen = now - timedelta(seconds=self.lag_s)
        while self._waiting and self._waiting[0][0] <= seen:
            _, change = self._waiting.popleft()
            change()

    def _forget(self, now: datetime) -> None:
        """Drop the oldest identifiers; a dict keeps the order of receipt."""
        horizon = now - UNIQUE_FOR
        while self._accepted:
            oldest = next(iter(self._accepted))
            young = self._accepted[oldest].received > horizon
            if young and len(self._accepted) <= MOST_REMEMBERED:
                return
            del self._accepted[oldest]
