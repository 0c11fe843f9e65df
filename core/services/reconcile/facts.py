"""Gathers the facts of one counter: as few requests as its state allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.billing_holds import BillingHolds
from meterdeck.core.errors import BrokenCounter
from meterdeck.core.model.delivery import BillingRecord, EventState, Letter
from meterdeck.core.model.doubtful import shown_to
from meterdeck.core.model.events import EventSource, LoggedEvent
from meterdeck.core.model.explanation import explain
from meterdeck.core.model.reconciliation import (
    SLOW_SUMMARY,
    SUMMARY_LAG,
    Facts,
    Finding,
    Minute,
)
from meterdeck.core.model.usage import Broken
from meterdeck.core.services.letter_reading import LetterReading
from meterdeck.core.services.reconcile.corrections import Corrections
from meterdeck.core.services.reconcile.log_index import LogIndex, total_of, units_of
from meterdeck.core.services.reconcile.queued_ledger import QueuedLedger, record_of
from meterdeck.core.services.reconcile.subjects import (
    Subject,
    edge_minutes,
    whole_minutes,
)
from meterdeck.core.services.reconcile.summaries import MINUTE, Summaries
from meterdeck.core.services.usage_reading import UsageReader

_TRIES = 4
_MOST_PROBES = 3
_NOT_COUNTED = (EventState.REFUSED, EventState.CANCELLED, EventState.DEAD)


class Moving(Exception):
    """The counter's events were settled while Stripe was asked, again and again."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where facts come from.

    Attributes:
        now: The Redis server's clock.
        shared: Meters of several resources, whose parts in them nobody can tell.
    """

    records: BillingRecords
    letters: LetterReading
    holds: BillingHolds
    usage: UsageReader
    log: LogIndex
    queued: QueuedLedger
    summaries: Summaries
    corrections: Corrections
    now: Callable[[], Awaitable[datetime]]
    shared: frozenset[str] = frozenset()


class FactFinder:
    """Finds out about counters, and explains them."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources

    async def finding(self, subject: Subject) -> Finding:
        """Compare a counter with Stripe; ask for more only where they differ.

        Raises:
            Moving: Ask again later.
            BrokenCounter: The counter holds no number.
            NotFound, Refused: There is nothing to compare it with.
            Unreachable: Redis or Stripe could not be asked.
        """
        record, letters = await self._ledger(subject)
        for _ in range(_TRIES):
            facts = await self._first(subject, record, letters)
            finding = explain(facts)
            if not finding.agreed:
                finding = explain(await self._more(subject, facts, letters))
            # The log was read in between: it knows every event that the record knows.
            after, letters_after = await self._ledger(subject)
            if _billing(record) == _billing(after):
                return finding
            record, letters = after, letters_after
        raise Moving

    async def _ledger(
        self, subject: Subject
    ) -> tuple[BillingRecord, tuple[Letter, ...]]:
        letters = await self._from.letters.of(subject.tenant.id)
        (record,) = await self._from.records.read([subject.counter])
        if record.used is None:
            await self._check_gone(subject)
        return await self._as_record(subject, record, letters), letters

    async def _as_record(
        self, subject: Subject, record: BillingRecord, letters: tuple[Letter, ...]
    ) -> BillingRecord:
        if not subject.by_events:
            return record
        queued = await self._from.queued.units(record)
        mine = [each for each in letters if _is_of(each, subject)]
        return record_of(record, queued, mine)

    async def _check_gone(self, subject: Subject) -> None:
        """Raise for a counter that is there, and no number."""
        found = await self._from.usage.read(subject.tenant)
        for usage in found:
            same = (usage.resource, usage.period.label) == (
                subject.resource.name,
                subject.period.label,
            )
            if same and isinstance(usage.used, Broken):
                raise BrokenCounter(str(usage.resource), usage.used.holds)

    async def _first(
        self, subject: Subject, record: BillingRecord, letters: tuple[Letter, ...]
    ) -> Facts:
        start, end = whole_minutes(subject.period)
        scale = subject.resource.scale
        pairs = self._pairs(subject)
        stripe = await self._from.summaries.units(pairs, start, end, scale)
        await self._from.log.refresh()
        now = await self._from.now()
        counter = record.counter
        dropped = not_counted(letters)
        tests = [
            line
            for name, customer in pairs
            for line in self._from.log.accepted(
                name,
                customer,
                subject.period.start,
                subject.period.end,
                but=dropped,
            )
            if line.source is EventSource.TEST
        ]
        sent = self._from.log.sent(counter, subject.period, by_events=subject.by_events)
        taken, newest = 0, self._from.log.newest_sequence(counter)
        if subject.by_events:
            taken = (await self._from.queued.units(record)).taken
            whole = self._from.log.covers(subject.period.start)
            newest = len(sent)
            record = replace(record, sequence=newest if whole else newest + 1)
        hold = await self._from.holds.read(counter)
        return Facts(
            standing_in(record, subject, now),
            subject.period,
            scale,
            now,
            stripe,
            letters=tuple(each for each in letters if _concerns(each, subject)),
            sent=tuple(each for each in sent if each.identifier not in dropped),
            newest_sequence=max(newest, hold.number),
            taken=taken,
            test_units=sum(units_of(line, scale) for line in tests),
            negative=subject.resource.negative_events,
            lower=hold.allows_lower(now),
            held=hold.reason,
            flush=timedelta(seconds=subject.resource.flush_s),
        )

    async def _more(
        self, subject: Subject, facts: Facts, letters: tuple[Letter, ...]
    ) -> Facts:
        """Add what costs more requests and is only needed where something differs."""
        record = facts.record
        since = record.last_claim_at or subject.period.start
        dropped = not_counted(letters)
        facts = replace(facts, shown_to=await self._shown_to(subject, facts))
        return replace(
            facts,
            covered=self._from.log.covers(shown_to(facts)),
            edge=await self._edge(subject, dropped),
            before=await self._surplus(subject.before, dropped),
            after=(
                await self._surplus(subject.after, dropped)
                if subject.period.end <= facts.now
                else None
            ),
            minutes=await self._minutes(subject, facts, letters),
            given_back=await self._from.corrections.given_back(record.counter, since),
            slow=await self._is_slow(subject, facts),
        )

    async def _edge(self, subject: Subject, dropped: frozenset[str]) -> Decimal:
        """Return what is not this counter's in the minutes it shares with another.

        Negative where its own events are not shown yet, or more was given back.
        """
        edge, scale = Decimal(0), subject.resource.scale
        sent = self._from.log.sent(
            subject.counter, subject.period, by_events=subject.by_events
        )
        own = {each.identifier for each in sent} - dropped
        for minute in edge_minutes(subject.period):
            for pair in self._pairs(subject):
                held = await self._from.summaries.units(
                    [pair], minute, minute + MINUTE, scale
                )
                lines = self._from.log.accepted(*pair, minute, minute + MINUTE)
                mine = [line for line in lines if line.event.identifier in own]
                edge += held - total_of(mine, scale)
        return edge

    async def _minutes(
        self, subject: Subject, facts: Facts, letters: tuple[Letter, ...]
    ) -> dict[Minute, Decimal]:
        """Return what only ambiguous events of this counter can explain, by minutes.

        Not of a minute in which something else may be late, or be nobody knows whose.
        """
        found: dict[Minute, Decimal] = {}
        open_ones = _open_of(facts)
        if not open_ones:
            return found
        others = {Minute.of(x.event) for x in letters if not _is_of(x, subject)}
        if subject.by_events:
            others |= (await self._from.queued.units(facts.record)).minutes
        dropped = not_counted(letters) | {x.event.identifier for x in open_ones}
        sure = shown_to(facts)
        for minute in {Minute.of(each.event) for each in open_ones} - others:
            known = self._of_minute(minute, but=dropped)
            late = any(line.at > sure for line in known)
            if late or not self._from.log.covers(minute.start):
                continue
            held = await self._held(minute, facts.scale)
            found[minute] = held - total_of(known, facts.scale)
        return found

    async def _shown_to(self, subject: Subject, facts: Facts) -> datetime | None:
        """Return when an event was accepted that Stripe is seen to show; the later one.

        Summaries take events in the order of receipt, so all before it are shown, too.
        """
        open_ones = _open_of(facts)
        if not open_ones:
            return None
        name, log = subject.resource.meter, self._from.log
        limit = facts.now - SUMMARY_LAG
        oldest = min(each.at for each in open_ones)
        known = log.later(name, max(oldest, facts.now - SLOW_SUMMARY))
        known = [line for line in known if line.at <= limit]
        newest, next_ones = known[: -_MOST_PROBES - 1 : -1], known[:_MOST_PROBES]
        doubtful = {Minute.of(each.event) for each in open_ones}
        for line in (*newest, *reversed(next_ones)):
            minute = Minute.of(line.event)
            if minute not in doubtful and await self._shows(minute, facts.scale):
                return line.at
        return None

    async def _is_slow(self, subject: Subject, facts: Facts) -> bool:
        """Tell whether Stripe shows nothing that was accepted after all of these."""
        if not facts.sent or facts.surplus >= 0:
            return False
        newest = max(each.accepted_at for each in facts.sent)
        name = subject.resource.meter
        for line in self._from.log.later(name, newest)[:_MOST_PROBES]:
            if await self._shows(Minute.of(line.event), facts.scale):
                return False
        return True

    async def _shows(self, minute: Minute, scale: int) -> bool:
        """Tell whether Stripe shows all that it accepted of a minute."""
        held = await self._held(minute, scale)
        return bool(held) and held >= total_of(self._of_minute(minute), scale)

    async def _held(self, minute: Minute, scale: int) -> Decimal:
        """Return what Stripe has in a minute."""
        pair, start = (minute.event_name, minute.customer), minute.start
        return await self._from.summaries.units([pair], start, start + MINUTE, scale)

    def _of_minute(
        self, minute: Minute, *, but: Collection[str] = ()
    ) -> tuple[LoggedEvent, ...]:
        """Return the accepted events of a minute."""
        pair, start = (minute.event_name, minute.customer), minute.start
        return self._from.log.accepted(*pair, start, start + MINUTE, but=but)

    async def _surplus(self, subject: Subject, dropped: frozenset[str]) -> Decimal:
        """Return what Stripe has of a period beyond what is reported in it."""
        record, _ = await self._ledger(subject)
        start, end = whole_minutes(subject.period)
        scale = subject.resource.scale
        pairs = self._pairs(subject)
        held = await self._from.summaries.units(pairs, start, end, scale)
        held -= max(Decimal(0), await self._edge(subject, dropped))
        return held - record.reported

    def _pairs(self, subject: Subject) -> frozenset[tuple[str, str]]:
        """Return the meter and customer now, and those that events were sent to."""
        current = (subject.resource.meter, subject.tenant.customer)
        return self._from.log.customers(subject.counter) | {current}


