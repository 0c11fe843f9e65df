"""What a worker says of itself with each sign of life."""

from __future__ import annotations

from dataclasses import dataclass

from meterdeck.core.adapters.redis_client import to_milliseconds
from meterdeck.core.model.contract import OURS
from meterdeck.core.model.delivery import Attempt
from meterdeck.core.services.sync.counter_flow import CounterFlow
from meterdeck.core.services.sync.duties import Duties
from meterdeck.core.services.sync.equipment import Equipment
from meterdeck.core.services.sync.queue_flow import QueueFlow

_NOTICED_S = 2.0
"""What was noticed so long ago and is still due is unsent, not only looked at."""
_LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """Gathers them from a worker's parts; asks no server."""

    own: Equipment
    counters: CounterFlow
    queued: QueueFlow
    duties: Duties

    def form(self, since: int | None, tenants: int) -> dict[str, object]:
        """Return them as plain values, for JSON.

        Args:
            since: When the worker began, in ms since 1970.
            tenants: How many are its own.
        """
        own, found = self.own, self.duties.found
        tallies = (self.counters.tally, self.queued.tally)
        unsent, oldest_s = self._unsent()
        return {
            "contract": OURS,
            "since": since,
            "tenants": tenants,
            "delivered": sum(each.delivered for each in tallies),
            "dead": sum(each.dead for each in tallies),
            "ambiguous": sum(each.ambiguous for each in tallies),
            "due": len(self.counters.due),
            "unbilled": self.counters.unbilled,
            "on_the_way": self.counters.on_the_way + self.queued.on_the_way,
            "unsent": unsent,
            "oldest_unsent_s": oldest_s,
            **self._pulse(),
            "stopped": own.sender.stopped is not None,
            "closing": found.closing,
            "refused_late": found.refused_late,
            "queue_length": found.queue_length,
            "letters": found.letters,
        }

    def _unsent(self) -> tuple[int, float]:
        """Return how many counters of this worker's wait, and the oldest's seconds.

        The oldest may be an event of the queue.
        """
        now = self.own.now().timestamp()
        before, mine = now - _NOTICED_S, self.own.share.is_mine
        waiting = (
            self.counters.due.waiting(lambda counter: mine(counter.tenant), before),
            self.counters.flying.waiting(before),
        )
        queued_s = self.duties.found.queue_oldest_s
        ages = [now - since for _, since in waiting if since is not None]
        ages += [queued_s] if queued_s > _NOTICED_S else []
        return sum(count for count, _ in waiting), round(max(ages, default=0.0), 1)

    def _pulse(self) -> dict[str, object]:
        own = self.own
        latency_ms, trouble = own.vitals.latency_ms, own.sender.trouble
        return {
            "per_minute": own.vitals.per_minute,
            "lag_s": round(own.vitals.lag_s, 1),
            "latency_ms": None if latency_ms is None else round(latency_ms, 1),
            "rate": round(own.sender.pace.rate),
            "most_rate": own.most_rate,
            "slowed": own.sender.pace.epoch,
            "trouble": None if trouble is None else _trouble(trouble),
        }


def _trouble(attempt: Attempt) -> dict[str, object]:
    return {
        "at": to_milliseconds(attempt.at),
        "words": (attempt.message or attempt.answer.value)[:_LONGEST_WORDS],
        "status": attempt.status,
        "code": attempt.code,
        "request_id": attempt.request_id,
    }
