"""A line of the delivery log as fields, and back."""

from datetime import UTC, datetime, timedelta

import pytest

from meterdeck.core.model.delivery import (
    Answer,
    Attempt,
    Claim,
    EventState,
    Settlement,
    Verdict,
)
from meterdeck.core.model.event_lines import (
    EARLIER_KEPT,
    attempts_of,
    line_fields,
    line_of,
    read_line,
)
from meterdeck.core.model.events import EventOutcome, LoggedEvent, MeterEvent
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
IDENTIFIER = f"md1-{'ab' * 20}-17"
HOSTILE = '\x1b[2J"\udcff\u202e[red]'
EVENT = MeterEvent("tokens", IDENTIFIER, "cus_1", "-1.5", AT, (("region", HOSTILE),))
CLAIM = Claim(
    CounterId(TenantId("acme"), ResourceName("tokens"), "2026-11"),
    EVENT, units=-1500, scale=3, sequence=17, claimed_at=AT,
)  # fmt: skip
BUSY = Attempt(Answer.BUSY, AT, HOSTILE, "rate_limit", 429, "req_1", "key.1", 9)
LOST = Attempt(Answer.UNKNOWN, AT + timedelta(seconds=2), "no answer")


def test_a_settlement_comes_back_as_it_was_written() -> None:
    """The event, how it was settled, and every request with its answer."""
    last = Attempt(
        Answer.DUPLICATE, AT + timedelta(seconds=9), HOSTILE, "", 400, "req_3", "k", 31
    )
    settlement = Settlement(CLAIM, Verdict.DELIVERED, last, 3, 0.0, (BUSY, LOST))

    line = line_of(settlement)
    found = read_line("1-0", AT, line_fields(line))

    assert found is not None
    assert (found.event, found.units, found.scale) == (EVENT, -1500, 3)
    assert (found.period, found.sequence, found.attempts) == ("2026-11", 17, 3)
    assert (found.outcome, found.life) == (
        EventOutcome.DUPLICATE,
        EventState.ACCEPTED,
    )
    assert (found.first_sent_at, found.sent_at) == (AT, last.at)
    assert attempts_of(found) == (BUSY, LOST, last)


def test_a_settlement_without_a_request_tells_of_none() -> None:
    """As where an event in flight became too old to be sent again."""
    line = line_of(Settlement(CLAIM, Verdict.AMBIGUOUS, attempts=0))

    found = read_line("1-0", AT, line_fields(line))

    assert found is not None
    assert (found.life, attempts_of(found)) == (EventState.AMBIGUOUS, ())


def test_what_many_lines_say_is_held_once() -> None:
    """Ten thousand lines are of a few tenants: each name is there one time."""
    fields = line_fields(line_of(Settlement(CLAIM, Verdict.DELIVERED)))
    one, other = (
        read_line("1-0", AT, {k: "".join([*v]) for k, v in fields.items()})
        for _ in range(2)
    )

    assert one is not None
    assert other is not None
    assert one.tenant is other.tenant
    assert one.period is other.period
    assert one.event.customer is other.event.customer


def test_an_older_line_is_read_as_it_is() -> None:
    """One without the fields that came later has their defaults."""
    fields = {"source": "test", "outcome": "refused", "timestamp": "1795600000"}

    found = read_line("1-0", AT, fields)

    assert found is not None
    assert (found.life, found.units, found.scale) == (EventState.DEAD, None, 0)
    assert (found.attempts, found.sequence, found.earlier) == (1, 0, ())
    assert [each.at for each in attempts_of(found)] == [AT]


@pytest.mark.parametrize("wrong", ["[", "7", "[[1]]", "{}", "[" * 100_000, HOSTILE])
def test_fields_that_make_no_sense_are_left_out(wrong: str) -> None:
    """Anybody may write into the stream; the rest of the line is still told."""
    fields = line_fields(line_of(Settlement(CLAIM, Verdict.LATER, BUSY)))
    fields |= dict.fromkeys(
        ("earlier", "dimensions", "units", "attempts", "sent_at"), wrong
    )

    found = read_line("1-0", AT, fields)

    assert isinstance(found, LoggedEvent)
    assert (found.earlier, found.event.dimensions) == ((), ())
    assert found.message == HOSTILE


def test_a_line_keeps_the_newest_of_many_requests() -> None:
    """An event that was put off for hours does not fill the log."""
    many = tuple(Attempt(Answer.BUSY, AT, str(number)) for number in range(500))
    line = line_of(Settlement(CLAIM, Verdict.LATER, LOST, 501, 60.0, many))

    found = read_line("1-0", AT, line_fields(line))

    assert found is not None
    assert (found.attempts, len(found.earlier)) == (501, EARLIER_KEPT)
    assert found.earlier[-1].message == "499"
