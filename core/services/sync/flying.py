"""Counters with an event on its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meterdeck.core.model.usage import CounterId


@dataclass(slots=True)
class _Flight:
    since: float
    noticed: bool = False


class FlyingCounters:
    """Since when each waits, and whether it was noticed again meanwhile.

    While Stripe is away an event is on its way for almost all of the time: what it
    carries is unsent until it has landed.
    """

    def __init__(self) -> None:
        self._flights: dict[CounterId, _Flight] = {}

    def __contains__(self, counter: CounterId) -> bool:
        return counter in self._flights

    def begin(self, taken: Mapping[CounterId, float]) -> None:
        """Take counters for flying, each with its `since` as of `DueCounters.put`."""
        for counter, since in taken.items():
            self._flights[counter] = _Flight(since)

    def notice(self, counter: CounterId) -> None:
        """Note that a flying counter is to be looked at again when it has landed."""
        self._flights[counter].noticed = True

    def landed(self, counter: CounterId) -> bool:
        """Take a counter for one without an event on its way.

        Returns whether it was noticed meanwhile.
        """
        flight = self._flights.pop(counter, None)
        return flight is not None and flight.noticed

    def waiting(self, before: float) -> tuple[int, float | None]:
        """Return how many wait since before a moment, and since when."""
        found = [x.since for x in self._flights.values() if x.since <= before]
        return len(found), min(found, default=None)
