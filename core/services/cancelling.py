"""Cancelling an event that Stripe accepted: written down, asked for, accounted for."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.adapters.letter_fields import letter_of
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound, Refused, StripeRefused, UnknownOutcome
from meterdeck.core.model.cancelling import Cancellation, CancelOutcome
from meterdeck.core.model.context import Context
from meterdeck.core.model.corrections import Corrected
from meterdeck.core.model.delivery import CANCEL_WINDOW, EventState, Letter
from meterdeck.core.model.event_changes import EventPlan, instead
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.quantity import parse_quantity
from meterdeck.core.model.windows import WindowKind
from meterdeck.core.services.change_calls import Signature
from meterdeck.core.services.letters import Letters


class Cancelling:
    """Cancels events; where it stops in the middle, cancelling again goes on."""

    def __init__(
        self, context: Context, gateway: StripeGateway | None, letters: Letters
    ) -> None:
        self._context = context
        self._gateway = gateway
        self._letters = letters

    async def cancel(
        self, letter: Letter, signature: Signature, *, rebill: bool
    ) -> Corrected:
        """Have Stripe not count an event, and account for that.

        Raises:
            Refused: There is no Stripe, or the event is in a state in which it cannot
                be cancelled.
            StripeRefused: Stripe counts it on; nothing was changed.
            StripeUnreachable: Nothing was asked of Stripe; cancel it again.
            UnknownOutcome: Whether Stripe has heard, nobody knows; cancel it again.
        """
        if self._gateway is None:
            raise Refused(f"context {self._context.name} has no Stripe to ask")
        asked_before = letter.is_cancelling
        if not asked_before:
            begun = await self._letters.begin_cancel(
                letter, rebill=rebill, signature=signature
            )
            if begun.replayed and not await self._goes_on(letter):
                return begun
            asked_before = begun.replayed
        event = letter.event
        asked = await self._gateway.cancel(event.event_name, event.identifier)
        if asked.outcome is CancelOutcome.UNKNOWN:
            raise UnknownOutcome(
                f"the cancellation of {event.identifier}", signature.operation_id
            )
        cancelled = asked.outcome is not CancelOutcome.REFUSED
        done = await self._letters.end_cancel(
            letter, cancelled=cancelled, signature=signature
        )
        if not cancelled:
            raise StripeRefused(
                _not_cancelled(letter, asked, asked_before=asked_before),
                request_id=asked.request_id,
            )
        return done

    async def _goes_on(self, letter: Letter) -> bool:
        """Tell whether a cancellation that was begun before is to be ended.

        Raises:
            Refused: It was given up, as Stripe refused it.
        """
        try:
            now = await self._letters.get(letter.tenant, letter.event.identifier)
        except NotFound as gone:
            raise Refused(
                "Stripe refused this cancellation before, and the event stays billed;"
                f" {instead(letter.source)}"
            ) from gone
        return now.is_cancelling


def _letter(line: LoggedEvent) -> Letter:
    letter = letter_of(line, EventState.ACCEPTED)
    if line.units is not None:
        return letter
    # Of a test event the log has the value alone.
    value = line.event.value
    scale = len(value.partition(".")[2])
    units = parse_quantity(value, scale, signed=True)
    return replace(letter, units=units, scale=scale)


def _not_cancelled(letter: Letter, asked: Cancellation, *, asked_before: bool) -> str:
    """Say what stays billed. After a day Stripe forgets what it has cancelled."""
    said = f"Stripe did not cancel it, and it stays billed: {asked.message}"
    way = instead(letter.source)
    if asked_before:
        return (
            f"{said}; when Stripe was asked before, it may have cancelled it: see by"
            f" meterdeck reconcile whether it counts it; if so, {way}"
        )
    return f"{said}; {way}"


def cancel_letter(plan: EventPlan) -> Letter:
    """Return the letter of an event that is to be cancelled.

    Its time begins when Stripe received the event, as the plan's window says.
    """
    event = plan.event
    letter = event.letter or _letter(event.line)
    for window in plan.windows:
        if window.kind is WindowKind.CANCEL:
            return replace(letter, first_sent_at=window.closes_at - CANCEL_WINDOW)
    return letter
