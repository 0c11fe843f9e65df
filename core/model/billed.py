"""What Stripe bills a customer for: a subscription's prices, and an invoice to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from meterdeck.core.model.prices import PriceInfo
from meterdeck.core.model.usage import TenantStatus


@dataclass(frozen=True, slots=True)
class BilledItem:
    """One price of a subscription, in the period that is running.

    Attributes:
        id: Stripe's; empty of an item that is only imagined.
        quantity: Of a price without meter; what a meter counts has none.
        product: The product's name; empty where it is not known.
    """

    id: str
    price: PriceInfo
    quantity: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    product: str = ""


@dataclass(frozen=True, slots=True)
class LatestInvoice:
    """A subscription's newest invoice, and what became of it.

    Attributes:
        status: Stripe's word: draft, open, paid, uncollectible or void.
        due: Not paid yet, in the smallest unit.
        attempts: How often Stripe tried to have it paid.
        next_attempt: When it tries again; None: not by itself.
    """

    id: str
    status: str
    due: int
    currency: str
    attempts: int = 0
    next_attempt: datetime | None = None

    @property
    def unpaid(self) -> bool:
        """Whether somebody has to see to its payment."""
        return self.status in ("open", "uncollectible") and self.due > 0


@dataclass(frozen=True, slots=True)
class BilledSubscription:
    """A subscription with its prices and what they cost.

    Attributes:
        discounted: Whether coupons lower its invoices.
        trial_end: None where it is on no trial.
        created: When it was made.
        cancel_at: When it ends; None: it goes on.
        canceled_at: When somebody asked for its end.
        by_invoice: Whether the customer is sent invoices; else charged by itself.
        invoice: The newest one; None where there is none.
        pause: What becomes of its invoices while collection is paused, in Stripe's
            word: void, keep_as_draft or mark_uncollectible. Empty: it is not paused.
        resumes_at: When that ends; None: not by itself.
    """

    id: str
    customer_id: str
    status: TenantStatus
    currency: str
    items: tuple[BilledItem, ...]
    discounted: bool = False
    trial_end: datetime | None = None
    created: datetime | None = None
    cancel_at: datetime | None = None
    canceled_at: datetime | None = None
    by_invoice: bool = False
    invoice: LatestInvoice | None = None
    pause: str = ""
    resumes_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether it is over for good."""
        return self.status in (TenantStatus.CANCELED, TenantStatus.INCOMPLETE_EXPIRED)


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """A line of an invoice; `amount` in the smallest unit, before tax and credits."""

    price_id: str
    amount: int
    quantity: Decimal | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class InvoicePreview:
    """The invoice that Stripe would write now, as it answers `create_preview`.

    Attributes:
        subtotal: All lines, in the smallest unit.
        total: After discounts, and with tax.
        due: After credits and what the customer's balance holds.
    """

    currency: str
    subtotal: int
    total: int
    due: int
    lines: tuple[PreviewLine, ...]

    @property
    def by_price(self) -> Mapping[str, int]:
        """What each price comes to, by its id."""
        found: dict[str, int] = {}
        for line in self.lines:
            found[line.price_id] = found.get(line.price_id, 0) + line.amount
        return found
