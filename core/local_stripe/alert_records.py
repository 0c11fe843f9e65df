"""What the account holds about alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A threshold of a meter's usage; `customer` None watches every customer."""

    id: str
    created: datetime
    title: str
    meter: str
    gte: int
    customer: str | None
    status: str = "active"

    def watches(self, customer: str) -> bool:
        """Tell whether it looks at a customer's usage."""
        return self.customer in {None, customer}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFired:
    """An alert fired for a customer: it never does again."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageToCheck:
    """Usage on a watched meter that is not yet visible.

    Attributes:
        due: When the first of it shows.
        last_due: When the last of it shows.
        received: When the last of it was received.
    """

    meter: str
    customer: str
    due: datetime
    last_due: datetime
    received: datetime
