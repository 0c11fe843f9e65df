"""Letters: events that need somebody, and what operators decide about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from meterdeck.core.adapters.letter_calls import LetterCalls, is_queued
from meterdeck.core.adapters.redis_client import Argument, Redis, to_milliseconds
from meterdeck.core.adapters.scripts import Reply
from meterdeck.core.errors import (
    BadInput,
    Conflict,
    NotFound,
    Refused,
    UnknownOutcome,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.corrections import Corrected
from meterdeck.core.model.delivery import EventState, Letter, LetterSource
from meterdeck.core.model.event_changes import instead
from meterdeck.core.model.names import check_id, name_bytes
from meterdeck.core.model.periods import ENDLESS, Period
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import CounterId
from meterdeck.core.services.change_calls import Signature
from meterdeck.core.services.letter_reading import LetterReading, no_letter

_RECORD_DAYS = 35  # a billing record outlives what Stripe can still be told
_ENDING = {"end": ".end", "give_up": ".give-up"}
_WORDS = {
    "dead": "is dead: replay it instead",
    "refused": "was refused by Stripe after all: replay it instead",
    "ambiguous": "is ambiguous: say first whether Stripe has it",
    "cancelled": "was cancelled",
    "cancelling": "is being cancelled",
    "compensated": "was compensated: its units are taken off already",
    "accepted": "was accepted",
    "in_flight": "is in flight",
    "queue": "is of the queue, not of a counter",
    "counter": "is of a counter, not of the queue",
    "foreign": "was not queued by track(), and cannot be sent",
    "too_old": "is more than 35 days old: Stripe does not take it any more",
}


class Letters(LetterReading):
    """The letters of one context, and what is decided about them.

    Every change is one script call: it is done whole, with its audit entry, or not at
    all, and at most once an operation id. Changes raise, besides what they name:

        BadInput: An argument is wrong.
        ReadOnly: The context allows no changes.
        NotFound: There is no such letter (any more).
        Refused: It is in a state in which this cannot be done, or its billing record is
            no more; the sentence says which.
        BrokenCounter: The billing record holds something else.
        RedisUnreachable, RedisRefused: Nothing was changed.
        UnknownOutcome: Changed or not, nobody knows: repeat it with the same id.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        super().__init__(redis, context)
        self._context = context
        self._calls = LetterCalls(redis, context.redis.layout)

    async def replay(self, letter: Letter, signature: Signature) -> Corrected:
        """Bill a dead or refused event's units again, in a new event.

        One of the queue is queued once more as it is; under another identifier where
        Stripe had accepted it.
        """
        return await self._settle(letter, "again", signature)

    async def resolve(
        self, letter: Letter, *, counted: bool, signature: Signature
    ) -> Corrected:
        """Say of an ambiguous event whether Stripe has it; if not, it is sent anew."""
        how = "counted" if counted else "not_counted"
        return await self._settle(letter, how, signature)

    async def refuse_late(self, letter: Letter) -> bool:
        """Account for an event that Stripe accepted and did not count after all.

        Done once an event, whoever repeats it. The letter says what the event was, as
        `letter_of` makes it of a line of the delivery log, with Stripe's reason.

        Returns:
            Whether it was news.
        """
        self._check_writable()
        if is_queued(letter.event.identifier):
            refused = replace(
                letter, state=EventState.REFUSED, source=LetterSource.QUEUE
            )
            reply = await self._calls.refuse_queued(refused)
        else:
            reply = await self._calls.refuse_late(letter)
        if reply[0] == b"state":
            return False  # cancelled: it bills nothing either way
        _check(reply, letter)
        return reply[1] == b"0"

    async def begin_cancel(
        self, letter: Letter, *, rebill: bool, signature: Signature
    ) -> Corrected:
        """Write down that an accepted event is to be cancelled; then ask Stripe.

        The letter says what the event was, as in `refuse_late`. Until it is ended, a
        letter is `doing` `cancelling`: ask Stripe again, and end it.

        Args:
            rebill: Its units go out again, in a new event; else they are not billed.

        Raises:
            Refused: Also, it was sent too long ago to be cancelled.
        """
        self._check(signature)
        reply = await self._calls.cancel(
            letter,
            "begin",
            rebill=rebill,
            signature=signature.arguments(),
            operation_id=signature.operation_id,
        )
        _check(reply, letter)
        return _corrected(reply)

    async def end_cancel(
        self, letter: Letter, *, cancelled: bool, signature: Signature
    ) -> Corrected:
        """Account for what Stripe answered; `signature` may be that of the beginning.

        Where Stripe did not cancel it, the event is accepted as it was.
        """
        self._check(signature)
        step = "end" if cancelled else "give_up"
        own = replace(signature, operation_id=signature.operation_id + _ENDING[step])
        try:
            reply = await self._calls.cancel(
                letter,
                step,
                rebill=False,  # the beginning has said
                signature=own.arguments(),
                operation_id=own.operation_id,
            )
        except UnknownOutcome as lost:
            raise lost.under(signature.operation_id) from lost
        _check(reply, letter)
        return _corrected(reply)

    async def compensate(
        self,
        counter: CounterId,
        units: int,
        signature: Signature,
        *,
        identifier: str = "",
    ) -> Corrected:
        """Take units back that were billed: the next event of the counter is less.

        Stripe gets a negative event where nothing else waits; below 0 they are billed.

        Args:
            identifier: Of the event whose units they are; empty: of none.
        """
        if counter.period == ENDLESS.label:
            raise BadInput(
                f"{visible(counter.resource)} is a gauge, whose level is billed;"
                " set its level instead"
            )
        own: list[Argument] = ["compensate", -units, "", 0, name_bytes(identifier)]
        reply = await self._repair(counter, own, signature)
        _check_state(reply, identifier)
        return _corrected(reply)

    async def repair(
        self,
        counter: CounterId,
        period: Period,
        delta: int,
        *,
        expected: int,
        signature: Signature,
    ) -> Corrected:
        """Change what a counter's record says Stripe has; the rest is sent, or not.

        Raises:
            Conflict: The record does not say `expected`.
        """
        end = 0 if period == ENDLESS else to_milliseconds(self._kept_until(period))
        own: list[Argument] = ["repair", delta, expected, end, ""]
        reply = await self._repair(counter, own, signature)
        if reply[0] == b"conflict":
            what = f"what {visible(counter.tenant)} was billed of {counter.resource}"
            raise Conflict(what, expected, int(reply[1]))
        return _corrected(reply)

    async def _settle(
        self, letter: Letter, how: str, signature: Signature
    ) -> Corrected:
        self._check(signature)
        queued = letter.source is LetterSource.QUEUE
        settle = self._calls.requeue if queued else self._calls.replay
        reply = await settle(letter, how, signature.arguments(), signature.operation_id)
        _check(reply, letter)
        return _corrected(reply)

    async def _repair(
        self, counter: CounterId, own: Sequence[Argument], signature: Signature
    ) -> Reply:
        self._check(signature)
        reply = await self._calls.repair(
            counter, own, signature.arguments(), signature.operation_id
        )
        if reply[0] == b"gone":
            raise NotFound(
                f"nothing was billed of {counter.resource} of"
                f" {visible(counter.tenant)} in {counter.period}"
            )
        return reply

    def _kept_until(self, period: Period) -> datetime:
        days = self._context.redis.retention_days + _RECORD_DAYS
        return period.end + timedelta(days=days)

    def _check(self, signature: Signature) -> None:
        self._check_writable()
        check_id("operation id", signature.operation_id)
        if not signature.reason.strip():
            raise BadInput("say why: a reason is written into the audit trail")
        if signature.undoes:
            raise BadInput("a change of what is billed is no undo")

    def _check_writable(self) -> None:
        self._context.check_writable()


def _check(reply: Reply, letter: Letter) -> None:
    identifier = visible(letter.event.identifier)
    _check_state(reply, letter.event.identifier)
    match reply[0]:
        case b"none":
            raise no_letter(letter.tenant, letter.event.identifier)
        case b"gone":
            raise Refused(
                f"there is no billing record of event {identifier} (any more);"
                " nothing was changed"
            )
        case b"late":
            raise Refused(
                f"event {identifier} was sent more than 24 hours ago, and Stripe"
                f" cancels it no more; {instead(letter.source)}"
            )


def _check_state(reply: Reply, identifier: str) -> None:
    if reply[0] == b"state":
        state = reply[1].decode()
        raise Refused(f"event {visible(identifier)} {_WORDS.get(state, state)}")


def _corrected(reply: Reply) -> Corrected:
    return Corrected(
        units=int(reply[3]),
        offset=int(reply[4]),
        reported=int(reply[5]),
        parked=int(reply[6]),
        audit_id=reply[2].decode(),
        replayed=reply[1] == b"1",
    )
