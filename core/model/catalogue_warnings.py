"""What lint warns of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """What is wrong, for programs."""

    METERED_WITHOUT_METER = "metered-without-meter"
    AMOUNT_UNLIKE_COMMENT = "amount-unlike-comment"
    AMOUNT_UNLIKE_SIBLINGS = "amount-unlike-siblings"
    AMOUNT_TOO_FINE = "amount-too-fine"
    CURRENCY_WITHOUT_DECIMALS = "currency-without-decimals"
    TIERS_WITH_GAPS = "tiers-with-gaps"
    TIERS_RISING = "tiers-rising"
    TIERS_WITH_CLIFF = "tiers-with-cliff"
    METER_UNUSED = "meter-unused"
    METER_INACTIVE = "meter-inactive"
    PRODUCT_INACTIVE = "product-inactive"
    RESOURCE_WITHOUT_METER = "resource-without-meter"
    RESOURCE_UNLIKE_METER = "resource-unlike-meter"
    PLAN_WITHOUT_PRICE = "plan-without-price"


@dataclass(frozen=True, slots=True)
class CatalogueWarning:
    """One thing that is probably not as it was meant.

    Attributes:
        where: File and key, or Stripe's id.
        what: What is wrong.
        right: What would be right.
    """

    code: Code
    where: str
    what: str
    right: str
