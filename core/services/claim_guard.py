"""Counter loss: a claim that bills what was billed, or takes back what was used.

A counter, its billing record or both may be older than they were: restored from a
backup, lost with a master, removed by hand. Their next event would bill units twice, or
take them off the bill. It is found before that event is sent.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meterdeck.core.adapters.billing_holds import BillingHolds
from meterdeck.core.model.delivery import Claim
from meterdeck.core.model.events import EventSource, LoggedEvent
from meterdeck.core.model.periods import Period
from meterdeck.core.model.reconciliation import GIVING_BACK
from meterdeck.core.model.usage import CounterId
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.reconcile.corrections import Corrections
from meterdeck.core.services.reconcile.witness import tell_held

REMEMBERED = 100_000
"""Counters whose newest events are remembered."""

_BATCH = 1000
_WORKERS = (EventSource.WORKER, EventSource.QUEUE)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of a counter's events.

    Attributes:
        number: Of the newest one.
        at: When it was claimed.
        identifier: Its own.
        settled_at: Until when it was on its way, as far as that is known.
        recent: When events were claimed, at most a quarter of an hour before it, and
            what they billed.
    """

    number: int
    at: datetime
    identifier: str = ""
    settled_at: datetime | None = None
    recent: tuple[tuple[datetime, int], ...] = ()

    def after(self, number: int, at: datetime, units: int, identifier: str) -> Seen:
        """Return what is remembered once another event was seen, or the same again."""
        if number <= self.number:
            return self
        horizon = at - GIVING_BACK
        young = tuple(each for each in self.recent if each[0] >= horizon)
        if units > 0:
            young = (*young, (at, units))
        return Seen(number, max(at, self.at), identifier, recent=young)

    def given_back(self, since: datetime) -> int:
        """Return the most units that calls released since a moment can have taken."""
        return sum(units for at, units in self.recent if at >= since - GIVING_BACK)

    def closed_for(self, flush_s: int) -> timedelta:
        """Return how long after it no claim was possible."""
        return max(timedelta(seconds=flush_s), (self.settled_at or self.at) - self.at)


class CounterMemory:
    """The newest events of counters, of those seen last.

    Args:
        most: Counters that are remembered; the one not seen for longest is forgotten.
    """

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._seen: OrderedDict[CounterId, Seen] = OrderedDict()

    def seen(self, counter: CounterId) -> Seen | None:
        """Return what is remembered of a counter."""
        return self._seen.get(counter)

    def note(
        self,
        counter: CounterId,
        number: int,
        at: datetime,
        units: int,
        identifier: str = "",
    ) -> None:
        """Remember an event."""
        before = self._seen.pop(counter, None) or Seen(0, at)
        self._seen[counter] = before.after(number, at, units, identifier)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)

    def note_settled(self, counter: CounterId, identifier: str, at: datetime) -> None:
        """Remember until when an event was on its way, if it is the newest one."""
        seen = self._seen.get(counter)
        if seen is not None and seen.identifier == identifier:
            self._seen[counter] = replace(seen, settled_at=at)


@dataclass(frozen=True, slots=True)
class Held:
    """A claim that must not be sent, and why its counter is held.

    Attributes:
        withdrawn: Whether the event is out of flight; if not, it was sent before.
    """

    claim: Claim
    reason: str
    withdrawn: bool


