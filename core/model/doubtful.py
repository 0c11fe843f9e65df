"""Events that Stripe's summaries may hold or not: what the summaries prove of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate, combinations

from meterdeck.core.model.delivery import EventState, Letter
from meterdeck.core.model.reconciliation import (
    SLOW_SUMMARY,
    SUMMARY_LAG,
    Cause,
    Facts,
    Minute,
    SentEvent,
)

MOST_TRIED = 10  # of which every combination is


@dataclass(frozen=True, slots=True)
class Doubtful:
    """An event of which it is not known whether a summary holds it.

    Attributes:
        units: What a summary that holds it has more.
        cause: What explains these.
        ripe: Whether a summary without it shows that Stripe does not count it. Else
            the summary may only be late, or nobody asks.
    """

    identifier: str
    units: int
    cause: Cause
    minute: Minute
    ripe: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to explain a gap: who is counted, and how many are not shown yet."""

    counted: frozenset[str]
    hidden: int


def doubtful_of(facts: Facts) -> list[Doubtful]:
    """Return the event in flight, ambiguous ones, and those that were just cancelled.

    Stripe cancels an event a while after it said so.
    """
    found = [made for each in facts.letters if (made := _of_letter(each, facts))]
    if claim := facts.record.claim:
        minute = Minute.of(claim.event)
        name = claim.event.identifier
        found.append(Doubtful(name, claim.units, Cause.IN_FLIGHT, minute))
    return found


def _of_letter(letter: Letter, facts: Facts) -> Doubtful | None:
    name, minute = letter.event.identifier, Minute.of(letter.event)
    if letter.is_cancelling:
        return Doubtful(name, -letter.units, Cause.LAG, minute)
    if letter.state is EventState.CANCELLED and letter.at > facts.now - SLOW_SUMMARY:
        return Doubtful(name, letter.units, Cause.LAG, minute)
    if letter.state is EventState.AMBIGUOUS:
        ripe = letter.at <= shown_to(facts) or letter.at <= facts.now - SLOW_SUMMARY
        return Doubtful(name, letter.units, Cause.AMBIGUOUS, minute, ripe=ripe)
    return None


def shown_to(facts: Facts) -> datetime:
    """Return up to when summaries surely show what was accepted; not beyond the lag."""
    known = facts.shown_to or facts.now - SLOW_SUMMARY
    return min(known, facts.now - SUMMARY_LAG)


def proven(total: Decimal, events: Sequence[Doubtful]) -> dict[str, bool]:
    """Return of which events it is certain whether a total of some of them holds it.

    Of too many at once it is certain only where the total is all of them, or none.
    """
    if len(events) > MOST_TRIED:
        every = sum(each.units for each in events)
        if min(each.units for each in events) <= 0 or total not in (0, every):
            return {}
        return {each.identifier: total != 0 for each in events}
    fitting = [names for names, units in _choices(events) if units == total]
    return _agreed(fitting, events)


def readings(
    gap: Decimal, events: Sequence[Doubtful], late: Sequence[SentEvent]
) -> list[Reading]:
    """Return every way in which these explain the gap exactly; of too many none.

    Summaries take events in the order of receipt: what is hidden are the newest.

    Args:
        gap: Units that a summary should have and has not; negative: has more.
        late: Accepted events that it may not show yet, oldest first.
    """
    if len(events) > MOST_TRIED:
        return []
    hidden: dict[Decimal, list[int]] = {}
    sums = accumulate((each.units for each in reversed(late)), initial=0)
    for count, units in enumerate(sums):
        hidden.setdefault(Decimal(units), []).append(count)
    return [
        Reading(names, count)
        for names, units in _choices(events)
        for count in hidden.get(gap + units, ())
    ]


def settled_by(
    fitting: Sequence[Reading], events: Sequence[Doubtful]
) -> dict[str, bool]:
    """Return of which events all readings say the same."""
    return _agreed([each.counted for each in fitting], events)


def _choices(events: Sequence[Doubtful]) -> Iterator[tuple[frozenset[str], int]]:
    """Yield every choice of the events, the smaller ones first, and its units."""
    for count in range(len(events) + 1):
        for chosen in combinations(events, count):
            names = frozenset(each.identifier for each in chosen)
            yield names, sum(each.units for each in chosen)


def _agreed(
    fitting: Sequence[frozenset[str]], events: Sequence[Doubtful]
) -> dict[str, bool]:
    verdicts = {
        each.identifier: {each.identifier in names for names in fitting}
        for each in events
    }
    return {name: said.pop() for name, said in verdicts.items() if len(said) == 1}
