"""Deliveries of alerts: what is told once, and again until somebody takes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from meterdeck.core.model.alerts import Telling

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 3600.0
JITTER = 0.2
"""Share by which a pause is longer or shorter: not all deliveries come at once."""


class DeliveryState(StrEnum):
    """What became of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    """Given up: nobody took it for as long as the setting says."""


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """One telling of one alert; `body` never changes, and neither does `id`.

    Attributes:
        id: The receiver's idempotency id.
        version: Rises with every attempt.
        next_at: When it is tried next; while it is tried, when another worker may.
        tried_at: The last attempt; None before the first.
        problem: Why the last attempt was none, in words.
    """

    id: str
    alert: str
    telling: Telling
    body: str
    created_at: datetime
    next_at: datetime
    version: int = 1
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    tried_at: datetime | None = None
    problem: str = ""

    @property
    def waits(self) -> bool:
        """Whether it is to be tried (again)."""
        return self.state is DeliveryState.WAITING


def next_in_turn(deliveries: Iterable[AlertDelivery]) -> list[AlertDelivery]:
    """Return, of each alert, the first of its deliveries that waits.

    The others wait for it: that an alert is over is never told before that it fired.

    Args:
        deliveries: The oldest first.
    """
    first: dict[str, AlertDelivery] = {}
    for each in deliveries:
        if each.waits:
            first.setdefault(each.alert, each)
    return list(first.values())


def delivery_id(alert: str, telling: Telling, version: int) -> str:
    """Return the id of a telling: of an alert as it is in one version."""
    return f"{alert}.{telling.value.removeprefix('alert.')}.{version}"


def taken(delivery: AlertDelivery, now: datetime, lease_s: float) -> AlertDelivery:
    """Return the delivery that is being tried: another worker waits for the lease."""
    return replace(
        delivery,
        version=delivery.version + 1,
        attempts=delivery.attempts + 1,
        tried_at=now,
        next_at=now + timedelta(seconds=lease_s),
    )


def delivered(delivery: AlertDelivery) -> AlertDelivery:
    """Return the delivery that was taken by its receiver."""
    return replace(
        delivery,
        version=delivery.version + 1,
        state=DeliveryState.DELIVERED,
        problem="",
    )


def failed(
    delivery: AlertDelivery,
    problem: str,
    now: datetime,
    *,
    give_up: timedelta,
    chance: float,
) -> AlertDelivery:
    """Return the delivery after an attempt that was none: it waits, or is given up.

    Args:
        chance: 0 to 1, for the jitter.
    """
    pause_s = pause_after(delivery.attempts, chance)
    next_at = now + timedelta(seconds=pause_s)
    over = next_at - delivery.created_at > give_up
    return replace(
        delivery,
        version=delivery.version + 1,
        state=DeliveryState.UNDELIVERED if over else DeliveryState.WAITING,
        next_at=next_at,
        problem=problem,
    )


def pause_after(attempts: int, chance: float) -> float:
    """Return the seconds to wait after so many attempts: doubled each time."""
    doubled = FIRST_PAUSE_S * float(1 << min(max(0, attempts - 1), 30))
    return min(doubled, LONGEST_PAUSE_S) * (1 - JITTER + 2 * JITTER * chance)
