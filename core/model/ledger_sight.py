"""What Redis says of meter events beside the delivery log, at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from meterdeck.core.model.delivery import EventState, Letter
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.ledger import (
    EventFilter,
    LedgerEvent,
    event_of_letter,
    event_of_line,
)
from meterdeck.core.model.usage import CounterId


class LedgerSight:
    """Says what the event of a line is by now, and which events have no line.

    Args:
        waiting: Events that are queued or in flight.
        letters: Events that wait for somebody, or were cancelled.
        confirmed: Of counters, the number of the newest event that a summary of
            Stripe's has confirmed.
    """

    def __init__(
        self,
        waiting: Iterable[LedgerEvent] = (),
        letters: Iterable[Letter] = (),
        confirmed: Mapping[CounterId, int] | None = None,
    ) -> None:
        self.waiting = {event.key: event for event in waiting}
        self.letters = {
            (letter.tenant, letter.event.identifier): letter for letter in letters
        }
        self.confirmed = dict(confirmed or {})

    def event_of(self, line: LoggedEvent) -> LedgerEvent:
        """Return the event of a line as it stands."""
        told = event_of_line(line)
        if letter := self.letters.get(told.key):
            return event_of_letter(letter, line)
        if waiting := self.waiting.get(told.key):
            return LedgerEvent(line, waiting.state, waiting.at)
        if told.state is EventState.ACCEPTED and self._is_confirmed(line):
            return replace(told, state=EventState.CONFIRMED)
        return told

    def apart(self, wanted: EventFilter) -> Iterator[LedgerEvent]:
        """Yield the wanted events that wait or have a letter, without their lines."""
        letters = (event_of_letter(letter) for letter in self.letters.values())
        for event in (*self.waiting.values(), *letters):
            if wanted.takes(event):
                yield event

    def _is_confirmed(self, line: LoggedEvent) -> bool:
        if not line.sequence or not line.period:
            return False
        counter = CounterId(line.tenant, line.resource, line.period)
        return self.confirmed.get(counter, 0) >= line.sequence


def newest_events(
    sight: LedgerSight, lines: Iterable[LoggedEvent], wanted: EventFilter, count: int
) -> list[LedgerEvent]:
    """Return the `count` wanted events that changed last, newest first; each once.

    Args:
        lines: Of the delivery log, newest first.
    """
    apart = {event.key: event for event in sight.apart(wanted)}
    found: dict[tuple[str, str], LedgerEvent] = {}
    seen: set[tuple[str, str]] = set()
    for line in lines:
        event = sight.event_of(line)
        if event.key in seen:
            continue
        seen.add(event.key)
        apart.pop(event.key, None)
        if wanted.takes(event):
            found[event.key] = event
    events = sorted((*found.values(), *apart.values()), key=_place, reverse=True)
    return events[:count]


def _place(event: LedgerEvent) -> tuple[object, ...]:
    milliseconds, _, number = event.line.id.partition("-")
    return event.at, int(milliseconds or 0), int(number or 0)
