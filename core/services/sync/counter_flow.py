"""From counters to Stripe: claim what is unsent, send it, settle it."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from meterdeck.core.errors import MeterdeckError, Refused, Unreachable
from meterdeck.core.model.delivery import (
    LARGEST_VALUE,
    Claim,
    NoClaim,
    NotClaimed,
    Settlement,
    Verdict,
    Wanted,
)
from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import CounterId
from meterdeck.core.services.sync import journal
from meterdeck.core.services.sync.billable import NotBilled
from meterdeck.core.services.sync.claim_sending import ClaimSending
from meterdeck.core.services.sync.due import DueCounters
from meterdeck.core.services.sync.equipment import Equipment
from meterdeck.core.services.sync.flow import Places, Settling
from meterdeck.core.services.sync.flying import FlyingCounters
from meterdeck.core.services.sync.repeating import Complaints
from meterdeck.core.services.sync.unbilled import Unbilled

BATCH = 64
"""Counters of one script call."""

_TRY_AGAIN_S = 0.5
_MOST_OVERDUE = 5_000


@dataclass(slots=True)
class Tally:
    """What was done since the worker began.

    Attributes:
        delivered: Events, and `units` what they billed.
        left: Counters whose units stay, by why.
    """

    delivered: int = 0
    units: int = 0
    later: int = 0
    dead: int = 0
    ambiguous: int = 0
    stale: int = 0
    left: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Done:
    settlement: Settlement
    since: float


class CounterFlow:
    """Keeps the counters that are due, and brings their unsent units to Stripe.

    Args:
        hasty: Do not wait for flush intervals.
    """

    def __init__(self, own: Equipment, *, hasty: bool = False) -> None:
        self._own = own
        self._billables = own.billables
        self._clock = own.now
        self._observer = own.observer
        self._hasty = hasty
        self._places = Places(own.on_the_way)
        self._least_free = max(1, min(BATCH, own.on_the_way // 2))
        self._sending = ClaimSending(own)
        self._settling: Settling[_Done] = Settling(self._settle, BATCH)
        self._claiming = 0
        self._took = asyncio.Event()
        self.due = DueCounters()
        self.flying = FlyingCounters()
        self.tally = Tally()
        self._complaints = Complaints()
        self._unbilled = Unbilled(self.tally.left)

    # -- what is due ---------------------------------------------------------------

    def notice(self, counters: Sequence[CounterId], *, later_s: float = 0.0) -> None:
        """Look at counters soon: something of theirs may be unsent.

        Args:
            later_s: Seconds from now; another worker is expected to do it before.
        """
        now = self._clock().timestamp()
        for counter in counters:
            if counter in self.flying:
                self.flying.notice(counter)
            elif counter not in self.due:
                self._put(counter, now + later_s, since=now)

    async def caught_up(self) -> None:
        """Wait until few enough counters are overdue that more can be noticed."""
        while self.due.overdue(self._clock().timestamp()) > _MOST_OVERDUE:
            self._took.clear()
            await self._took.wait()

    def _put(self, counter: CounterId, at: float, *, since: float) -> None:
        """Look at a counter then, or when its period ends, if that is before."""
        wanted = self._billables.wanted(counter, now := self._clock())
        ends = math.inf
        if isinstance(wanted, NotBilled):
            if not wanted.a_fault:
                return
        elif not wanted.period.endless:
            ends = wanted.period.end.timestamp()
        if now.timestamp() < ends < at:
            at = ends
        self.due.put(counter, at, since=since, ends=ends)

    @property
    def on_the_way(self) -> int:
        """Events that are claimed and not settled by this worker."""
        return self._places.taken + self._claiming + self._settling.waiting

    # -- claiming ------------------------------------------------------------------

    async def run(self) -> None:
        """Settle what comes back, until cancelled; see `claim_due`."""
        await self._settling.run()

    async def claim_due(self) -> bool:
        """Claim one batch of what is due and send it; tell whether there was any.

        Raises:
            RedisUnreachable, RedisRefused: The counters stay due.
        """
        await self._places.wait_free(self._least_free)
        room = min(BATCH, self._places.free)
        now = self._clock()
        taken = self.due.take(now.timestamp(), room)
        self._took.set()
        if not taken:
            return False
        # From here on: a claim that is repeated while the first one is on its way
        # would be answered with the same event, and sent twice.
        self.flying.begin(taken)
        self._claiming = len(taken)
        try:
            wanted = await self._without_doubt(self._wanted(taken, now), taken)
            answers = await self._own.records.claim(wanted) if wanted else []
        except BaseException:
            for counter, since in taken.items():
                self.flying.landed(counter)
                self._put_back(counter, since, _TRY_AGAIN_S)
            raise
        finally:
            self._claiming = 0
        periods = {each.counter: each.period for each in wanted}
        for answer in answers:
            since = taken.pop(answer.counter)
            if isinstance(answer, Claim):
                self._unbilled.claimed(answer.counter)
                period = periods[answer.counter]
                self._places.begin(self._deliver(answer, period, since))
            else:
                self._not_claimed(answer, since)
        for counter in taken:  # those that were not wanted
            self.flying.landed(counter)
        return True

    def _wanted(self, taken: dict[CounterId, float], now: datetime) -> list[Wanted]:
        wanted = []
        for counter in taken:
            if not self._own.share.is_mine(counter.tenant):
                continue  # the one whose it is has said that it is alive
            found = self._billables.wanted(counter, now, at_once=self._hasty)
            if isinstance(found, NotBilled):
                self._unbilled.not_billable(counter, found)
            else:
                self._unbilled.billable(counter)
                wanted.append(found)
        return wanted

    async def _without_doubt(
        self, wanted: list[Wanted], taken: dict[CounterId, float]
    ) -> list[Wanted]:
        """Leave out, and take out of `taken`, what has to be compared first.

        A fleet has many counters of which nothing is unsent: none of them is compared,
        and none is claimed, as a call may have been counted since.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        doubtful = [x for x in wanted if self._own.witness.doubts(x.counter)]
        records = await self._own.records.read([x.counter for x in doubtful])
        for each, record in zip(doubtful, records, strict=True):
            since = taken.pop(each.counter)
            if record.claim is None and record.waiting == 0:
                self._not_claimed(NoClaim(each.counter, NotClaimed.NOTHING), since)
            else:
                self._places.begin(self._clear(each.counter, each.period, since))
        return [each for each in wanted if each.counter in taken]

    async def _clear(self, counter: CounterId, period: Period, since: float) -> None:
        """Compare a counter with Stripe, and bill it if that says nothing against it.

        Raises nothing; while a server is away it is tried again later.
        """
        witness = self._own.witness
        try:
            clear = await witness.clear(counter, period)
        except MeterdeckError as error:
            self._complaints.complain("comparing_before_billing", error)
            self.flying.landed(counter)
            wait_s = witness.blind_s(self._clock()) or self._own.lease_s
            self._put_back(counter, since, wait_s)
            return
        self._complaints.fine("comparing_before_billing")
        self.flying.landed(counter)
        if clear:
            # Before those that were not compared yet, which may be thousands.
            self._put(counter, 0.0, since=since)
        else:
            self.tally.left["held"] += 1

    @property
    def unbilled(self) -> int:
        """Counters whose units go nowhere before somebody mends something."""
        return len(self._unbilled)

    def _not_claimed(self, answer: NoClaim, since: float) -> None:
        self._observer.not_claimed(answer.why)
        if answer.claim is not None:  # EXPIRED
            self.flying.notice(answer.counter)
            given_up = Settlement(answer.claim, Verdict.AMBIGUOUS, attempts=0)
            self._settling.add(_Done(given_up, since))
            return
        if self.flying.landed(answer.counter) and answer.again_at is None:
            self._put_back(answer.counter, since, 0.0)
        match answer.why:
            case (
                NotClaimed.BROKEN
                | NotClaimed.TOO_OLD
                | NotClaimed.GONE
                | NotClaimed.LARGE
            ):
                self._unbilled.not_claimable(answer)
            case NotClaimed.NEGATIVE | NotClaimed.HELD:
                self.tally.left[answer.why.value] += 1
                self._again(answer, since)
            case _:
                self._again(answer, since)

    def _again(self, answer: NoClaim, since: float) -> None:
        if answer.again_at is not None and not (
            self._hasty and answer.why is NotClaimed.HELD
        ):
            self._put(answer.counter, answer.again_at.timestamp(), since=since)

    # -- sending -------------------------------------------------------------------

    async def _deliver(self, claim: Claim, period: Period, since: float) -> None:
        try:
            settlement = await self._sending.sent(claim, period)
        except BaseException:
            self.flying.landed(claim.counter)
            self._put_back(claim.counter, since, self._own.lease_s)
            raise
        if settlement is None:
            self.flying.landed(claim.counter)
            self.tally.left["held"] += 1
        else:
            self._settling.add(_Done(settlement, since))

    # -- settling ------------------------------------------------------------------

    async def _settle(self, batch: Sequence[_Done]) -> None:
        """Settle a batch; while Redis is away it is tried again and again.

        Nothing is lost meanwhile: another worker would send the same events again, and
        Stripe counts them once.
        """
        while True:
            try:
                fresh = await self._own.records.settle(
                    [each.settlement for each in batch]
                )
            except Unreachable as error:
                self._complaints.complain("settling", error)
                await asyncio.sleep(_TRY_AGAIN_S)
            except Refused as error:
                # Somebody's key in the way of one of them: the others go on.
                if len(batch) == 1:
                    journal.error("not_settled", reason=error)
                    self.flying.landed(batch[0].settlement.claim.counter)
                    return
                for each in batch:
                    await self._settle([each])
                return
            else:
                break
        self._complaints.fine("settling")
        for done, ours in zip(batch, fresh, strict=True):
            self._settled(done, ours=ours)

    def _settled(self, done: _Done, *, ours: bool) -> None:
        settlement, tally = done.settlement, self.tally
        claim, now = settlement.claim, self._clock().timestamp()
        if self.flying.landed(claim.counter):
            self._put(claim.counter, self._next_at(claim), since=now)
        if not ours:
            tally.stale += 1
            return
        lag_s = max(0.0, now - done.since) if claim.fresh else None
        attempt = settlement.attempt
        self._observer.settled(
            settlement.verdict, lag_s, attempt.code if attempt else ""
        )
        match settlement.verdict:
            case Verdict.DELIVERED:
                tally.delivered += 1
                tally.units += claim.units
                if abs(claim.units) == LARGEST_VALUE:
                    self._put_back(claim.counter, done.since, 0.0)
            case Verdict.LATER:
                tally.later += 1
                self._put_back(claim.counter, done.since, settlement.again_after_s)
            case Verdict.DEAD:
                tally.dead += 1
                self._own.meters_doubted.set()
            case Verdict.AMBIGUOUS:
                tally.ambiguous += 1
        if settlement.verdict in (Verdict.DEAD, Verdict.AMBIGUOUS):
            journal.warning(
                f"event_{settlement.verdict}",
                tenant=claim.counter.tenant,
                resource=claim.counter.resource,
                identifier=claim.event.identifier,
                units=claim.units,
                reason=attempt.message if attempt else "its answer is a day overdue",
                code=attempt.code if attempt else "",
                request_id=attempt.request_id if attempt else "",
            )

    def _next_at(self, claim: Claim) -> float:
        wanted = self._billables.wanted(claim.counter, self._clock())
        flush_s = 0 if isinstance(wanted, NotBilled) or self._hasty else wanted.flush_s
        return claim.claimed_at.timestamp() + flush_s

    def _put_back(self, counter: CounterId, since: float, after_s: float) -> None:
        now = self._clock().timestamp()
        self._put(counter, now + after_s, since=min(since, now))

    # -- ending --------------------------------------------------------------------

    async def drain(self) -> None:
        """Wait until all that was claimed is sent and settled."""
        await self._places.wait_all()
        await self._settling.wait()

    def abandon(self) -> None:
        """Stop sending; what was claimed is taken over by another worker."""
        self._places.cancel()
