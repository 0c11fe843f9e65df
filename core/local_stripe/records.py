"""What the account holds: one frozen record a Stripe object, replaced on change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from meterdeck.core.local_stripe.wire import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A billing meter; only its name and its status ever change."""

    id: str
    created: datetime
    updated: datetime
    display_name: str
    event_name: str
    formula: str
    customer_key: str
    value_key: str
    event_time_window: str | None
    deactivated_at: datetime | None = None

    @property
    def active(self) -> bool:
        """Tell whether it takes events."""
        return self.deactivated_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What is sold."""

    id: str
    created: datetime
    updated: datetime
    name: str
    active: bool = True
    default_price: str | None = None
    description: str | None = None
    images: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    shippable: bool | None = None
    statement_descriptor: str | None = None
    tax_code: str | None = None
    type: str = "service"
    unit_label: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """An exact amount in cents; None where no amount was given."""

    cents: Decimal | None

    @property
    def whole(self) -> int | None:
        """Give whole cents, None for a fraction of a cent."""
        if self.cents is None or self.cents != self.cents.to_integral_value():
            return None
        return int(self.cents)

    @property
    def exact(self) -> str | None:
        """Give the plain decimal text without trailing zeros."""
        if self.cents is None:
            return None
        text = f"{self.cents:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a tiered price; `up_to` None is the last."""

    up_to: int | None
    unit: Amount
    flat: Amount


@dataclass(frozen=True, slots=True)
class Recurring:
    """How often a price is billed, and by which meter."""

    interval: str
    interval_count: int
    usage_type: str
    meter: str | None
    trial_period_days: int | None = None

    @property
    def metered(self) -> bool:
        """Tell whether usage, not a quantity, is billed."""
        return self.usage_type == "metered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a unit, or a tier of units, costs."""

    id: str
    created: datetime
    product: str
    currency: str
    unit: Amount
    active: bool = True
    recurring: Recurring | None = None
    tiers: tuple[Tier, ...] = ()
    tiers_mode: str | None = None
    divide_by: int | None = None
    round_to: str | None = None
    lookup_key: str | None = None
    nickname: str | None = None
    tax_behavior: str = "unspecified"
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who pays; a deleted one stays to be answered as deleted."""

    id: str
    created: datetime
    invoice_prefix: str
    name: str | None = None
    email: str | None = None
    description: str | None = None
    phone: str | None = None
    balance: int = 0
    currency: str | None = None
    tax_exempt: str = "none"
    address: Json | None = None
    shipping: Json | None = None
    preferred_locales: tuple[str, ...] = ()
    next_invoice: int = 1
    business_name: str | None = None
    individual_name: str | None = None
    invoice_settings: Json | None = None
    test_clock: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One price of a subscription, with the period it is in.

    Attributes:
        usage_from: Since when usage is billed at this price, where that is not the
            period's start.
    """

    id: str
    created: datetime
    price: str
    quantity: int | None
    period_start: datetime
    period_end: datetime
    usage_from: datetime | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """One subscription item over one period.

    Attributes:
        quantity: What was ordered; None bills the period's usage, whatever it comes to.
        free: Whether the period is a trial: a line, but no amount.
    """

    item: str
    price: str
    quantity: int | None
    start: datetime
    end: datetime
    free: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A customer's prices and where they are in their billing cycle.

    Attributes:
        unbilled: Usage of items that were removed or changed their price; the next
            invoice bills it.
    """

    id: str
    created: datetime
    customer: str
    status: str
    currency: str
    anchor: datetime
    start_date: datetime
    items: tuple[Item, ...]
    billing_mode: str = "flexible"
    cancel_at: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    cancel_comment: str | None = None
    cancel_feedback: str | None = None
    cancel_reason: str | None = None
    ended_at: datetime | None = None
    collection_method: str = "charge_automatically"
    days_until_due: int | None = None
    description: str | None = None
    pause_behavior: str | None = None
    resumes_at: datetime | None = None
    trial_start: datetime | None = None
    trial_end: datetime | None = None
    trial_end_behavior: str = "create_invoice"
    latest_invoice: str | None = None
    unbilled: tuple[Billed, ...] = ()
    save_payment_method: str = "off"
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Tell whether it can never bill again."""
        return self.status in {"canceled", "incomplete_expired"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenClock:
    """A test clock: the time of its customers and of all that is theirs.

    Attributes:
        target: Where it is advancing to, until the next request; None when ready.
    """

    id: str
    created: datetime
    deletes_after: datetime
    frozen_time: datetime
    customers: tuple[str, ...] = ()
    name: str | None = None
    target: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A snapshot of an object at a change; the JSON is kept as text."""

    id: str
    created: datetime
    type: str
    data: str
    request_id: str | None
    idempotency_key: str | None
