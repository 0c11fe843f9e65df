"""Changes of meter events by request: those for which Redis is enough."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import Refused
from meterdeck.core.model.change_requests import EventWish, request_id_of
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.model.event_changes import CANCELS, EventChange, EventChanged
from meterdeck.core.model.request_answers import RequestState
from meterdeck.core.services.cancelling import Cancelling
from meterdeck.core.services.change_calls import check_change
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.event_bodies import EventBodies
from meterdeck.core.services.event_changes import EventChanges
from meterdeck.core.services.ledger import Ledger
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.requests.asking import Asking


def events_without_stripe(redis: Redis, context: Context) -> EventChanges:
    """Return what changes events by the scripts, and asks Stripe nothing."""
    log = DeliveryLog(redis, context)
    letters = Letters(redis, context)
    ledger = Ledger(
        redis,
        context,
        log=log,
        directory=Directory(redis, context, None),
        bodies=EventBodies(context, None),
    )
    cancelling = Cancelling(context, None, letters)
    return EventChanges(
        redis, context, ledger=ledger, log=log, letters=letters, cancelling=cancelling
    )


class RequestedEventChanges(EventChanges):
    """Changes of events, asked for instead of made; what reads, reads as before.

    Raises besides what `EventChanges` does `Asked`: it may still be done.
    """

    async def perform(
        self,
        change: EventChange,
        identifier: str,
        *,
        actor: Actor,
        reason: str,
        operation_id: str,
    ) -> EventChanged:
        """Ask for a change of an event; see `EventChanges.perform`.

        A cancellation is made directly, by whoever may: Stripe is asked for it, with
        the key of this context.
        """
        if change in CANCELS:
            return await super().perform(
                change,
                identifier,
                actor=actor,
                reason=reason,
                operation_id=operation_id,
            )
        check_change(self._context, reason, operation_id)
        plan = await self.plan(change, identifier)
        wish = EventWish(plan.event.line.tenant, change, plan.event.identifier, reason)
        answer = await Asking(self._redis, self._context).ask(
            request_id_of(operation_id), wish
        )
        if answer.state is not RequestState.DONE:
            raise Refused(answer.says)
        audit_id = answer.result.get("audit_id")
        replayed = answer.result.get("replayed") is True
        return EventChanged(
            plan, audit_id if isinstance(audit_id, str) else "", replayed
        )

    def without_waiting(self) -> RequestedEventChanges:
        """Return what asks as this does, and waits for no answer."""
        rules = replace(self._context.requests, wait_s=0.0)
        return RequestedEventChanges(
            self._redis,
            replace(self._context, requests=rules),
            ledger=self._ledger,
            log=self._log,
            letters=self._letters,
            cancelling=self._cancelling,
        )
