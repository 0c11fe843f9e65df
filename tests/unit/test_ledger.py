"""The life of meter events, told from log, queue, billing records and letters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from meterdeck.core.model.delivery import (
    Claim,
    EventState,
    Letter,
    LetterSource,
    Settlement,
    Verdict,
)
from meterdeck.core.model.event_life import Answer, Attempt
from meterdeck.core.model.event_lines import line_of
from meterdeck.core.model.events import LoggedEvent, MeterEvent
from meterdeck.core.model.ledger import (
    EventFilter,
    event_of_claim,
    event_of_queued,
    received_at,
)
from meterdeck.core.model.ledger_sight import LedgerSight, newest_events
from meterdeck.core.model.queued import QueuedEvent
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
COUNTER = CounterId(TenantId("acme"), ResourceName("calls"), "2026-11")
EVERYTHING = EventFilter()
SECOND = timedelta(seconds=1)


def claim(number: int) -> Claim:
    """Return the claim of the counter's event of that number."""
    identifier = f"md1-{number:040x}-{number}"
    event = MeterEvent("calls", identifier, "cus_1", "5", AT)
    return Claim(COUNTER, event, 5, 0, number, AT + timedelta(minutes=number))


def line(
    number: int, verdict: Verdict = Verdict.DELIVERED, answer: Answer = Answer.ACCEPTED
) -> LoggedEvent:
    """Return the line of an event, written when its number says."""
    of = claim(number)
    attempt = Attempt(answer, of.claimed_at)
    logged = line_of(Settlement(of, verdict, attempt))
    return replace(logged, id=f"{number}-0", at=of.claimed_at)


def letter(number: int, state: EventState, at: datetime = AT) -> Letter:
    """Return the letter of an event."""
    of = claim(number)
    return Letter(
        COUNTER.tenant, COUNTER.resource, COUNTER.period, of.event, 5, 0, state,
        LetterSource.COUNTER, of.claimed_at, at,
    )  # fmt: skip


def test_an_event_is_confirmed_up_to_the_number_that_a_summary_held() -> None:
    """A later one is accepted; one that was put off or is dead is never confirmed."""
    sight = LedgerSight(confirmed={COUNTER: 2})
    dead = line(1, Verdict.DEAD, Answer.REFUSED)

    states = [sight.event_of(each).state for each in (line(1), line(2), line(3), dead)]

    assert states == ["confirmed", "confirmed", "accepted", "dead"]
    other = replace(line(1), period="2026-10")
    assert sight.event_of(other).state is EventState.ACCEPTED


def test_a_letter_says_more_than_a_line_and_what_waits_more_than_an_old_one() -> None:
    """Refused after it was accepted; on its way again after it was put off."""
    sight = LedgerSight(
        [event_of_claim(claim(2))], [letter(1, EventState.REFUSED, AT + SECOND)]
    )

    refused, flying = (sight.event_of(line(number)) for number in (1, 2))

    assert (refused.state, refused.at) == (EventState.REFUSED, AT + SECOND)
    assert (flying.state, flying.line.id) == (EventState.IN_FLIGHT, "2-0")


def test_each_event_is_told_once_and_what_has_no_line_too() -> None:
    """Those that changed last, in that order; the filter takes states as they are."""
    put_off = line(2, Verdict.LATER, Answer.BUSY)
    lines = [line(3, Verdict.DEAD, Answer.REFUSED), line(2), put_off, line(1)]
    queued = QueuedEvent(
        "1-0", COUNTER.tenant, COUNTER.resource, COUNTER.period,
        replace(claim(9).event, identifier="md1-aa-q"), 5, 0,
        queued_at=AT + timedelta(minutes=2, seconds=30), first_sent_at=AT,
        deliveries=0, state=EventState.QUEUED,
    )  # fmt: skip
    late = letter(8, EventState.AMBIGUOUS, AT + timedelta(hours=1))
    sight = LedgerSight([event_of_queued(queued)], [late])

    found = newest_events(sight, lines, EVERYTHING, 10)
    asked = EventFilter(states=frozenset({EventState.QUEUED, EventState.ACCEPTED}))

    assert [event.state for event in found] == [
        "ambiguous", "dead", "queued", "accepted", "accepted",
    ]  # fmt: skip
    assert [event.answered for event in found] == [False, True, False, True, True]
    assert newest_events(sight, lines, EVERYTHING, 2) == found[:2]
    assert newest_events(sight, lines, asked, 10) == found[2:]


def test_stripe_received_an_event_no_later_than_it_is_taken_for() -> None:
    """At the accepted request; of a repeat it knew, at the first one; else never."""
    busy = line(1, Verdict.LATER, Answer.BUSY)
    repeat = replace(
        line(1, answer=Answer.DUPLICATE), first_sent_at=AT, sent_at=AT + SECOND
    )

    assert received_at([line(1), busy]) == claim(1).claimed_at
    assert received_at([repeat, busy]) == AT
    assert received_at([busy]) is None