def not_counted(letters: tuple[Letter, ...]) -> frozenset[str]:
    """Return identifiers that Stripe accepted and does not count, as letters tell."""
    return frozenset(
        each.event.identifier for each in letters if each.state in _NOT_COUNTED
    )


def standing_in(
    record: BillingRecord, subject: Subject, now: datetime
) -> BillingRecord:
    """Let the ledger stand for a counter that has expired after its period's end.

    An application's own expiry may be days after it; nothing is lost by that.
    """
    if record.used is not None or now < subject.period.end:
        return record
    empty = replace(record, used=0)
    return replace(record, used=-empty.waiting)


def _billing(record: BillingRecord) -> tuple[object, ...]:
    claim = record.claim.event.identifier if record.claim else ""
    return record.sequence, record.reported, record.parked, record.offset, claim


def _concerns(letter: Letter, subject: Subject) -> bool:
    """Tell whether Stripe counts a letter's event, if at all, for this counter.

    A test event is of no counter.
    """
    if _is_of(letter, subject):
        return True
    mine = (letter.tenant, letter.resource) == (
        subject.tenant.id,
        subject.resource.name,
    )
    return mine and not letter.period and letter.event.timestamp in subject.period


def _open_of(facts: Facts) -> list[Letter]:
    """Return the letters of which nobody knows whether Stripe counts them."""
    return [each for each in facts.letters if each.state is EventState.AMBIGUOUS]


def _is_of(letter: Letter, subject: Subject) -> bool:
    return (letter.resource, letter.period) == (
        subject.resource.name,
        subject.period.label,
    )