class ClaimGuard:
    """Looks at claims before they are sent; belongs to one worker.

    What is in order costs nothing. A number that falls shows an older billing record;
    `learn` makes that so for a worker that has just begun, as far as the delivery log
    goes. Negative units are in order where operators took them off, or where calls may
    have been released that were billed a moment ago, or a moment before a time in which
    nothing could be claimed; else the counter is an older one.
    """

    def __init__(
        self,
        log: DeliveryLog,
        corrections: Corrections,
        holds: BillingHolds,
        memory: CounterMemory | None = None,
    ) -> None:
        self._log = log
        self._corrections = corrections
        self._holds = holds
        self._memory = memory or CounterMemory()
        self._last = ""
        self._sent_at: datetime | None = None
        # No worker may have been there before it began, since one last sent something.
        self._away_since: datetime | None = None
        self._began: datetime | None = None

    async def begin(self, now: datetime) -> None:
        """Learn what was sent before, by whoever was there until now.

        Raises:
            RedisUnreachable, RedisRefused: The next call goes on where this one ended.
        """
        await self.learn()
        if self._began is None:
            self._began, self._away_since = now, self._sent_at

    async def learn(self) -> None:
        """Read what was added to the delivery log, also by other workers.

        Raises:
            RedisUnreachable, RedisRefused: The next call goes on where this one ended.
        """
        while lines := await self._log.after(self._last, _BATCH):
            for line in lines:
                self._learn(line)
            self._last = lines[-1].id
            if len(lines) < _BATCH:
                return

    async def check(
        self, claim: Claim, period: Period, flush_s: int = 0
    ) -> Held | None:
        """Return None where a claim may be sent; else hold its counter.

        To be called with every claim, before it is sent.

        Args:
            flush_s: At least so long workers wait between two claims of the counter.

        Raises:
            Unreachable: Do not send it; the same event is claimed again.
        """
        reason = ""
        if claim.fresh or await self._is_unchecked(claim):
            reason = await self._suspicion(claim, flush_s)
        if not reason:
            self._memory.note(
                claim.counter,
                claim.sequence,
                claim.claimed_at,
                claim.units,
                claim.event.identifier,
            )
            return None
        seen = self._memory.seen(claim.counter)
        withdrawn = await self._holds.hold(
            claim.counter,
            period,
            reason,
            number=seen.number if seen else 0,
            withdrawn=claim.event.identifier,
        )
        tell_held(claim.counter, reason)
        return Held(claim, reason, withdrawn)

    async def _is_unchecked(self, claim: Claim) -> bool:
        """Tell whether an event waits only because it could not be checked before."""
        if claim.maybe_sent or self._is_known(claim):
            return False
        await self.learn()  # another worker may have sent it, and been refused
        return not self._is_known(claim)

    def _is_known(self, claim: Claim) -> bool:
        """Tell whether it is the newest event itself; its number alone says nothing.

        An older record gives a number once more, to another event.
        """
        seen = self._memory.seen(claim.counter)
        return seen is not None and claim.event.identifier == seen.identifier

    async def _suspicion(self, claim: Claim, flush_s: int) -> str:
        seen = self._memory.seen(claim.counter)
        if seen is not None and claim.sequence <= seen.number:
            return (
                f"its billing record went back: it says event {claim.sequence},"
                f" and event {seen.number} was sent before"
            )
        if claim.units >= 0:
            return ""
        await self.learn()
        seen = self._memory.seen(claim.counter)
        if seen is None:
            return ""
        corrected = await self._corrections.given_back(claim.counter, seen.at)
        released = seen.given_back(self._unclaimed_since(claim, seen, flush_s))
        unexplained = -claim.units - corrected - released
        hold = await self._holds.read(claim.counter)
        if unexplained <= 0 or hold.allows_lower(claim.claimed_at):
            return ""
        return (
            f"its counter went back: {-claim.units} units less than were billed, of"
            f" which nobody took back {unexplained}"
        )

    def _unclaimed_since(self, claim: Claim, seen: Seen, flush_s: int) -> datetime:
        """Return since when calls may have been released that this claim takes back.

        Others would have been taken back by a claim before it: one was possible.
        """
        since = claim.claimed_at
        if self._began and self._away_since and since < self._began + GIVING_BACK:
            since = min(since, self._away_since)
        return since - seen.closed_for(flush_s)

    def _learn(self, line: LoggedEvent) -> None:
        if line.source in _WORKERS and line.attempts:
            self._sent_at = line.at
        if line.source is not EventSource.WORKER or not line.period:
            return
        counter = CounterId(line.tenant, line.resource, line.period)
        at = line.first_sent_at or line.at
        known = self._memory.seen(counter)
        if known is None or line.sequence > known.number:
            units, identifier = line.units or 0, line.event.identifier
            self._memory.note(counter, line.sequence, at, units, identifier)
        if line.attempts:  # else it says what an operator did
            self._memory.note_settled(counter, line.event.identifier, line.at)
