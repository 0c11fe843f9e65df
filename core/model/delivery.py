"""Delivery: what a worker claims, sends and settles, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from meterdeck.core.model.event_life import Answer, Attempt, EventState
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.periods import ENDLESS, Period
from meterdeck.core.model.usage import CounterId, TenantId

__all__ = [
    "CANCEL_WINDOW",
    "IDENTIFIER_MARGIN",
    "IDENTIFIER_WINDOW",
    "INVOICE_GRACE",
    "LARGEST_VALUE",
    "LONGEST_TEXT",
    "NEWEST_EVENT",
    "OLDEST_EVENT",
    "Answer",
    "Attempt",
    "BillingRecord",
    "Claim",
    "Confirmation",
    "Delivery",
    "EventState",
    "Letter",
    "LetterSource",
    "NoClaim",
    "NotClaimed",
    "Settlement",
    "Verdict",
    "Wanted",
]

IDENTIFIER_WINDOW = timedelta(hours=24)
"""For how long Stripe surely knows an identifier; a repeat after it counts twice."""
IDENTIFIER_MARGIN = timedelta(minutes=30)
"""So much before the window ends an event is not sent again."""
CANCEL_WINDOW = timedelta(hours=24)
"""For how long after Stripe received an event it can be cancelled."""
OLDEST_EVENT = timedelta(days=35)
"""How old a timestamp may be when Stripe receives it."""
NEWEST_EVENT = timedelta(minutes=5)
"""How far ahead of Stripe's clock a timestamp may be."""
INVOICE_GRACE = timedelta(hours=1)
"""How long after a period's end Stripe's draft invoice takes usage of that period."""
LARGEST_VALUE = 10**15 - 1
"""Units of one event: 15 digits are all that Stripe takes."""
LONGEST_TEXT = 100
"""Characters of an identifier, an event name or a customer in an event."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A counter whose unsent units are to be claimed.

    Attributes:
        event_name: Of the meter.
        customer: Stripe's id of the tenant's customer.
        scale: Decimals of the resource: units are in 10^-scale.
        period: Of the counter; `ENDLESS` of a gauge.
        flush_s: At least so long since the counter's last claim; 0: at once.
        negative: Whether a negative remainder is sent.
        level: Of a gauge, whose level is sent as it is: the label of the billing
            period it is for. Empty: a counter, of which the remainder is sent.
    """

    counter: CounterId
    event_name: str
    customer: str
    scale: int
    period: Period
    flush_s: int = 60
    negative: bool = True
    level: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """An event of a counter's units that is in flight, held by one worker for a while.

    Attributes:
        units: What it bills, in the resource's smallest unit; may be negative.
        sequence: Number of the event among those of its counter, from 1.
        claimed_at: When it was first claimed, by the Redis server's clock, before it
            was sent for the first time.
        fresh: Whether this claim made it; else it was in flight before.
        maybe_sent: Whether a request for it may have reached Stripe unanswered: an
            answer was lost, or the worker that had it is silent.
    """

    counter: CounterId
    event: MeterEvent
    units: int
    scale: int
    sequence: int
    claimed_at: datetime
    fresh: bool = True
    maybe_sent: bool = False


class NotClaimed(StrEnum):
    """Why there is nothing to send of a counter now."""

    NOTHING = "nothing"
    EARLY = "early"
    """Its flush interval is not over."""
    LEASED = "leased"
    """Another worker has it in flight."""
    HELD = "held"
    """Its last event was refused; it is tried again later."""
    NEGATIVE = "negative"
    """More was taken back than is unsent, and negative events are not allowed."""
    TOO_OLD = "too_old"
    """Its period ended too long ago for Stripe."""
    EXPIRED = "expired"
    """Its event in flight is too old to be sent again: park it as ambiguous."""
    GONE = "gone"
    """There is no counter any more, and not all that was billed was taken back."""
    LARGE = "large"
    """A gauge's level has more digits than Stripe takes."""
    BROKEN = "broken"
    """The counter or its billing record holds something else."""


