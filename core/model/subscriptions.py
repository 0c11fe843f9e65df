"""Stripe's objects as meterdeck needs them: typed, without the SDK's classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from meterdeck.core.model.events import EventOutcome
from meterdeck.core.model.usage import TenantStatus

_BEST_FIRST = (
    TenantStatus.ACTIVE,
    TenantStatus.TRIALING,
    TenantStatus.PAST_DUE,
    TenantStatus.UNPAID,
    TenantStatus.PAUSED,
    TenantStatus.INCOMPLETE,
    TenantStatus.CANCELED,
    TenantStatus.INCOMPLETE_EXPIRED,
)
_RANK = {status: rank for rank, status in enumerate(reversed(_BEST_FIRST), start=1)}


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer; of a deleted one only the id is left."""

    id: str
    name: str = ""
    email: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class SubscriptionItem:
    """One price of a subscription, with the period Stripe is in.

    Attributes:
        lookup_key: The one that a replaced price had, where it has none any more.
        meter_id: The meter a metered price is on, empty for others.
        usage_type: "metered" or "licensed".
        interval: Stripe's word, such as "month"; empty where the price has none.
    """

    price_id: str
    lookup_key: str = ""
    product_id: str = ""
    meter_id: str = ""
    usage_type: str = ""
    interval: str = ""
    interval_count: int = 1
    period_start: datetime | None = None
    period_end: datetime | None = None

    @property
    def metered(self) -> bool:
        """Whether it is billed by what a meter counts."""
        return self.usage_type == "metered"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription; `status` is Stripe's, UNKNOWN for a word not known here."""

    id: str
    customer_id: str
    status: TenantStatus
    items: tuple[SubscriptionItem, ...] = ()
    billing_cycle_anchor: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether it is over for good and entitles to nothing any more."""
        over = (TenantStatus.CANCELED, TenantStatus.INCOMPLETE_EXPIRED)
        return self.status in over


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """Something that happened in Stripe; `customer_id` is whom it is about."""

    id: str
    type: str
    created: datetime | None
    object_id: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class MeterInfo:
    """A meter as Stripe has it; `formula` is sum, count or last.

    Attributes:
        event_time_window: "hour" or "day" where only the last value of each counts.
    """

    id: str
    event_name: str
    display_name: str
    formula: str
    active: bool
    customer_key: str = "stripe_customer_id"
    value_key: str = "value"
    event_time_window: str = ""
    created: datetime | None = None
    deactivated_at: datetime | None = None

    @property
    def adds_up(self) -> bool:
        """Whether its total is the sum of all its events."""
        return self.formula == "sum" and not self.event_time_window


@dataclass(frozen=True, slots=True)
class MeterSummary:
    """What Stripe has counted of a customer on a meter, from a moment on."""

    start: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one meter event that was sent, in Stripe's own words.

    Attributes:
        message: Stripe's text, or ours when the answer was lost; empty if accepted.
        latency_ms: From sending to the answer, in milliseconds.
    """

    outcome: EventOutcome
    message: str = ""
    request_id: str = ""
    latency_ms: int = 0


def status_rank(status: TenantStatus) -> int:
    """Return how good a status is: active is highest, no subscription is 0."""
    return _RANK.get(status, 0)


def best_subscription(subscriptions: Iterable[Subscription]) -> Subscription | None:
    """Return the one that speaks for its customer: best status, newest on a tie."""
    return max(subscriptions, key=_standing, default=None)


def _standing(subscription: Subscription) -> tuple[int, float, str]:
    created = subscription.created
    age = created.timestamp() if created else 0.0
    return status_rank(subscription.status), age, subscription.id
