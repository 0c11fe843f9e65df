"""A difference between a counter and Stripe is split into causes that are proven."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.model.delivery import (
    BillingRecord,
    Claim,
    EventState,
    Letter,
    LetterSource,
)
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.explanation import explain, orphans
from meterdeck.core.model.periods import Period
from meterdeck.core.model.reconciliation import (
    SUMMARY_LAG,
    Cause,
    Facts,
    Finding,
    Minute,
    SentEvent,
)
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId

COUNTER = CounterId(TenantId("acme"), ResourceName("api_calls"), "2026-11")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOVEMBER = Period(
    datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), "2026-11"
)
LONG_AGO = NOW - timedelta(hours=2)


def event(number: int, units: int, at: datetime = LONG_AGO) -> SentEvent:
    """Return an accepted event."""
    return SentEvent(f"md1-{number:040x}-{number}", number, units, at, at)


def meter_event(identifier: str, units: int, at: datetime = LONG_AGO) -> MeterEvent:
    """Return what is sent."""
    return MeterEvent("api_requests", identifier, "cus_1", str(units), at)


def minute(at: datetime = LONG_AGO) -> Minute:
    """Return the minute that an event of a moment is summed up in."""
    return Minute.of(meter_event("any", 1, at))


def letter(
    state: EventState,
    units: int,
    name: str = "md1-letter-9",
    at: datetime = LONG_AGO,
    **more: object,
) -> Letter:
    """Return a letter of the counter."""
    return Letter(
        COUNTER.tenant,
        COUNTER.resource,
        COUNTER.period,
        meter_event(name, units, at),
        units,
        0,
        state,
        LetterSource.COUNTER,
        at,
        at,
        **more,  # type: ignore[arg-type]  # by name
    )


def flying(units: int) -> Claim:
    """Return an event in flight."""
    return Claim(COUNTER, meter_event("md1-flying-8", units), units, 0, 8, NOW)


AGREED = Facts(
    BillingRecord(COUNTER, used=100, reported=100, sequence=3),
    NOVEMBER,
    0,
    NOW,
    Decimal(100),
    sent=(event(1, 50), event(2, 30), event(3, 20)),
    newest_sequence=3,
    shown_to=NOW - SUMMARY_LAG,
)


def with_record(facts: Facts = AGREED, **changes: object) -> Facts:
    """Return facts whose record differs."""
    return replace(facts, record=replace(facts.record, **changes))  # type: ignore[arg-type]  # by name


def causes(finding: Finding) -> dict[Cause, int]:
    """Return the shares, in whole units."""
    return {each.cause: int(each.units) for each in finding.shares}


YOUNG = (event(1, 50), event(2, 30), event(3, 20, NOW - timedelta(minutes=1)))


def test_what_agrees_has_no_cause_and_confirms() -> None:
    """Used, reported and in Stripe the same: nothing to say."""
    finding = explain(AGREED)

    assert finding.shares == ()
    assert finding.agreed
    assert finding.confirms == 3
    assert finding.confirmed_units == 100


@pytest.mark.parametrize(
    ("facts", "number"),
    [
        (replace(AGREED, stripe=Decimal(70)), None),
        (with_record(used=110, claim=flying(10), sequence=8), 7),
    ],
)
def test_events_are_confirmed_as_far_as_stripe_shows_them(
    facts: Facts, number: int | None
) -> None:
    """Not where one is missing; nor the one in flight, nor those not shown yet."""
    assert explain(facts).confirms == number
    hidden = explain(replace(AGREED, sent=YOUNG, stripe=Decimal(80)))
    assert (hidden.confirms, hidden.confirmed_units) == (2, 80)


SEEDED: dict[str, tuple[Facts, dict[Cause, int]]] = {
    "not sent yet": (with_record(used=130), {Cause.WAITING: 30}),
    "taken back and not sent yet": (
        replace(with_record(used=85), given_back=15),
        {Cause.WAITING: -15},
    ),
    "in flight and not counted": (
        with_record(used=110, claim=flying(10), sequence=8),
        {Cause.IN_FLIGHT: 10},
    ),
    "in flight and counted": (
        replace(
            with_record(used=110, claim=flying(10), sequence=8), stripe=Decimal(110)
        ),
        {},
    ),
    "queued, and taken by a worker": (
        replace(with_record(used=110), taken=10),
        {Cause.IN_FLIGHT: 10},
    ),
    "queued, taken and counted": (
        replace(with_record(used=110), taken=10, stripe=Decimal(110)),
        {},
    ),
    "accepted a minute ago": (
        replace(AGREED, sent=YOUNG, stripe=Decimal(80)),
        {Cause.LAG: 20},
    ),
    "reserved": (with_record(used=107, reserved=7), {Cause.RESERVED: 7}),
    "quota only": (with_record(used=140, offset=-40), {Cause.QUOTA_ONLY: 40}),
    "refused": (
        replace(with_record(used=105, parked=5), letters=(letter(EventState.DEAD, 5),)),
        {Cause.REFUSED: 5},
    ),
    "ambiguous and not counted": (
        replace(
            with_record(used=105, parked=5), letters=(letter(EventState.AMBIGUOUS, 5),)
        ),
        {Cause.AMBIGUOUS: 5},
    ),
    "test events": (
        replace(AGREED, stripe=Decimal(103), test_units=3),
        {Cause.TEST: -3},
    ),
    "foreign usage": (replace(AGREED, stripe=Decimal(142)), {Cause.FOREIGN: -42}),
    "missing in Stripe": (replace(AGREED, stripe=Decimal(70)), {Cause.MISSING: 30}),
    "the newest missing, and newer ones are shown": (
        replace(AGREED, stripe=Decimal(80)),
        {Cause.MISSING: 20},
    ),
    "the newest missing, and nothing newer is shown": (
        replace(AGREED, stripe=Decimal(80), slow=True),
        {Cause.LAG: 20},
    ),
    "the newest missing for hours": (
        replace(AGREED, stripe=Decimal(80), slow=True, now=NOW + timedelta(hours=5)),
        {Cause.MISSING: 20},
    ),
    "no sum of our events": (
        replace(AGREED, stripe=Decimal(93)),
        {Cause.UNEXPLAINED: 7},
    ),
    "in the next period": (
        replace(AGREED, stripe=Decimal(80), after=Decimal(20), before=Decimal(0)),
        {Cause.WRONG_PERIOD: 20},
    ),
    "of the period before": (
        replace(AGREED, stripe=Decimal(120), after=Decimal(0), before=Decimal(-20)),
        {Cause.WRONG_PERIOD: -20},
    ),
    "in the minute both have": (
        replace(AGREED, stripe=Decimal(109), edge=Decimal(9)),
        {Cause.EDGE: -9},
    ),
    "the counter is gone": (with_record(used=None), {Cause.COUNTER_LOST: -100}),
    "the counter is lower": (with_record(used=12), {Cause.COUNTER_LOST: -88}),
    "the record is an older one": (
        with_record(used=50, reported=50, sequence=1),
        {Cause.RESTORED: -50},
    ),
    "a record made anew": (
        replace(
            with_record(used=4, reported=4, sequence=1),
            stripe=Decimal(104),
            sent=(*AGREED.sent, replace(event(1, 4), identifier="md1-new-1")),
        ),
        {Cause.RESTORED: -100},
    ),
}


@pytest.mark.parametrize("name", SEEDED)
def test_each_cause_is_named_alone(name: str) -> None:
    """One thing is wrong: it is named with its units, and nothing else is."""
    facts, expected = SEEDED[name]

    assert causes(explain(facts)) == expected


def test_decimals_that_were_cut_off_are_rounding() -> None:
    """Stripe kept the whole part of 1.5, 2.25 and 3: 0.75 are missing."""
    sent = (event(1, 1500), event(2, 2250), event(3, 3000))
    record = replace(AGREED.record, used=6750, reported=6750)
    facts = replace(AGREED, record=record, scale=3, stripe=Decimal(6000), sent=sent)

    assert causes(explain(facts)) == {Cause.ROUNDING: 750}


def test_a_part_of_a_unit_is_rounding_and_the_rest_is_not() -> None:
    """Stripe has 10.25 units more: ten are foreign, a quarter is rounding."""
    finding = explain(replace(AGREED, stripe=Decimal("110.25")))

    assert finding.units(Cause.FOREIGN) == -10
    assert finding.units(Cause.ROUNDING) == Decimal("-0.25")


@pytest.mark.parametrize(("stripe", "counted"), [(100, False), (105, True)])
def test_the_total_settles_an_ambiguous_event(stripe: int, counted: bool) -> None:
    """As reported: it was not counted. As much more as it bills: it was."""
    doubtful = letter(EventState.AMBIGUOUS, 5)
    facts = replace(
        with_record(used=105, parked=5), letters=(doubtful,), stripe=Decimal(stripe)
    )

    finding = explain(facts)

    assert finding.settled == {"md1-letter-9": counted}
    assert not finding.agreed


def test_two_ambiguous_events_of_one_size_are_left_to_somebody() -> None:
    """One of the two was counted: nobody can tell which, unless a minute does."""
    both = (
        letter(EventState.AMBIGUOUS, 5, "a"),
        letter(EventState.AMBIGUOUS, 5, "b", LONG_AGO + timedelta(minutes=3)),
    )
    facts = replace(with_record(used=110, parked=10), letters=both, stripe=Decimal(105))

    assert explain(facts).settled == {}
    by_minute = replace(facts, minutes={minute(): Decimal(0)})
    assert explain(by_minute).settled == {"a": False, "b": True}


def test_a_minute_tells_an_ambiguous_event_from_foreign_usage() -> None:
    """Stripe has as much more as it bills, but not in its minute: foreign."""
    facts = replace(
        with_record(used=105, parked=5),
        letters=(letter(EventState.AMBIGUOUS, 5, "a"),),
        stripe=Decimal(105),
        minutes={minute(): Decimal(0)},
    )

    finding = explain(facts)

    assert finding.settled == {"a": False}
    assert causes(finding) == {Cause.AMBIGUOUS: 5, Cause.FOREIGN: -5}


def test_a_release_of_what_was_just_billed_is_no_lost_counter() -> None:
    """A call can be released for minutes: until then it may be that."""
    facts = replace(with_record(used=80), sent=YOUNG)

    assert causes(explain(facts)) == {Cause.WAITING: -20}
    assert causes(explain(replace(facts, now=NOW + timedelta(hours=1)))) == {
        Cause.COUNTER_LOST: -20
    }


def test_a_release_waits_until_the_next_event_may_go_out() -> None:
    """It was in time; only then it can be billed back."""
    facts = replace(with_record(used=80), sent=YOUNG, flush=timedelta(hours=2))

    for hours, cause in ((2, Cause.WAITING), (3, Cause.COUNTER_LOST)):
        later = replace(facts, now=NOW + timedelta(hours=hours))
        assert causes(explain(later)) == {cause: -20}


def test_of_a_held_counter_nothing_is_taken_for_released() -> None:
    """A repair that was cut short leaves it lower: it is lost, however young."""
    facts = replace(with_record(used=80), sent=YOUNG, held="it is being repaired")

    assert causes(explain(facts)) == {Cause.COUNTER_LOST: -20}


def test_the_age_of_what_is_unexplained_is_counted_from_the_last_agreement() -> None:
    """Nothing unexplained: no age. Else since Stripe agreed, or the period began."""
    odd = replace(AGREED, stripe=Decimal(93))

    assert explain(AGREED).since is None
    assert explain(odd).since == NOVEMBER.start
    assert explain(with_record(odd, confirmed_at=LONG_AGO)).since == LONG_AGO


amounts = st.integers(-300, 300)
some = st.integers(0, 300)
sent_events = st.lists(
    st.tuples(st.integers(1, 6), amounts, st.integers(0, 40)), max_size=6
).map(
    lambda rows: tuple(
        replace(
            event(number, units, NOW - timedelta(minutes=age)), identifier=f"e{place}"
        )
        for place, (number, units, age) in enumerate(rows)
    )
)
letters = st.lists(st.tuples(st.sampled_from(EventState), amounts), max_size=4).map(
    lambda rows: tuple(letter(s, u, f"l{i}") for i, (s, u) in enumerate(rows))
)


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    """Return facts that need not fit together."""
    record = BillingRecord(
        COUNTER,
        used=draw(st.none() | amounts),
        reserved=draw(some),
        offset=draw(amounts),
        reported=draw(amounts),
        parked=draw(amounts),
        claim=draw(st.none() | amounts.map(flying)),
        sequence=draw(st.integers(0, 8)),
        confirmed_sequence=draw(st.integers(0, 4)),
    )
    beside = st.none() | amounts.map(Decimal)
    return Facts(
        record,
        NOVEMBER,
        draw(st.integers(0, 2)),
        NOW,
        draw(st.decimals(-500, 500, places=2)),
        letters=draw(letters),
        sent=draw(sent_events),
        newest_sequence=draw(st.integers(0, 8)),
        taken=draw(some),
        test_units=draw(some),
        edge=draw(some.map(Decimal)),
        before=draw(beside),
        after=draw(beside),
        given_back=draw(some),
        slow=draw(st.booleans()),
        negative=draw(st.booleans()),
    )


@given(any_facts())
def test_causes_add_up_to_the_difference(facts: Facts) -> None:
    """Exactly, whatever the facts are; and none of them is 0."""
    finding = explain(facts)

    assert sum(each.units for each in finding.shares) == finding.difference
    assert all(each.units for each in finding.shares)


@given(st.lists(st.integers(1, 100), max_size=8), st.integers(0, 8))
def test_orphans_are_what_an_older_record_does_not_know(
    units: list[int], known: int
) -> None:
    """A record that went back to event `known` does not know those after it."""
    sent = tuple(event(i, each) for i, each in enumerate(units, start=1))
    record = replace(AGREED.record, sequence=min(known, len(units)))

    assert orphans(replace(AGREED, record=record, sent=sent)) == sent[known:]
