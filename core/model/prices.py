"""Prices as Stripe has them: what a unit, a package or a tier of units costs.

Amounts are exact decimals in the currency's smallest unit, as in Stripe's
`unit_amount_decimal`; `pricing` reckons with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

KEY_MARK = "meterdeck_lookup_key"
"""Metadata of a price: the lookup key it was created with, or another took from it."""

_ZERO = Decimal(0)


class TiersMode(StrEnum):
    """Which units a tier's amount is for."""

    GRADUATED = "graduated"
    """Those within the tier."""
    VOLUME = "volume"
    """All of them, by the tier that the whole quantity reaches."""


class Round(StrEnum):
    """What becomes of a package that is not full."""

    UP = "up"
    DOWN = "down"


class Formula(StrEnum):
    """How a meter makes one quantity of a period's events."""

    SUM = "sum"
    COUNT = "count"
    LAST = "last"


class Interval(StrEnum):
    """How often a price is billed."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    ONE_TIME = "one_time"


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Each unit costs the same."""

    unit: Decimal


@dataclass(frozen=True, slots=True)
class Package:
    """Units are sold by the package: Stripe's `transform_quantity`.

    Attributes:
        amount: Of one package.
        size: Units in it.
    """

    amount: Decimal
    size: int
    round: Round = Round.UP


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of a tiered price.

    Attributes:
        up_to: Its last unit, which is within it; None for the last tier.
        unit: What one unit costs.
        flat: Added once the tier is reached.
    """

    up_to: int | None
    unit: Decimal = _ZERO
    flat: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class Tiered:
    """Tiers with rising `up_to`; the last one has none."""

    mode: TiersMode
    tiers: tuple[Tier, ...]


PriceForm: TypeAlias = PerUnit | Package | Tiered


@dataclass(frozen=True, slots=True)
class PriceInfo:
    """A price of the account.

    Attributes:
        currency: Stripe's code of three small letters.
        form: None where it is of a kind that meterdeck does not reckon with, such as
            one whose amount the customer chooses.
        meter_id: The meter behind a metered price, else empty.
        tax_behavior: Stripe's word; empty stands for `unspecified`.
        usage_type: "metered" or "licensed"; empty for what is not billed again.
        currencies: Those that it has amounts in besides; they are not looked at.
    """

    id: str
    product_id: str
    currency: str
    form: PriceForm | None
    active: bool = True
    lookup_key: str = ""
    nickname: str = ""
    interval: Interval = Interval.MONTH
    interval_count: int = 1
    meter_id: str = ""
    tax_behavior: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    usage_type: str = ""
    currencies: tuple[str, ...] = ()

    @property
    def metered(self) -> bool:
        """Whether a meter's usage is billed by it."""
        return bool(self.meter_id)

    @property
    def plan_key(self) -> str:
        """The lookup key that tells a plan: of a replaced price the one that it had."""
        return self.lookup_key or self.metadata.get(KEY_MARK, "")


@dataclass(frozen=True, slots=True)
class ProductInfo:
    """A product of the account."""

    id: str
    name: str
    active: bool = True
    description: str = ""
    unit_label: str = ""
    default_price: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
