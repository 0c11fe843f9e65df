"""Explains a difference between a counter and Stripe: only what is proven is named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from meterdeck.core.model.delivery import EventState, Letter
from meterdeck.core.model.doubtful import (
    Doubtful,
    doubtful_of,
    proven,
    readings,
    settled_by,
    shown_to,
)
from meterdeck.core.model.reconciliation import (
    GIVING_BACK,
    SLOW_SUMMARY,
    SUMMARY_LAG,
    Cause,
    Facts,
    Finding,
    SentEvent,
    Share,
)

_MOST_SUMS = 20_000
_EXACT_DIGITS = 15  # of a summary, which Stripe writes as a binary fraction
_PARKED = {
    EventState.AMBIGUOUS: Cause.AMBIGUOUS,
    EventState.DEAD: Cause.REFUSED,
    EventState.REFUSED: Cause.REFUSED,
}
_ZERO = Decimal(0)


def explain(facts: Facts) -> Finding:
    """Split `used - stripe` into causes.

    The causes add up to the difference exactly, whatever the facts are.
    """
    book = _Book(facts)
    _explain_counter(book)
    doubtful = _settle_by_minute(book)
    exact = _take_rounding(book)
    _take_restored(book)
    _take_edge_and_tests(book)
    _take_doubtful(book, doubtful, alone=exact and _is_alone(book))
    _take_wrong_period(book)
    _take_truncated(book)
    _take_rest(book)
    shares = tuple(
        Share(cause, book.shares[cause]) for cause in Cause if book.shares.get(cause)
    )
    odd = any(each.cause is Cause.UNEXPLAINED for each in shares)
    since = facts.record.confirmed_at or facts.period.start
    finding = Finding(facts, shares, book.settled, since if odd else None)
    return replace(finding, confirms=_confirms(finding))


def _confirms(finding: Finding) -> int | None:
    """Return up to which event of the counter Stripe counts all that it accepted."""
    record = finding.facts.record
    wrong = {each.cause for each in finding.faults} - {Cause.REFUSED}
    if wrong or finding.settled or finding.facts.held:
        return None
    away, number = finding.confirmed_units - record.reported, record.sequence
    if record.claim is not None:
        number = record.claim.sequence - 1
    for event in reversed(_young(finding.facts)):
        if away == 0:
            break
        away, number = away + event.units, event.sequence - 1
    return number if away == 0 else None


@dataclass(slots=True)
class _Book:
    """The shares so far.

    Attributes:
        gap: What is reported and not in Stripe, and not explained yet; negative: what
            Stripe has more.
    """

    facts: Facts
    gap: Decimal = _ZERO
    shares: dict[Cause, Decimal] = field(default_factory=dict)
    settled: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gap = -self.facts.surplus

    def note(self, cause: Cause, units: Decimal | int) -> None:
        """Add units that stand between the counter and what is reported."""
        self.shares[cause] = self.shares.get(cause, _ZERO) + units

    def take(self, cause: Cause, units: Decimal | int) -> None:
        """Explain a part of the gap."""
        self.note(cause, units)
        self.gap -= units

    def settle(self, event: Doubtful, *, counted: bool) -> None:
        """Note what is proven of an ambiguous event; of a late summary nothing is."""
        if counted or event.ripe:
            self.settled[event.identifier] = counted

    def take_surplus(self, cause: Cause, most: Decimal | int) -> None:
        """Explain what Stripe has more, up to `most` units of it."""
        if self.gap < 0 < most:
            self.take(cause, -min(-self.gap, Decimal(most)))


# -- between the counter and what is reported -----------------------------------------


def _explain_counter(book: _Book) -> None:
    facts, record = book.facts, book.facts.record
    book.note(Cause.RESERVED, record.reserved)
    book.note(Cause.QUOTA_ONLY, -record.offset)
    flying = record.claim.units if record.claim else 0
    book.note(Cause.IN_FLIGHT, flying + facts.taken)
    named = 0
    for letter in _parked(facts):
        book.note(_PARKED[letter.state], letter.units)
        named += letter.units
    book.note(Cause.UNEXPLAINED, record.parked - named)
    lost = _lost(facts)
    book.note(Cause.COUNTER_LOST, lost)
    book.note(Cause.WAITING, record.waiting - lost - facts.taken)


def _parked(facts: Facts) -> Iterable[Letter]:
    return (each for each in facts.letters if each.state in _PARKED)


def _lost(facts: Facts) -> int:
    """Return how much less was used than billed, where nobody can have given it back.

    Never positive.
    """
    record, below = facts.record, min(0, facts.record.waiting)
    if record.used is None:  # nobody removes a counter
        return below
    if facts.lower or not facts.negative:
        return 0  # it is billed back, or waits until more is used
    # Otherwise it is billed back within a flush interval: what is still to be can only
    # be what operators took off since the last claim, and calls that were just billed.
    # Of a counter that is held somebody has found that this is not so.
    horizon = facts.now if facts.held else facts.now - facts.flush - GIVING_BACK
    young = sum(e.units for e in facts.sent if e.accepted_at >= horizon and e.units > 0)
    lost = below + facts.given_back + young
    return below + facts.given_back if lost < 0 else 0


# -- between what is reported and Stripe ----------------------------------------------


def _take_rounding(book: _Book) -> bool:
    """Take the part of a unit, or what a number of so many digits cannot tell.

    Returns:
        Whether the number tells single units.
    """
    nearest = book.gap.to_integral_value()
    if book.gap != nearest:
        book.take(Cause.ROUNDING, book.gap - nearest)
    stripe = book.facts.stripe.to_integral_value()
    spare = len(str(abs(int(stripe)))) - _EXACT_DIGITS
    if spare > 0 and abs(book.gap) < 10**spare:
        book.take(Cause.ROUNDING, book.gap)
    return spare <= 0


def _take_restored(book: _Book) -> None:
    facts = book.facts
    unknown = orphans(facts)
    if not unknown and facts.newest_sequence <= facts.record.sequence:
        return
    known = sum(each.units for each in unknown)
    if known and book.gap:
        book.take(Cause.RESTORED, -known)
    numbers = {each.sequence for each in facts.sent}
    every = range(facts.record.sequence + 1, facts.newest_sequence + 1)
    if any(number not in numbers for number in every):
        book.take_surplus(Cause.RESTORED, -book.gap)


def orphans(facts: Facts) -> tuple[SentEvent, ...]:
    """Return accepted events that the billing record does not know: it went back.

    Seen from the newest event back, numbers fall; one that does not was given twice,
    by an older record.
    """
    found = []
    limit = facts.record.sequence
    for event in reversed(facts.sent):
        if event.sequence > limit:
            found.append(event)
        else:
            limit = event.sequence - 1
    return tuple(reversed(found))


def _take_edge_and_tests(book: _Book) -> None:
    book.take_surplus(Cause.IN_FLIGHT, book.facts.taken)
    book.take_surplus(Cause.TEST, book.facts.test_units)
    book.take_surplus(Cause.EDGE, book.facts.edge)


def _is_alone(book: _Book) -> bool:
    """Tell whether a total holds nothing but events of this counter, all known.

    Else what it has more may hide what it lacks, and an event that was counted may be
    what was taken for something else.
    """
    facts = book.facts
    others = facts.taken or facts.test_units or facts.edge
    return facts.covered and not others and Cause.RESTORED not in book.shares


def _settle_by_minute(book: _Book) -> list[Doubtful]:
    """Settle ambiguous events by their minutes; return what stays doubtful."""
    events = doubtful_of(book.facts)
    verdicts: dict[str, bool] = {}
    for minute, total in book.facts.minutes.items():
        verdicts |= proven(total, [each for each in events if each.minute == minute])
    doubtful = []
    for each in events:
        if each.cause is not Cause.AMBIGUOUS or each.identifier not in verdicts:
            doubtful.append(each)
            continue
        counted = verdicts[each.identifier]
        book.settle(each, counted=counted)
        if counted:
            book.take(each.cause, -each.units)
    return doubtful


def _take_doubtful(book: _Book, events: Sequence[Doubtful], *, alone: bool) -> None:
    """Take what may be in Stripe already, and what may not be there yet.

    Args:
        alone: Whether the total proves anything of single events.
    """
    facts, gap = book.facts, book.gap
    young = _young(facts)
    fitting = readings(gap, events, young)
    if not fitting:
        _take_at_most(book, events, young)
        return
    chosen = min(fitting, key=attrgetter("hidden"))
    late = _accepted_since(facts, shown_to(facts))
    verdicts = settled_by(readings(gap, events, late), events)
    for each in events:
        counted = each.identifier in chosen.counted
        if counted:
            book.take(each.cause, -each.units)
        if alone and each.identifier in verdicts and each.cause is Cause.AMBIGUOUS:
            book.settle(each, counted=counted)
    hidden = young[len(young) - chosen.hidden :]
    book.take(Cause.LAG, sum(each.units for each in hidden))


def _young(facts: Facts) -> list[SentEvent]:
    """Return accepted events that a summary may not show yet, oldest first."""
    return _accepted_since(facts, facts.now - SUMMARY_LAG)


def _accepted_since(facts: Facts, moment: datetime) -> list[SentEvent]:
    lost = {each.identifier for each in orphans(facts)}
    return [
        each
        for each in facts.sent
        if each.accepted_at > moment and each.identifier not in lost
    ]


def _take_at_most(
    book: _Book, events: Sequence[Doubtful], young: Sequence[SentEvent]
) -> None:
    """Something else is wrong, too: leave to it only what these cannot explain."""
    if book.gap > 0:
        cancelled = [-each.units for each in events if each.cause is Cause.LAG]
        late = [*(each.units for each in young), *cancelled]
        most = Decimal(sum(max(0, units) for units in late))
        book.take(Cause.LAG, min(book.gap, most))
        return
    for each in events:
        book.take_surplus(each.cause, each.units)


def _take_wrong_period(book: _Book) -> None:
    """Take an amount that is right, and stands in the period beside."""
    if book.gap and book.gap in (book.facts.before, book.facts.after):
        book.take(Cause.WRONG_PERIOD, book.gap)


def _take_truncated(book: _Book) -> None:
    """Take decimals that Stripe has cut off every event."""
    facts = book.facts
    if not facts.scale or book.gap <= 0 or not _knows_all(facts):
        return
    step = 10**facts.scale
    since = facts.record.confirmed_sequence
    fresh = [each.units for each in facts.sent if each.sequence > since]
    cut = sum(each - int(Decimal(each) / step) * step for each in fresh)
    if cut == book.gap:
        book.take(Cause.ROUNDING, cut)


def _knows_all(facts: Facts) -> bool:
    """Tell whether the log has every event since Stripe last agreed."""
    numbers = {each.sequence for each in facts.sent}
    record = facts.record
    first = record.confirmed_sequence + 1
    return all(number in numbers for number in range(first, record.sequence + 1))


def _take_rest(book: _Book) -> None:
    facts = book.facts
    beside = [each for each in (facts.before, facts.after) if each]
    if book.gap > 0:
        # It may be in the period beside, where Stripe has more than it should.
        surplus = max((each for each in beside if each > 0), default=_ZERO)
        book.take(Cause.UNEXPLAINED, min(book.gap, surplus))
        book.take(Cause.LAG, _may_be_late(facts, book.gap))
        whole = _is_of_whole_events(facts, book.gap)
        book.take(Cause.MISSING if whole else Cause.UNEXPLAINED, book.gap)
    elif book.gap < 0:
        lack = max((-each for each in beside if each < 0), default=_ZERO)
        book.take(Cause.UNEXPLAINED, -min(-book.gap, lack))
        book.take(Cause.FOREIGN, book.gap)


def _may_be_late(facts: Facts, units: Decimal) -> Decimal:
    """Return `units` if they are the newest events and Stripe may just be slow.

    Sending these again would bill them twice once Stripe has caught up.
    """
    if not facts.slow:
        return _ZERO
    hidden = _ZERO
    for event in reversed(facts.sent):
        if event.accepted_at <= facts.now - SLOW_SUMMARY:
            break
        hidden += event.units
        if hidden == units:
            return units
    return _ZERO


def _is_of_whole_events(facts: Facts, units: Decimal) -> bool:
    """Tell whether events of ours may add up to `units`; yes where it is not known."""
    if not units or not _knows_all(facts):
        return True
    since = facts.record.confirmed_sequence
    sums = {_ZERO}
    for event in facts.sent:
        if event.sequence > since:
            sums |= {each + event.units for each in sums}
        if units in sums or len(sums) > _MOST_SUMS:
            return True
    return False
