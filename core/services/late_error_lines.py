"""Pins Stripe's late error reports to the events that they are about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meterdeck.core.model.event_life import EventState
from meterdeck.core.model.events import EventSource, LoggedEvent
from meterdeck.core.model.late_errors import ErrorReport, LateError, LateErrorKind

_KEY = re.compile(r"(?P<identifier>.+)\.[0-9a-f]{8}")
_SENT_BY_US = (EventSource.WORKER, EventSource.QUEUE)
# A line is written a moment after Stripe received the event, by another clock.
_EARLY, _LATE = timedelta(seconds=5), timedelta(seconds=60)
NO_CUSTOMER = "meter_event_customer_not_found"


@dataclass(frozen=True, slots=True)
class Pin:
    """An event that a report is about."""

    line: LoggedEvent
    code: str
    message: str


@dataclass(slots=True)
class Pinned:
    """What was found of a report.

    Attributes:
        rest: Kinds of errors with how many events of theirs were not found.
    """

    pins: dict[str, Pin] = field(default_factory=dict)
    rest: dict[LateErrorKind, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Events that were not counted, and are not found."""
        return sum(self.rest.values())


class LateErrorLines:
    """Accepted events of a stretch of the delivery log, found by what reports say."""

    def __init__(self, lines: Iterable[LoggedEvent]) -> None:
        self._by_identifier: dict[str, LoggedEvent] = {}
        self._by_key: dict[str, dict[str, LoggedEvent]] = {}
        for line in lines:
            if line.life is not EventState.ACCEPTED or line.source not in _SENT_BY_US:
                continue
            identifier = line.event.identifier
            self._by_identifier.setdefault(identifier, line)
            keys = (line.idempotency_key, *(x.idempotency_key for x in line.earlier))
            for key in filter(None, keys):
                self._by_key.setdefault(key, {})[identifier] = line

    def pin(self, report: ErrorReport) -> Pinned:
        """Find the events that samples name, by the keys of their requests."""
        pinned = Pinned()
        for kind in report.kinds:
            found = 0
            for sample in kind.samples:
                line = self._line_of(sample, pinned.pins)
                if line is not None:
                    identifier = line.event.identifier
                    pinned.pins[identifier] = Pin(line, kind.code, sample.message)
                    found += 1
            if kind.count > found:
                pinned.rest[kind] = kind.count - found
        return pinned

    def candidates(
        self, report: ErrorReport, pinned: Pinned, event_names: frozenset[str] | None
    ) -> tuple[LoggedEvent, ...]:
        """Return events that may be meant, too: sent then, to that meter.

        Args:
            event_names: Of the meter; None: of no meter that is known.
        """
        if report.start is None or report.end is None:
            return ()
        return tuple(
            line
            for identifier, line in self._by_identifier.items()
            if identifier not in pinned.pins
            and _within(line, report.start, report.end)
            and (event_names is None or line.event.event_name in event_names)
        )

    def _line_of(
        self, sample: LateError, pins: Mapping[str, Pin]
    ) -> LoggedEvent | None:
        match = _KEY.fullmatch(sample.idempotency_key)
        if match and (line := self._by_identifier.get(match["identifier"])):
            return line
        # The key of a batch: whom the message names tells which of its events.
        of_batch = self._by_key.get(sample.idempotency_key, {})
        free = [line for name, line in of_batch.items() if name not in pins]
        named = [
            x for x in free if x.event.customer and x.event.customer in sample.message
        ]
        if named and len({x.event.customer for x in named}) == 1:
            return named[0]
        return free[0] if len(free) == 1 else None


def share(
    pinned: Pinned, candidates: Sequence[LoggedEvent], lost: Callable[[str], bool]
) -> None:
    """Pin candidates to what is not found yet, where it is certain that they are meant.

    Args:
        lost: Whether Stripe has no such customer.
    """
    free = [line for line in candidates if line.event.identifier not in pinned.pins]
    for kind in list(pinned.rest):
        if kind.code == NO_CUSTOMER:
            sure = [line for line in free if lost(line.event.customer)]
        elif len(pinned.rest) == 1 and len(free) == pinned.rest[kind]:
            sure = free
        else:
            sure = []
        for line in sure[: pinned.rest[kind]]:
            message = kind.samples[0].message if kind.samples else ""
            if kind.code == NO_CUSTOMER:
                message = f"Customer {line.event.customer} not found."
            pinned.pins[line.event.identifier] = Pin(line, kind.code, message)
            free.remove(line)
            pinned.rest[kind] -= 1
        if not pinned.rest[kind]:
            del pinned.rest[kind]


def _within(line: LoggedEvent, start: datetime, end: datetime) -> bool:
    return start - _EARLY <= line.at < end + _LATE
