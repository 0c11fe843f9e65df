"""Of an event that nobody knows of, only what Stripe's summaries prove is said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_explanation import (
    AGREED,
    LONG_AGO,
    NOW,
    causes,
    letter,
    meter_event,
    minute,
    with_record,
)

from meterdeck.core.model.delivery import Claim, EventState
from meterdeck.core.model.doubtful import MOST_TRIED
from meterdeck.core.model.explanation import explain
from meterdeck.core.model.reconciliation import SUMMARY_LAG, Cause, Facts, SentEvent

AMBIGUOUS, CANCELLED = EventState.AMBIGUOUS, EventState.CANCELLED
JUST_NOW = NOW - timedelta(seconds=40)


def parked(*units: int, at: datetime = LONG_AGO) -> Facts:
    """Return facts with ambiguous events of these units, `e0` first."""
    letters = tuple(
        letter(AMBIGUOUS, each, f"e{place}", at) for place, each in enumerate(units)
    )
    record = with_record(used=100 + sum(units), parked=sum(units))
    return replace(record, letters=letters)


def test_a_summary_that_may_be_late_does_not_prove_that_it_was_not_counted() -> None:
    """Neither the total nor the minute: sent again it would be billed twice."""
    facts = parked(5, at=JUST_NOW)

    assert explain(facts).settled == {}
    assert explain(replace(facts, minutes={minute(JUST_NOW): Decimal(0)})).settled == {}
    assert explain(replace(facts, now=NOW + SUMMARY_LAG)).settled == {}
    shown = replace(facts, now=NOW + SUMMARY_LAG, shown_to=NOW)
    assert explain(shown).settled == {"e0": False}


def test_what_is_counted_is_seen_at_once() -> None:
    """A summary that has more by just that event needs no waiting."""
    facts = replace(parked(5, at=JUST_NOW), stripe=Decimal(105))

    assert explain(facts).settled == {"e0": True}


def test_for_hours_nothing_newer_is_shown() -> None:
    """Stripe is that slow on bad days; after six hours it is proven all the same."""
    facts = replace(parked(5), shown_to=None)

    assert explain(facts).settled == {}
    assert explain(replace(facts, now=NOW + timedelta(hours=4))).settled == {
        "e0": False
    }


@pytest.mark.parametrize("what", ["edge", "test_units", "taken"])
def test_what_explains_the_total_otherwise_proves_nothing(what: str) -> None:
    """Stripe has five more. Is it the event, or the other five? Nobody knows."""
    other = Decimal(5) if what == "edge" else 5
    facts = replace(parked(5), stripe=Decimal(105), **{what: other})  # type: ignore[arg-type]  # by name

    assert explain(facts).settled == {}
    by_minute = explain(replace(facts, minutes={minute(): Decimal(5)}))
    assert by_minute.settled == {"e0": True}
    assert not by_minute.faults


@pytest.mark.parametrize("many", [MOST_TRIED, MOST_TRIED + 1, 3 * MOST_TRIED])
def test_of_many_events_none_is_said_to_be_uncounted_because_of_its_place(
    many: int,
) -> None:
    """Stripe has one of them: which one, the total does not tell, nor the minute."""
    facts = replace(parked(*[5] * many), stripe=Decimal(105))

    assert explain(facts).settled == {}
    assert explain(replace(facts, minutes={minute(): Decimal(5)})).settled == {}


@pytest.mark.parametrize("counted", [True, False])
def test_a_minute_with_all_of_many_events_or_none_settles_all(counted: bool) -> None:
    """As after an outage in which an application tracked hundreds."""
    total = Decimal(200 if counted else 0)
    facts = replace(parked(*[5] * 40), stripe=100 + total, minutes={minute(): total})

    assert set(explain(facts).settled.values()) == {counted}
    assert len(explain(facts).settled) == 40


def test_two_events_of_a_minute_are_told_apart_only_by_their_units() -> None:
    """Of 5 and 7 Stripe has 7. Of 5 and 5 it has 5."""
    apart = replace(parked(5, 7), stripe=Decimal(107), minutes={minute(): Decimal(7)})
    alike = replace(parked(5, 5), stripe=Decimal(105), minutes={minute(): Decimal(5)})

    assert explain(apart).settled == {"e0": False, "e1": True}
    assert explain(alike).settled == {}


def test_a_cancelled_event_is_lag_until_stripe_has_taken_it_off() -> None:
    """Stripe does so a while after it said so; taken off again it would be twice."""
    young = letter(CANCELLED, 5, at=JUST_NOW)
    facts = replace(AGREED, letters=(young,), stripe=Decimal(105))

    assert causes(explain(facts)) == {Cause.LAG: -5}
    assert explain(facts).agreed
    later = replace(facts, now=NOW + timedelta(hours=7))
    assert causes(explain(later)) == {Cause.FOREIGN: -5}


def test_an_event_that_is_being_cancelled_is_not_missing() -> None:
    """Stripe may have taken it off before we noted it: it is not sent again."""
    going = letter(EventState.ACCEPTED, 20, doing="cancelling")
    facts = replace(AGREED, letters=(going,), stripe=Decimal(80))

    assert causes(explain(facts)) == {Cause.LAG: 20}
    assert causes(explain(replace(facts, stripe=Decimal(100)))) == {}


# -- whatever happened ----------------------------------------------------------------


@dataclass(frozen=True)
class Past:
    """One event: what became of it, and what is known of that.

    Attributes:
        kind: `sent`, `ambiguous`, `cancelled`, `flying`, `test` or `other`, which is of
            the period beside.
        counted: Whether Stripe counts it.
        age: Since Stripe had it, in seconds.
        place: Of its minute, from the first of the period.
    """

    kind: str
    units: int
    counted: bool
    age: int
    place: int

    @property
    def holds(self) -> bool:
        """Whether Stripe counts it; what was cancelled it does for a while."""
        return self.counted and (self.kind != "cancelled" or self.age < 6 * 3600)

    @property
    def at(self) -> datetime:
        """When Stripe had it."""
        return NOW - timedelta(seconds=self.age)

    @property
    def stamp(self) -> datetime:
        """Its timestamp."""
        return LONG_AGO - timedelta(days=1) + timedelta(minutes=self.place)


kinds = st.sampled_from(["sent", "sent", "ambiguous", "ambiguous", "cancelled", "test"])
some_units = st.integers(-2, 4).filter(bool)
ages = st.one_of(st.integers(0, 900), st.integers(0, 9 * 3600))
events = st.builds(Past, kinds, some_units, st.booleans(), ages, st.integers(0, 2))


@st.composite
def pasts(draw: st.DrawFn) -> tuple[Facts, dict[str, bool]]:
    """Return what is known of a counter, and of its open events the truth.

    Stripe shows what it received up to some moment; the log knows what it still has.
    """
    known = sorted(draw(st.lists(events, max_size=9)), key=lambda each: -each.age)
    shown = NOW - timedelta(seconds=draw(ages.filter(lambda age: age < 6 * 3600)))
    other = draw(st.integers(0, 4))
    cut = draw(st.integers(0, 4))
    claimed = draw(st.none() | st.tuples(some_units, st.booleans()))
    edge_place = draw(st.none() | st.just(0))

    stripe, edge, truth = other, other if edge_place is not None else 0, {}
    if edge_place is None:
        stripe = 0
    sent: list[SentEvent] = []
    letters, reported, tests, minutes = [], 0, 0, dict[int, int]()
    for number, past in enumerate(known, start=1):
        if past.place == edge_place:  # a sum of 0 there is taken for nothing
            past = replace(past, units=abs(past.units))  # noqa: PLW2901
        name = f"e{number}"
        there = past.at <= shown
        match past.kind:
            case "sent":
                reported += past.units
                sent.append(
                    SentEvent(name, len(sent) + 1, past.units, past.stamp, past.at)
                )
                there_units, mine = past.units * there, len(sent) > cut
            case "test":
                tests += abs(past.units)
                there_units, mine = abs(past.units) * there, False
            case _:
                state = AMBIGUOUS if past.kind == "ambiguous" else CANCELLED
                made = letter(state, past.units, name, past.at)
                stamped = meter_event(name, past.units, past.stamp)
                letters.append(replace(made, event=stamped))
                there_units, mine = past.units * (there and past.holds), False
                if state is AMBIGUOUS:
                    truth[name] = past.counted
                minutes[past.place] = minutes.get(past.place, 0) + there_units
        stripe += there_units
        if past.place == edge_place:
            edge += there_units - past.units * mine
    record = replace(
        AGREED.record,
        reported=reported,
        parked=sum(x.units for x in letters if x.state is AMBIGUOUS),
        sequence=len(sent),
    )
    if claimed is not None:
        units, counted = claimed
        stamp = LONG_AGO - timedelta(days=1)
        claim = Claim(
            record.counter, meter_event("claim", units, stamp), units, 0, 99, NOW
        )
        record = replace(record, claim=claim, sequence=99)
        stripe += units * counted
        minutes[0] = minutes.get(0, 0) + units * counted
        edge += units * counted * (edge_place == 0)
    seen = draw(st.none() | st.integers(0, 3 * 3600))
    limit = min(shown, NOW - SUMMARY_LAG)
    shown_to = None if seen is None else limit - timedelta(seconds=seen)
    sure = min(shown_to or NOW - timedelta(hours=6), NOW - SUMMARY_LAG)
    facts = Facts(
        record,
        AGREED.period,
        0,
        NOW,
        Decimal(stripe),
        letters=tuple(letters),
        sent=tuple(sent[cut:]),
        newest_sequence=record.sequence,
        test_units=tests,
        edge=Decimal(edge),
        shown_to=shown_to,
        slow=draw(st.booleans()),
        covered=all(each.accepted_at <= sure for each in sent[:cut]),
        minutes={
            minute(LONG_AGO - timedelta(days=1) + timedelta(minutes=place)): Decimal(n)
            for place, n in minutes.items()
            if draw(st.booleans())
            and not (place == edge_place and other)
            and all(x.at <= sure for x in known if x.place == place)
        },
    )
    return facts, truth


@given(pasts())
def test_what_is_settled_is_so(past: tuple[Facts, dict[str, bool]]) -> None:
    """However late summaries are, and whatever else is in them."""
    facts, truth = past

    for name, counted in explain(facts).settled.items():
        assert truth[name] is counted
