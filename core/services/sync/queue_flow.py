"""From the queue to Stripe: events that the application gave to `track()`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from meterdeck.core.errors import Refused, Unreachable
from meterdeck.core.model.delivery import Answer, Attempt, Verdict
from meterdeck.core.model.queued import QueuedEvent, QueuedResult
from meterdeck.core.services.sync import journal
from meterdeck.core.services.sync.counter_flow import Tally
from meterdeck.core.services.sync.equipment import Equipment
from meterdeck.core.services.sync.flow import Places, Settling
from meterdeck.core.services.sync.repeating import Complaints
from meterdeck.core.services.sync.verdicts import verdict_of

_BATCH = 100
_TRY_AGAIN_S = 0.5
_MOST_NAMED = 100_000


class QueueFlow:
    """Takes queued events, sends each, and settles it.

    An event that cannot be delivered now stays pending in the queue: whoever takes over
    what is pending for long tries it again.
    """

    def __init__(self, own: Equipment) -> None:
        self._own = own
        self._clock = own.now
        self._observer = own.observer
        self._places = Places(own.on_the_way)
        self._settling: Settling[QueuedResult] = Settling(self._settle, _BATCH)
        self.tally = Tally()
        self._no_customer: set[tuple[str, str]] = set()
        self._complaints = Complaints()

    @property
    def on_the_way(self) -> int:
        """Events that were taken and not settled."""
        return self._places.taken + self._settling.waiting

    async def unsettled(self, before: datetime) -> int:
        """Return how many events are not settled, where some were queued before then.

        Those that other workers have, too; not those whose tenant is no customer yet.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        oldest = await self._own.queue.oldest()
        if oldest is None or oldest >= before:
            return 0
        length = await self._own.queue.length()
        return max(0, length - len(self._no_customer))

    async def run(self) -> None:
        """Settle what comes back, until cancelled; see `take_some`."""
        await self._settling.run()

    async def take_some(self) -> bool:
        """Take some events and send them; tell whether there were any.

        Raises:
            RedisUnreachable, RedisRefused: What was taken is given again later.
        """
        await self._places.wait_free()
        taken = await self._own.queue.take(min(_BATCH, self._places.free))
        await self._own.witness.look_for(each.queued_at for each in taken)
        for each in taken:
            self._places.begin(self._deliver(each))
        return bool(taken)

    async def _deliver(self, queued: QueuedEvent) -> None:
        name = queued.tenant, queued.id
        if not queued.event.customer:
            if name not in self._no_customer and len(self._no_customer) < _MOST_NAMED:
                self._no_customer.add(name)
                self.tally.left["no_customer"] += 1
            self._settling.add(QueuedResult(queued, Verdict.LATER, None, 0))
            return  # stays pending until the tenant is a customer
        self._no_customer.discard(name)
        now, attempt = self._clock(), None
        if doubt := self._own.witness.doubt_of_event(queued.queued_at):
            queued = replace(queued, maybe_sent=True, first_sent_at=queued.queued_at)
            attempt = Attempt(Answer.UNKNOWN, now, doubt, "check_restored")
        sent_before = queued.maybe_sent
        until = queued.send_until
        if sent_before and until <= now:
            self._settling.add(QueuedResult(queued, Verdict.AMBIGUOUS, attempt, 0))
            return
        delivery = await self._own.sender.deliver(queued.event, until=until)
        verdict = verdict_of(delivery, maybe_sent=sent_before)
        attempts = delivery.attempts
        self._settling.add(
            QueuedResult(
                queued, verdict, delivery.last, len(attempts), tuple(attempts[:-1])
            )
        )

    async def _settle(self, batch: Sequence[QueuedResult]) -> None:
        while True:
            try:
                await self._own.queue.settle(batch)
            except Unreachable as error:
                self._complaints.complain("queue_settling", error)
                await asyncio.sleep(_TRY_AGAIN_S)
            except Refused as error:
                if len(batch) == 1:
                    journal.error("not_settled", reason=error)
                    return
                for each in batch:
                    await self._settle([each])
                return
            else:
                break
        self._complaints.fine("queue_settling")
        for result in batch:
            self._settled(result)

    def _settled(self, result: QueuedResult) -> None:
        queued, tally = result.queued, self.tally
        lag = (self._clock() - queued.queued_at).total_seconds()
        code = result.attempt.code if result.attempt else ""
        self._observer.settled(result.verdict, max(0.0, lag), code)
        match result.verdict:
            case Verdict.DELIVERED:
                tally.delivered += 1
                tally.units += queued.units
            case Verdict.LATER:
                tally.later += 1
            case Verdict.DEAD:
                tally.dead += 1
                _note("event_dead", queued, result.attempt)
            case Verdict.AMBIGUOUS:
                tally.ambiguous += 1
                _note("event_ambiguous", queued, result.attempt)

    async def drain(self) -> None:
        """Wait until all that was taken is sent and settled."""
        await self._places.wait_all()
        await self._settling.wait()

    def abandon(self) -> None:
        """Stop sending; what was taken is taken over by another worker."""
        self._places.cancel()


def _note(event: str, queued: QueuedEvent, attempt: Attempt | None) -> None:
    journal.warning(
        event,
        tenant=queued.tenant,
        resource=queued.resource,
        identifier=queued.event.identifier,
        reason=attempt.message if attempt else "its answer is a day overdue",
        code=attempt.code if attempt else "",
        request_id=attempt.request_id if attempt else "",
    )
