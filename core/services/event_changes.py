"""What operators do about single meter events: replay, cancel, compensate, resolve."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from meterdeck.core.adapters.letter_calls import compensation_id
from meterdeck.core.adapters.letter_fields import letter_of
from meterdeck.core.adapters.redis_client import Redis, enter_write, server_time
from meterdeck.core.errors import NotFound, Refused, Unreachable
from meterdeck.core.model.changes import Actor, AuditEntry
from meterdeck.core.model.context import Context
from meterdeck.core.model.corrections import Corrected
from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.event_changes import (
    CANCELS,
    DONE_WORDS,
    EventChange,
    EventChanged,
    EventPlan,
    begun_cancel,
    problem_with,
)
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import CounterId
from meterdeck.core.services.audit import PAGE, AuditTrail
from meterdeck.core.services.cancelling import Cancelling, cancel_letter
from meterdeck.core.services.change_calls import Signature, check_change
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.ledger import Ledger
from meterdeck.core.services.letters import Letters

_REPLAYED = frozenset({EventState.DEAD, EventState.REFUSED})
_BECOMES = {
    EventChange.COMPENSATE: EventState.CANCELLED,
    EventChange.COUNTED: EventState.ACCEPTED,
    EventChange.CANCEL: EventState.CANCELLED,
    EventChange.REBILL: EventState.CANCELLED,
}
"""What the delivery log says an event has become; else it stays what it was."""


class EventChanges:
    """Changes of what becomes of one context's meter events.

    Each is signed, has its audit entry, and is done at most once an operation id; after
    `UnknownOutcome` repeat it with the same id. The delivery log gets a line of it.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        *,
        ledger: Ledger,
        log: DeliveryLog,
        letters: Letters,
        cancelling: Cancelling,
    ) -> None:
        self._redis = redis
        self._context = context
        self._ledger = ledger
        self._log = log
        self._letters = letters
        self._cancelling = cancelling
        self._trail = AuditTrail(redis, context)

    async def plan(self, change: EventChange, identifier: str) -> EventPlan:
        """Say what a change of an event would do now; changes nothing.

        Raises:
            NotFound: No such event is known.
        """
        story = await self._ledger.open(identifier)
        problem = problem_with(change, story.event, story.windows, story.now)
        return EventPlan(change, story.event, story.windows, story.now, problem)

    async def plan_replays(
        self, *, tenant: str = "", reason: str = ""
    ) -> tuple[EventPlan, ...]:
        """Say what replaying letters would do, the oldest first.

        Those that are dead or were refused after all: of a tenant, and with a text in
        their reason, in any case.
        """
        now = await server_time(self._redis)
        plans = []
        for event, windows in await self._ledger.letters(tenant):
            said = event.letter.reason if event.letter else ""
            if event.state in _REPLAYED and reason.casefold() in said.casefold():
                problem = problem_with(EventChange.REPLAY, event, windows, now)
                plan = EventPlan(EventChange.REPLAY, event, windows, now, problem)
                plans.append(plan)
        return tuple(sorted(plans, key=lambda plan: plan.event.at))

    async def perform(
        self,
        change: EventChange,
        identifier: str,
        *,
        actor: Actor,
        reason: str,
        operation_id: str,
    ) -> EventChanged:
        """Make a change of an event.

        Raises:
            BadInput, ReadOnly: The arguments or the context do not allow it.
            NotFound: No such event is known.
            Refused: It cannot be done; the sentence says why.
            StripeUnreachable, StripeRefused: Stripe did not cancel it; as it was.
            RedisUnreachable, RedisRefused: Nothing was changed.
            UnknownOutcome: Changed or not, nobody knows.
        """
        check_change(self._context, reason, operation_id)
        await enter_write(self._redis)  # before Stripe is told anything
        plan = await self.plan(change, identifier)
        signature = Signature(actor, reason, operation_id)
        try:
            done = await self._make(plan, signature)
        except (NotFound, Refused) as refused:
            if plan.problem:
                raise Refused(plan.problem) from refused
            raise
        # A compensation that can be made, and was, has lost its line.
        unnoted = change is EventChange.COMPENSATE and not plan.problem
        if not done.replayed or unnoted:
            await self._note(plan, signature)
        return done

    async def _make(self, plan: EventPlan, signature: Signature) -> EventChanged:
        """Do it; what was done before, by the same id, is told again."""
        if plan.change is EventChange.COMPENSATE:
            before = await self._compensated(plan, signature)
            if before is not None:
                return EventChanged(plan, before.id, replayed=True)
        done = await self._write(plan, signature)
        return EventChanged(plan, done.audit_id, done.replayed)

    async def _write(self, plan: EventPlan, signature: Signature) -> Corrected:
        event, change = plan.event, plan.change
        if change is EventChange.COMPENSATE:
            return await self._compensate(plan, signature)
        if change in CANCELS:
            # One that is done has left a letter: its operation id is told again.
            if plan.problem and (event.letter is None or begun_cancel(event)):
                raise Refused(plan.problem)
            rebill = change is EventChange.REBILL
            letter = cancel_letter(plan)
            return await self._cancelling.cancel(letter, signature, rebill=rebill)
        letter = event.letter or letter_of(event.line, event.state)
        if change is EventChange.REPLAY:
            return await self._letters.replay(letter, signature)
        counted = change is EventChange.COUNTED
        return await self._letters.resolve(letter, counted=counted, signature=signature)

    async def _compensate(self, plan: EventPlan, signature: Signature) -> Corrected:
        """Take an event's units back, once: its own id is the operation's."""
        line = plan.event.line
        if plan.problem:
            raise Refused(plan.problem)
        units = line.units
        assert units is not None  # the plan has no problem
        counter = CounterId(line.tenant, line.resource, line.period)
        identifier = line.event.identifier
        own = replace(signature, operation_id=compensation_id(identifier))
        return await self._letters.compensate(
            counter, units, own, identifier=identifier
        )

    async def _compensated(
        self, plan: EventPlan, signature: Signature
    ) -> AuditEntry | None:
        """Return the entry of its compensation, which this one is a repeat of.

        The trail knows it for longer than its operation id is kept, and not by the id
        that was given: a repeat is by the same person, for the same reason.
        """
        own = compensation_id(plan.event.identifier)
        for entry in await self._trail.newest(plan.event.line.tenant, count=PAGE):
            if entry.operation_id == own:
                return entry if not plan.problem or signature.is_of(entry) else None
        return None

    async def _note(self, plan: EventPlan, signature: Signature) -> None:
        """Write a line of it; the change is made, whether that works or not."""
        line = plan.event.line
        who = visible(signature.actor.name, 60)
        said = f"{DONE_WORDS[plan.change]} by {who}: {signature.reason}"
        noted = replace(
            line,
            state=_BECOMES.get(plan.change, plan.event.state),
            message=said,
            attempts=0,
            sent_at=None,
            first_sent_at=line.first_sent_at or line.sent_at or line.at,
            earlier=(),
            code="",
            status=0,
            request_id="",
            idempotency_key="",
            latency_ms=0,
        )
        with suppress(Unreachable):
            await self._log.append(noted)
