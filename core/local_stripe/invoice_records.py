"""Invoices: what they bill, and once final their lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from meterdeck.core.local_stripe.records import Billed, Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedCredit:
    """What of a line a credit grant pays; a preview has no transaction yet."""

    amount: int
    transaction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an invoice; amounts in whole smallest units."""

    id: str
    billed: Billed
    product: str
    description: str
    quantity: Decimal
    unit: Decimal
    amount: int
    credits: tuple[AppliedCredit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """What a customer owes for a subscription's periods.

    Attributes:
        subscription: Empty in the preview of a new one.
        billed: What a draft reckons its lines from, anew each time it is read.
        lines: Set when it becomes final.
        billed_to: The customer as it was when the invoice became final.
        finalizes_at: When a draft becomes final by itself; None: never.
    """

    id: str
    created: datetime
    customer: str
    subscription: str
    currency: str
    billing_reason: str
    collection_method: str
    period_start: datetime
    period_end: datetime
    billed: tuple[Billed, ...]
    lines: tuple[Line, ...] = ()
    status: str = "draft"
    auto_advance: bool = True
    finalizes_at: datetime | None = None
    number: str | None = None
    billed_to: Customer | None = None
    description: str | None = None
    days_until_due: int | None = None
    starting_balance: int = 0
    finalized_at: datetime | None = None
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    uncollectible_at: datetime | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    subscription_metadata: dict[str, str] = field(default_factory=dict)
