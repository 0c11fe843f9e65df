"""Which event goes where: planned when it happens, tried until it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Protocol, TypeVar

from meterdeck.core.local_stripe import thin_twins
from meterdeck.core.local_stripe.collection import Collection, Record
from meterdeck.core.local_stripe.ids import Ids
from meterdeck.core.local_stripe.push_records import (
    Delivery,
    EventDestination,
    ThinTwin,
    WebhookEndpoint,
)
from meterdeck.core.local_stripe.records import Event

# Stripe tries for three days, in a sandbox three times within hours; nobody who
# develops waits for that.
RETRY_AFTER_S = (1.0, 5.0, 30.0, 120.0, 600.0)
_KEPT = 40_000


T = TypeVar("T", bound=Record)


class Pushed(Protocol):
    """What of the account the outbox works on."""

    ids: Ids
    webhook_endpoints: Collection[WebhookEndpoint]
    event_destinations: Collection[EventDestination]
    thin_twins: Collection[ThinTwin]
    deliveries: Collection[Delivery]

    def now(self) -> datetime:
        """Give the account's time."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a push goes, and with which secret it is signed."""

    id: str
    url: str
    secret: str


class Outbox:
    """Plan deliveries and tell which are due.

    `on_planned` is called when there is something new to send.
    """

    def __init__(self, world: Pushed) -> None:
        self.retry_after_s: Sequence[float] = RETRY_AFTER_S
        self.on_planned: Callable[[], None] | None = None
        self._world = world
        # By target: when, in which order, which delivery. Rebuilt by `recover`.
        self._due: dict[str, list[tuple[datetime, int, str]]] = {}
        self._sequence = 0

    def plan(self, event: Event) -> None:
        """Plan a snapshot event, and its thin twin, for every URL that wants it."""
        for target_id in self._wanting(event.type):
            self.put(event.id, target_id, event.created)
        thin_type = thin_twins.type_of(event.type)
        if any(self._wanting_thin(thin_type)):
            twin = thin_twins.twin_of(self._world.ids, event)
            self._world.thin_twins.put(twin)
            if len(self._world.thin_twins) > 2 * _KEPT:
                self._world.thin_twins = _newest(self._world.thin_twins)
            self.plan_thin(twin.id, twin.type, twin.created)

    def plan_thin(self, event_id: str, event_type: str, at: datetime) -> None:
        """Plan a thin event for every URL that wants its type."""
        for target_id in self._wanting_thin(event_type):
            self.put(event_id, target_id, at)

    def put(self, event_id: str, target_id: str, at: datetime) -> None:
        """Plan one delivery, due at once, be its event from a test clock's future."""
        at = min(at, self._world.now())
        delivery = Delivery(
            id=f"{event_id}|{target_id}",
            event=event_id,
            target=target_id,
            planned_at=at,
            next_at=at,
        )
        self._world.deliveries.put(delivery)
        self._schedule(delivery)
        if len(self._world.deliveries) > 2 * _KEPT:
            self._world.deliveries = _newest(self._world.deliveries)
        if self.on_planned is not None:
            self.on_planned()

    def recover(self) -> None:
        """Take up what was not delivered when the account was last held."""
        self._due = {}
        for delivery in self._world.deliveries:
            self._schedule(delivery)

    def due_targets(self, now: datetime) -> list[str]:
        """Give the targets that something is due for."""
        return [each for each, due in self._due.items() if due and due[0][0] <= now]

    def take(self, target_id: str, now: datetime, *, newest: bool) -> Delivery | None:
        """Give the oldest delivery due for a target, or the newest; None without one.

        Whoever takes it says how it went.
        """
        due = self._due.get(target_id, [])
        while due and due[0][0] <= now:
            entry = _pop_newest(due, now) if newest else heappop(due)
            delivery = self._world.deliveries.find(entry[2])
            # An entry of a delivery that was forgotten or planned anew is stale.
            if delivery is not None and delivery.next_at == entry[0]:
                return delivery
        return None

    def target_of(self, delivery: Delivery) -> Target | None:
        """Give where a delivery goes; None when it is deleted or disabled."""
        world = self._world
        found = world.webhook_endpoints.find(
            delivery.target
        ) or world.event_destinations.find(delivery.target)
        if found is None or found.disabled:
            return None
        return Target(found.id, found.url, found.secret)

    def delivered(self, delivery: Delivery, now: datetime) -> None:
        """Note that it arrived."""
        self._world.deliveries.put(
            replace(
                delivery,
                attempts=delivery.attempts + 1,
                delivered_at=now,
                next_at=None,
            )
        )

    def failed(self, delivery: Delivery, now: datetime) -> None:
        """Plan the next try, or give up."""
        tries = delivery.attempts + 1
        next_at = None
        if tries <= len(self.retry_after_s):
            next_at = now + timedelta(seconds=self.retry_after_s[tries - 1])
        again = replace(delivery, attempts=tries, next_at=next_at)
        self._world.deliveries.put(again)
        self._schedule(again)

    def forget(self, delivery: Delivery) -> None:
        """Drop a delivery that has nowhere to go."""
        self._world.deliveries.drop(delivery.id)

    def pending(self, event_id: str) -> int:
        """Give to how many URLs an event has not been delivered."""
        return sum(
            each.delivered_at is None
            for each in self._world.deliveries.grouped(event_id)
        )

    def _wanting(self, event_type: str) -> Iterator[str]:
        for endpoint in self._world.webhook_endpoints:
            if not endpoint.disabled and wants(endpoint.enabled_events, event_type):
                yield endpoint.id
        for each in self._world.event_destinations:
            wanted = not each.disabled and not each.thin
            if wanted and wants(each.enabled_events, event_type):
                yield each.id

    def _wanting_thin(self, event_type: str) -> Iterator[str]:
        for each in self._world.event_destinations:
            wanted = not each.disabled and each.thin
            if wanted and wants(each.enabled_events, event_type):
                yield each.id

    def _schedule(self, delivery: Delivery) -> None:
        if delivery.next_at is not None:
            self._sequence += 1
            entry = (delivery.next_at, self._sequence, delivery.id)
            heappush(self._due.setdefault(delivery.target, []), entry)


def _newest(collection: Collection[T]) -> Collection[T]:
    kept = collection.empty()
    for record in list(collection)[-_KEPT:]:
        kept.put(record)
    return kept


def _pop_newest(
    due: list[tuple[datetime, int, str]], now: datetime
) -> tuple[datetime, int, str]:
    entry = max((each for each in due if each[0] <= now), key=lambda each: each[1])
    due.remove(entry)
    heapify(due)
    return entry


def wants(enabled_events: Sequence[str], event_type: str) -> bool:
    """Tell whether a list of event types has one, by name or by `*`."""
    return "*" in enabled_events or event_type in enabled_events
