"""Late errors: ten-second windows of events that were accepted and then dropped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from meterdeck.core.local_stripe.collection import Collection
from meterdeck.core.local_stripe.ids import Ids
from meterdeck.core.local_stripe.wire import Json, rfc3339

WINDOW_S = 10
# The documented examples were created 2.0–2.2 s after their window closed.
REPORTED_AFTER = timedelta(seconds=2)
_SAMPLES = 5
_REPORTS_KEPT = 10_000


@dataclass(slots=True)
class _Dropped:
    """Events of one meter that were dropped for one reason; samples are the first."""

    meter: str | None
    code: str
    count: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Window:
    start: datetime
    dropped: list[_Dropped] = field(default_factory=list)

    def of(self, meter: str | None, code: str) -> _Dropped:
        """Give what was dropped for a reason, nothing so far for a new one."""
        for each in self.dropped:
            if (each.meter, each.code) == (meter, code):
                return each
        self.dropped.append(_Dropped(meter, code))
        return self.dropped[-1]


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
        self._events = Collection[ThinEvent]("event")

    def record(
        self, at: datetime, meter: str | None, code: str, message: str, key: str
    ) -> None:
        """Note one dropped event; `key` is its request's idempotency key."""
        dropped = self._window_at(at).of(meter, code)
        dropped.count += 1
        if len(dropped.samples) < _SAMPLES:
            dropped.samples.append((message, key))

    def published(self, now: datetime) -> list[ThinEvent]:
        """Give the events of all windows reported by now, oldest first."""
        self.publish_due(now)
        return list(self._events)

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
        return self._events.find(event_id)

    def _window_at(self, at: datetime) -> _Window:
        start = int(at.timestamp()) // WINDOW_S * WINDOW_S
        opened = datetime.fromtimestamp(start, UTC)
        if not self._open or self._open[-1].start < opened:
            self._open.append(_Window(opened))
        return self._open[-1]

    def _publish(self, window: _Window, now: datetime) -> None:
        closed = window.start + timedelta(seconds=WINDOW_S)
        created = min(closed + REPORTED_AFTER, now)
        for meter in dict.fromkeys(each.meter for each in window.dropped):
            kind = "no_meter_found" if meter is None else "error_report_triggered"
            event = ThinEvent(
                id=self._ids.v2_event(),
                created=created,
                type=f"v1.billing.meter.{kind}",
                meter=meter,
                data=_data(window, meter, closed),
            )
            self._events.put(event)
            self._emitted(event.id, event.type, event.created)
        while len(self._events) > _REPORTS_KEPT:
            self._events.drop(next(iter(self._events)).id)


def _data(window: _Window, meter: str | None, closed: datetime) -> Json:
    types: list[Json] = []
    mine = [each for each in window.dropped if each.meter == meter]
    for each in mine:
        samples = [
            {"error_message": message, "request": {"identifier": key}}
            for message, key in each.samples
        ]
        types.append(
            {
                "code": each.code,
                "error_count": each.count,
                "sample_errors": samples,
            }
        )
    total = sum(each.count for each in mine)
    noun = "is 1 invalid event" if total == 1 else f"are {total} invalid events"
    return {
        "developer_message_summary": f"There {noun}",
        "reason": {"error_count": total, "error_types": types},
        "validation_start": rfc3339(window.start),
        "validation_end": rfc3339(closed),
    }
