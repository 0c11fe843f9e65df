"""Snapshot events: what changed, as `/v1/events` lists it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from meterdeck.core.local_stripe.collection import Collection
from meterdeck.core.local_stripe.ids import Ids
from meterdeck.core.local_stripe.records import Event
from meterdeck.core.local_stripe.wire import Json

# Stripe keeps 30 days; the sandbox keeps this many, the newest.
EVENTS_KEPT = 20_000


class EventLog:
    """Remember the newest events of the account; `emitted` is told of each."""

    def __init__(
        self,
        ids: Ids,
        now: Callable[[], datetime],
        emitted: Callable[[Event], None],
    ) -> None:
        self.kept = Collection[Event]("event")
        self._ids = ids
        self._now = now
        self._emitted = emitted
        self._oldest_first: list[str] = []
        # Who asked for the change being made; set for the time of one request.
        self.request: tuple[str, str | None] | None = None

    def restored(self) -> None:
        """Go on after what is kept was put in."""
        self._oldest_first = [event.id for event in self.kept]

    def emit(
        self,
        event_type: str,
        snapshot: Json,
        previous: Json | None = None,
        at: datetime | None = None,
    ) -> None:
        """Record that `snapshot` changed; `previous` is the object before."""
        data: Json = {"object": snapshot}
        if previous is not None:
            changed = _previous_attributes(previous, snapshot)
            if not changed:
                return
            data["previous_attributes"] = changed
        created = at or self._now()
        request_id, key = self.request or (None, None)
        event = Event(
            id=self._ids.dated("evt", created),
            created=created,
            type=event_type,
            data=json.dumps(data),
            request_id=request_id,
            idempotency_key=key,
        )
        self.kept.put(event)
        self._oldest_first.append(event.id)
        self._emitted(event)
        if len(self._oldest_first) > 2 * EVENTS_KEPT:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        keep = Collection[Event]("event")
        self._oldest_first = self._oldest_first[-EVENTS_KEPT:]
        for event_id in self._oldest_first:
            keep.put(self.kept.get(event_id))
        self.kept = keep


def _previous_attributes(before: Json, after: Json) -> Json:
    """Give the old values of what differs, groups cut down to their changed keys."""
    changed: Json = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict) and "object" not in old:
            changed[key] = _previous_attributes(old, new)
        else:
            changed[key] = old
    return changed
