"""A ledger that looks like one: events of every state, their stories."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tests.tui.pictures import API, NOW, believable

from meterdeck.core.model.delivery import (
    Answer,
    Attempt,
    EventState,
    Letter,
    LetterSource,
)
from meterdeck.core.model.event_lines import attempts_of
from meterdeck.core.model.events import (
    EventOutcome,
    EventSource,
    LoggedEvent,
    MeterEvent,
)
from meterdeck.core.model.ledger import (
    EventStory,
    LedgerEvent,
    event_of_letter,
    event_of_line,
    received_at,
)
from meterdeck.core.model.ledger_sight import LedgerSight
from meterdeck.core.model.usage import ResourceName, Tenant, TenantId
from meterdeck.core.model.windows import windows_of

NORTHWIND, ACME, LUMEN, *_ = believable()


def identifier(number: int) -> str:
    """Return the identifier of a counter's event."""
    return f"md1-{number:040x}-{number}"


def line(
    number: int,
    owner: Tenant = ACME,
    *,
    value: str = "1250",
    ago: timedelta = timedelta(hours=2, minutes=10),
    outcome: EventOutcome = EventOutcome.ACCEPTED,
    state: EventState | None = None,
    message: str = "",
    code: str = "",
) -> LoggedEvent:
    """Return a line that a worker has written of an event."""
    at = NOW - ago
    refused = outcome is EventOutcome.REFUSED
    earlier = Attempt(
        Answer.BUSY, at - timedelta(seconds=2), "Too many requests", "rate_limit",
        429, "req_p1", f"{identifier(number)}.1f2e3d4c", 41,
    )  # fmt: skip
    return LoggedEvent(
        id=f"{int(at.timestamp() * 1000)}-{number}",
        at=at,
        source=EventSource.WORKER,
        outcome=outcome,
        tenant=owner.id,
        resource=API.name,
        event=MeterEvent(
            API.meter, identifier(number), owner.customer, value,
            at.replace(microsecond=0),
        ),
        message=message,
        request_id=f"req_{number:08x}",
        latency_ms=38,
        state=state,
        period="2026-11",
        units=int(value),
        attempts=2,
        code=code,
        status=400 if refused else 200,
        idempotency_key=f"{identifier(number)}.8c7d6e5f",
        first_sent_at=at - timedelta(seconds=3),
        sent_at=at,
        earlier=(earlier,),
    )  # fmt: skip


ACCEPTED = line(11)
PUT_OFF = line(
    12, NORTHWIND, ago=timedelta(seconds=40), outcome=EventOutcome.BUSY,
    message="Too many requests",
)  # fmt: skip
DEAD = line(
    13, LUMEN, value="77", ago=timedelta(hours=5), outcome=EventOutcome.REFUSED,
    message="No such customer: 'cus_lumen'", code="resource_missing",
)  # fmt: skip
LOST = line(
    14, NORTHWIND, value="4800", ago=timedelta(hours=25),
    outcome=EventOutcome.UNKNOWN, message="no answer within 10 s",
)  # fmt: skip


def letter(of: LoggedEvent, state: EventState) -> Letter:
    """Return the letter of an event."""
    return Letter(
        of.tenant, of.resource, of.period, of.event, of.units or 0, 0, state,
        LetterSource.COUNTER, of.first_sent_at or of.at, of.at, of.attempts,
        of.message, of.code, of.request_id,
    )  # fmt: skip


def sight() -> LedgerSight:
    """Return what stands beside the log: one waits, two need somebody."""
    waiting = replace(event_of_line(PUT_OFF), state=EventState.IN_FLIGHT)
    letters = [letter(DEAD, EventState.DEAD), letter(LOST, EventState.AMBIGUOUS)]
    return LedgerSight([waiting], letters)


def story(of: LoggedEvent, state: EventState | None = None) -> EventStory:
    """Return an event in full, as the engine tells it."""
    event: LedgerEvent = event_of_line(of)
    if state is not None:
        event = event_of_letter(letter(of, state), of)
    return EventStory(
        event,
        attempts_of(of),
        {
            "event_name": of.event.event_name,
            "identifier": of.event.identifier,
            "timestamp": int(of.event.timestamp.timestamp()),
            "payload": {
                "stripe_customer_id": of.event.customer,
                "value": of.event.value,
                **dict(of.event.dimensions),
            },
        },
        windows_of(
            event.state,
            timestamp=of.event.timestamp,
            first_sent_at=of.first_sent_at,
            received_at=received_at([of]),
            period_end=datetime(2026, 12, 1, tzinfo=NOW.tzinfo),
        ),
        NOW,
    )


def hostile(text: str, number: int) -> LoggedEvent:
    """Return a line whose every text from outside is `text`."""
    base = line(number, outcome=EventOutcome.REFUSED, message=text, code=text)
    event = replace(
        base.event, event_name=text, customer=text, value=text,
        identifier=f"{text}{number}", dimensions=((text, text),),
    )  # fmt: skip
    return replace(
        base,
        tenant=TenantId(text),
        resource=ResourceName(text),
        event=event,
        request_id=text,
        idempotency_key=text,
        period=text,
        earlier=(Attempt(Answer.UNKNOWN, NOW, text, text, 0, text, text),),
    )