@dataclass(frozen=True, slots=True)
class NoClaim:
    """There is nothing to send of a counter now.

    Attributes:
        again_at: When to ask again; None where only a change helps.
        units: Units that are not sent.
        claim: With EXPIRED the event in flight.
        message: With BROKEN what the key holds, in words.
    """

    counter: CounterId
    why: NotClaimed
    again_at: datetime | None = None
    units: int = 0
    claim: Claim | None = None
    message: str = ""


class Verdict(StrEnum):
    """How an event in flight is settled."""

    DELIVERED = "delivered"
    LATER = "later"
    """Stays in flight, and may be sent again from a moment on, by anyone."""
    DEAD = "dead"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a claim; `attempt` is the last one, None if nothing was sent.

    Attributes:
        again_after_s: With LATER, seconds from now.
        attempts: Requests that were made for it under this claim.
        earlier: Those before `attempt`, for the delivery log.
    """

    claim: Claim
    verdict: Verdict
    attempt: Attempt | None = None
    attempts: int = 1
    again_after_s: float = 0.0
    earlier: tuple[Attempt, ...] = ()


class LetterSource(StrEnum):
    """Where a letter's units come from."""

    COUNTER = "counter"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that needs somebody: dead, refused later, ambiguous, or cancelled.

    Attributes:
        period: Label of the counter's period.
        units: In the smallest unit; what a counter's record has parked.
        first_sent_at: No later than its first request.
        at: When it became what it is.
        reason: Stripe's words, or ours.
        doing: `cancelling` while Stripe is asked to cancel it; else empty.
        rebill: Of one that is or was cancelled: its units are billed again.
        level: Of a gauge's event, label of the billing period whose level it is.
    """

    tenant: TenantId
    resource: str
    period: str
    event: MeterEvent
    units: int
    scale: int
    state: EventState
    source: LetterSource
    first_sent_at: datetime
    at: datetime
    attempts: int = 1
    reason: str = ""
    code: str = ""
    request_id: str = ""
    doing: str = ""
    level: str = ""
    rebill: bool = False

    @property
    def is_cancelling(self) -> bool:
        """Whether cancelling it was begun, and what came of it is not known yet."""
        return self.doing == "cancelling"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Stripe's summary had these units of a counter, as was to be expected.

    Attributes:
        sequence: Number of the counter's last event that they hold.
    """

    counter: CounterId
    units: int
    sequence: int


@dataclass(frozen=True, slots=True)
class BillingRecord:
    """The billing record of a counter, and the counter.

    `used + offset - reserved = reported + parked + in flight + waiting`.

    Attributes:
        used: The counter; None where there is none or it is broken.
        reserved: Units of reservations that are not confirmed: not billed yet.
        offset: Units that must not be billed, negated: operators' changes.
        reported: Units that Stripe has accepted.
        parked: Units of letters that are dead, refused or ambiguous.
        claim: The event in flight.
        sequence: Events that were claimed so far.
        last_claim_at: When the last one was claimed.
        confirmed: Units Stripe's summary had when it last agreed; None: never.
        level: Of a gauge, label of the billing period it was last reported for.
    """

    counter: CounterId
    used: int | None
    reserved: int = 0
    offset: int = 0
    reported: int = 0
    parked: int = 0
    claim: Claim | None = None
    sequence: int = 0
    last_claim_at: datetime | None = None
    confirmed: int | None = None
    confirmed_at: datetime | None = None
    confirmed_sequence: int = 0
    level: str = ""

    @property
    def waiting(self) -> int:
        """Units that no event has been claimed for; of a gauge, how far it moved."""
        billable = (self.used or 0) - self.reserved + self.offset
        if self.counter.period == ENDLESS.label:
            return billable - (self.claim.units if self.claim else self.reported)
        flying = self.claim.units if self.claim else 0
        return billable - self.reported - self.parked - flying


@dataclass(frozen=True, slots=True)
class Delivery:
    """What sending an event came to: every attempt, in order; never none."""

    attempts: Sequence[Attempt]

    @property
    def last(self) -> Attempt:
        """The attempt that says what became of the event."""
        return self.attempts[-1]

    @property
    def doubtful(self) -> bool:
        """Whether an earlier attempt may have been counted, though the last was not.

        A refusal after an answer that was lost says nothing about the lost one.
        """
        lost = any(each.answer is Answer.UNKNOWN for each in self.attempts)
        return lost and not self.last.answer.delivered
