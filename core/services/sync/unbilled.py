"""Counters that are not billed before somebody mends something."""

from __future__ import annotations

from collections import Counter

from meterdeck.core.model.delivery import NoClaim, NotClaimed
from meterdeck.core.model.usage import CounterId
from meterdeck.core.services.sync import journal
from meterdeck.core.services.sync.billable import NotBilled

_MOST_REMEMBERED = 10_000
_MOST_NAMED = 20  # in the journal, of those that are left for one reason


class Unbilled:
    """Remembers counters whose units go nowhere; each is written down once.

    Args:
        left: Counts them by why.
    """

    def __init__(self, left: Counter[str]) -> None:
        self._left = left
        self._why: dict[CounterId, NotBilled | NotClaimed] = {}

    def __len__(self) -> int:
        return len(self._why)

    def claimed(self, counter: CounterId) -> None:
        """Forget a counter: its units go to Stripe."""
        self._why.pop(counter, None)

    def billable(self, counter: CounterId) -> None:
        """Forget what kept a counter from being asked for."""
        if isinstance(self._why.get(counter), NotBilled):
            del self._why[counter]

    def not_billable(self, counter: CounterId, why: NotBilled) -> None:
        """Write down that a counter can't be asked for, where that is a fault."""
        if not why.a_fault or self._why.get(counter) is why:
            return
        self._remember(counter, why)
        if self._left[why.value] <= _MOST_NAMED:
            journal.warning(
                "counter_not_billed",
                why=why.value,
                tenant=counter.tenant,
                resource=counter.resource,
                period=counter.period,
            )

    def not_claimable(self, answer: NoClaim) -> None:
        """Write down what somebody has to look at."""
        counter, why = answer.counter, answer.why
        if counter in self._why:
            return
        self._remember(counter, why)
        journal.warning(
            f"counter_{why}",
            tenant=counter.tenant,
            resource=counter.resource,
            period=counter.period,
            units=answer.units,
            holds=answer.message,
        )

    def _remember(self, counter: CounterId, why: NotBilled | NotClaimed) -> None:
        if len(self._why) < _MOST_REMEMBERED:
            self._why[counter] = why
        self._left[why.value] += 1
