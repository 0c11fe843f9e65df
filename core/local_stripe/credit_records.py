"""What the account holds about billing credits; amounts are in the smallest unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditGrant:
    """Credits given to a customer.

    Attributes:
        prices: The metered prices it pays for; empty for every one.
    """

    id: str
    created: datetime
    updated: datetime
    customer: str
    currency: str
    value: int
    effective_at: datetime
    prices: tuple[str, ...] = ()
    category: str = "paid"
    expires_at: datetime | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    name: str | None = None
    priority: int = 50
    voided_at: datetime | None = None

    def pays_for(self, price: str) -> bool:
        """Tell whether it applies to a metered price."""
        return not self.prices or price in self.prices

    def expired(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTransaction:
    """One entry in a grant's ledger; `kind` is Stripe's type of credit or debit."""

    id: str
    created: datetime
    grant: str
    customer: str
    currency: str
    kind: str
    value: int
    effective_at: datetime
    invoice: str | None = None
    invoice_line_item: str | None = None

    @property
    def is_credit(self) -> bool:
        """Tell whether it adds to the grant."""
        return self.kind in {"credits_granted", "credits_application_invoice_voided"}

    @property
    def signed(self) -> int:
        """Give what it adds to the balance."""
        return self.value if self.is_credit else -self.value
