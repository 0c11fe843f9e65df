"""The ledger of resources that are billed by events of their own: queue and letters.

They have no billing record. What is counted was queued in the same step, and an event
leaves the queue when Stripe has it or when it is a letter; so what is counted, neither
queued nor a letter, was accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from meterdeck.core.errors import Refused
from meterdeck.core.model.delivery import BillingRecord, EventState, Letter
from meterdeck.core.model.queued import QueuedEvent
from meterdeck.core.model.reconciliation import Minute
from meterdeck.core.services.event_queue import EventQueue

MOST_QUEUED = 10_000
"""With more events in the queue their counters are not compared."""

_PARKED = (EventState.DEAD, EventState.REFUSED, EventState.AMBIGUOUS)


@dataclass(frozen=True, slots=True)
class QueuedUnits:
    """What of a counter is in the queue.

    Attributes:
        taken: Of it, what a worker has: Stripe may have it already.
        minutes: Of what a worker has.
    """

    waiting: int
    taken: int
    minutes: frozenset[Minute] = frozenset()


class QueuedLedger:
    """Makes of a queue and letters what a billing record would say."""

    def __init__(self, queue: EventQueue) -> None:
        self._queue = queue

    async def units(self, record: BillingRecord) -> QueuedUnits:
        """Return what of a counter is in the queue now.

        Raises:
            Refused: There is too much in it.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        found = await self._queue.waiting(MOST_QUEUED + 1)
        if len(found) > MOST_QUEUED:
            raise Refused(
                f"more than {MOST_QUEUED:,} events are queued; they are sent first"
            )
        mine = [each for each in found if _is_of(each, record)]
        taken = [each for each in mine if each.state is EventState.IN_FLIGHT]
        minutes = frozenset(Minute.of(each.event) for each in taken)
        return QueuedUnits(_total(mine), _total(taken), minutes)


def record_of(
    record: BillingRecord, queued: QueuedUnits, letters: Iterable[Letter]
) -> BillingRecord:
    """Return a counter's record as if it were billed by one.

    Args:
        record: The counter, what is reserved of it, and what is not to be billed.
        letters: Of this counter.
    """
    parked, cancelled = 0, 0
    for letter in letters:
        if letter.state in _PARKED:
            parked += letter.units
        elif letter.state is EventState.CANCELLED:
            cancelled += letter.units
    offset = record.offset - cancelled
    billable = (record.used or 0) + offset - record.reserved
    reported = billable - queued.waiting - parked
    return replace(record, offset=offset, parked=parked, reported=reported)


def _is_of(event: QueuedEvent, record: BillingRecord) -> bool:
    counter = record.counter
    names = (event.tenant, event.resource, event.period)
    return names == (counter.tenant, counter.resource, counter.period)


def _total(events: Iterable[QueuedEvent]) -> int:
    return sum(each.units for each in events)
