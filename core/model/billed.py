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
class BilledSubscription:
    """A subscription with its prices and what they cost.

    Attributes:
        discounted: Whether coupons lower its invoices.
        trial_end: None where it is on no trial.
    """

    id: str
    customer_id: str
    status: TenantStatus
    currency: str
    items: tuple[BilledItem, ...]
    discounted: bool = False
    trial_end: datetime | None = None

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
