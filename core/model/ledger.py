"""The ledger of meter events: each with its life, whatever part of Redis tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.model.delivery import (
    Attempt,
    Claim,
    EventState,
    Letter,
    LetterSource,
)
from meterdeck.core.model.event_filter import event_filter
from meterdeck.core.model.events import (
    EventOutcome,
    EventSource,
    LoggedEvent,
    MeterEvent,
)
from meterdeck.core.model.queued import QueuedEvent
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.model.windows import Window

_OUTCOMES = {
    EventState.DEAD: EventOutcome.REFUSED,
    EventState.AMBIGUOUS: EventOutcome.UNKNOWN,
}
NEEDING = frozenset({EventState.REFUSED, EventState.DEAD, EventState.AMBIGUOUS})
"""States in which an event needs somebody."""
_COUNTED = frozenset({EventState.ACCEPTED, EventState.CONFIRMED})
_SOURCES = {
    LetterSource.COUNTER: EventSource.WORKER,
    LetterSource.QUEUE: EventSource.QUEUE,
}


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """A meter event as it stands.

    Attributes:
        line: Its newest line in the delivery log; with an empty `id` it has none, and
            this is what the queue, the billing record or the letter say of it.
        state: What it is now.
        at: When it became so.
        letter: What waits for somebody; None where nothing does.
    """

    line: LoggedEvent
    state: EventState
    at: datetime
    letter: Letter | None = None

    @property
    def key(self) -> tuple[TenantId, str]:
        """Tell the event from every other one."""
        return self.line.tenant, self.line.event.identifier

    @property
    def identifier(self) -> str:
        """Its identifier at Stripe."""
        return self.line.event.identifier

    @property
    def reason(self) -> str:
        """Why it needs somebody, else what was answered to it; foreign text.

        The log's line of an event that was refused later is of when it was accepted.
        """
        why = self.letter.reason if self.letter is not None else ""
        return why or self.line.message

    @property
    def answered(self) -> bool:
        """Whether the log knows an answer to it."""
        return bool(self.line.id)


@dataclass(frozen=True, slots=True)
class EventStory:
    """One meter event in full.

    Attributes:
        attempts: Every request that the log tells of, oldest first.
        body: What a request carries, literally as it is sent.
        windows: What can still be done, the first to close first.
        now: By the Redis server's clock.
        confirmed_at: When a summary of Stripe's last agreed that holds it.
    """

    event: LedgerEvent
    attempts: tuple[Attempt, ...]
    body: Mapping[str, object]
    windows: tuple[Window, ...]
    now: datetime
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; what is empty lets all pass.

    Attributes:
        text: Somewhere in what an operator reads of an event, in any case.
        expression: A filter of events, see `event_filter`.
    """

    states: frozenset[EventState] = frozenset()
    tenants: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    sources: frozenset[EventSource] = frozenset()
    text: str = ""
    expression: str = ""

    def takes(self, event: LedgerEvent) -> bool:
        """Tell whether an event is wanted."""
        return self.takes_line(event.line) and (
            not self.states or event.state in self.states
        )

    def takes_line(self, line: LoggedEvent) -> bool:
        """Tell whether an event is wanted, whatever its state."""
        return (
            (not self.tenants or line.tenant in self.tenants)
            and (not self.resources or line.resource in self.resources)
            and (not self.sources or line.source in self.sources)
            and (not self.text or self.text.casefold() in searched_text(line))
            and (not self.expression or event_filter(self.expression)(line))
        )


def searched_text(line: LoggedEvent) -> str:
    """Return all of an event that a text is looked for in, in lower case."""
    event = line.event
    parts = (
        line.tenant,
        line.resource,
        line.outcome,
        line.life,
        line.source,
        event.identifier,
        event.event_name,
        event.customer,
        line.message,
        line.code,
        line.request_id,
        *(text for pair in event.dimensions for text in pair),
    )
    return "\n".join(parts).casefold()


def received_at(lines: Sequence[LoggedEvent]) -> datetime | None:
    """Return a moment no later than Stripe received an event; None: it has not.

    Of a duplicate an earlier request arrived, nobody knows which.
    """
    for line in lines:
        if line.outcome is EventOutcome.ACCEPTED and line.life in _COUNTED:
            return line.sent_at or line.at
    for line in lines:
        if line.outcome is EventOutcome.DUPLICATE:
            return line.first_sent_at or line.sent_at or line.at
    return None


def event_of_line(line: LoggedEvent) -> LedgerEvent:
    """Return what a line of the delivery log says of its event."""
    return LedgerEvent(line, line.life, line.at)


def event_of_claim(claim: Claim) -> LedgerEvent:
    """Return an event in flight of which there is no line yet."""
    line = LoggedEvent(
        id="",
        at=claim.claimed_at,
        source=EventSource.WORKER,
        outcome=EventOutcome.UNKNOWN,
        tenant=claim.counter.tenant,
        resource=claim.counter.resource,
        event=claim.event,
        state=EventState.IN_FLIGHT,
        period=claim.counter.period,
        units=claim.units,
        scale=claim.scale,
        attempts=0,
        first_sent_at=claim.claimed_at,
    )
    return LedgerEvent(line, EventState.IN_FLIGHT, claim.claimed_at)


def event_of_queued(queued: QueuedEvent) -> LedgerEvent:
    """Return an event of the queue, of which there is no line yet."""
    line = LoggedEvent(
        id="",
        at=queued.queued_at,
        source=EventSource.QUEUE,
        outcome=EventOutcome.UNKNOWN,
        tenant=queued.tenant,
        resource=queued.resource,
        event=queued.event,
        state=queued.state,
        period=queued.period,
        units=queued.units,
        scale=queued.scale,
        attempts=0,
        first_sent_at=queued.first_sent_at if queued.deliveries else None,
    )
    return LedgerEvent(line, queued.state, queued.queued_at)


def event_of_letter(letter: Letter, line: LoggedEvent | None = None) -> LedgerEvent:
    """Return the event of a letter, with its newest line where the log still has it."""
    return LedgerEvent(line or _line(letter), letter.state, letter.at, letter)


def _line(letter: Letter) -> LoggedEvent:
    event: MeterEvent = letter.event
    return LoggedEvent(
        id="",
        at=letter.at,
        source=_SOURCES[letter.source],
        outcome=_OUTCOMES.get(letter.state, EventOutcome.ACCEPTED),
        tenant=letter.tenant,
        resource=ResourceName(letter.resource),
        event=event,
        message=letter.reason,
        request_id=letter.request_id,
        state=letter.state,
        period=letter.period,
        units=letter.units,
        scale=letter.scale,
        attempts=letter.attempts,
        code=letter.code,
        first_sent_at=letter.first_sent_at,
    )
