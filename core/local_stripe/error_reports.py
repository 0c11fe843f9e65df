"""Late errors: ten-second windows of events that were accepted and then dropped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from meterdeck.core.local_stripe.ids import Ids
from meterdeck.core.local_stripe.wire import Json, rfc3339

WINDOW_S = 10
# The documented examples were created 2.0–2.2 s after their window closed.
REPORTED_AFTER = timedelta(seconds=2)
_SAMPLES = 5
_REPORTS_KEPT = 10_000


@dataclass(slots=True)
class _Window:
    start: datetime
    # (meter id or None, error code) -> count and first samples
    errors: dict[tuple[str | None, str], list[tuple[str, str]]] = field(
        default_factory=dict
    )
    counts: dict[tuple[str | None, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ThinEvent:
    """A v2 event: pushed without `data`, fetched with it."""

    id: str
    created: datetime
    type: str
    meter: str | None
    data: Json

    def render(self) -> Json:
        """Give the event as `/v2/core/events/{id}` answers it."""
        related: Json = {}
        if self.meter is not None:
            url = f"/v1/billing/meters/{self.meter}"
            related = {"id": self.meter, "type": "billing.meter", "url": url}
        return {
            "id": self.id,
            "object": "v2.core.event",
            "context": None,
            "created": rfc3339(self.created),
            "data": self.data,
            "livemode": False,
            "reason": None,
            "related_object": related,
            "type": self.type,
        }


class ErrorReports:
    """Collect late errors and turn each closed window into thin events.

    `emitted` is told of each event's id, type and time.
    """

    def __init__(self, ids: Ids, emitted: Callable[[str, str, datetime], None]) -> None:
        self._ids = ids
        self._emitted = emitted
        self._open: deque[_Window] = deque()
        self._events: dict[str, ThinEvent] = {}

    def record(
        self, at: datetime, meter: str | None, code: str, message: str, key: str
    ) -> None:
        """Note one dropped event; `key` is its request's idempotency key."""
        window = self._window_at(at)
        which = (meter, code)
        window.counts[which] = window.counts.get(which, 0) + 1
        samples = window.errors.setdefault(which, [])
        if len(samples) < _SAMPLES:
            samples.append((message, key))

    def published(self, now: datetime) -> list[ThinEvent]:
        """Give the events of all windows reported by now, oldest first."""
        self.publish_due(now)
        return list(self._events.values())

    def publish_due(self, now: datetime) -> None:
        """Report the windows whose time has come."""
        reported = timedelta(seconds=WINDOW_S) + REPORTED_AFTER
        while self._open and self._open[0].start + reported <= now:
            self._publish(self._open.popleft(), now)

    def settle(self, now: datetime) -> int:
        """Report what is waiting for its window to close; return how many events."""
        before = len(self._events)
        while self._open:
            self._publish(self._open.popleft(), now)
        return len(self._events) - before

    def find(self, event_id: str, now: datetime) -> ThinEvent | None:
        """Give one event, None when there is none yet."""
        self.publish_due(now)
        return self._events.get(event_id)

    def _window_at(self, at: datetime) -> _Window:
        start = int(at.timestamp()) // WINDOW_S * WINDOW_S
        opened = datetime.fromtimestamp(start, UTC)
        if not self._open or self._open[-1].start < opened:
            self._open.append(_Window(opened))
        return self._open[-1]

    def _publish(self, window: _Window, now: datetime) -> None:
        closed = window.start + timedelta(seconds=WINDOW_S)
        created = min(closed + REPORTED_AFTER, now)
        for meter in dict.fromkeys(meter for meter, _ in window.counts):
            kind = "no_meter_found" if meter is None else "error_report_triggered"
            event = ThinEvent(
                id=self._ids.v2_event(),
                created=created,
                type=f"v1.billing.meter.{kind}",
                meter=meter,
                data=_data(window, meter, closed),
            )
            self._events[event.id] = event
            self._emitted(event.id, event.type, event.created)
        while len(self._events) > _REPORTS_KEPT:
            del self._events[next(iter(self._events))]


def _data(window: _Window, meter: str | None, closed: datetime) -> Json:
    types: list[Json] = []
    for (owner, code), count in window.counts.items():
        if owner != meter:
            continue
        samples = [
            {"error_message": message, "request": {"identifier": key}}
            for message, key in window.errors[owner, code]
        ]
        types.append({"code": code, "error_count": count, "sample_errors": samples})
    counts = [n for (owner, _), n in window.counts.items() if owner == meter]
    total = sum(counts)
    noun = "is 1 invalid event" if total == 1 else f"are {total} invalid events"
    return {
        "developer_message_summary": f"There {noun}",
        "reason": {"error_count": total, "error_types": types},
        "validation_start": rfc3339(window.start),
        "validation_end": rfc3339(closed),
    }
