"""The catalogue: meters, products and prices, as declared and as Stripe has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meterdeck.core.model.prices import (
    Formula,
    Interval,
    PriceForm,
    PriceInfo,
    ProductInfo,
)
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.usage import TenantId

DEFAULT_CUSTOMER_KEY = "stripe_customer_id"
DEFAULT_VALUE_KEY = "value"


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """[meters.NAME]: a meter as it is to be.

    Attributes:
        name: The table's name, by which prices refer to it.
        event_name: Stripe's identity of it; the table's name unless said otherwise.
        customer_key: Key of an event's payload that holds the customer.
        value_key: Key of an event's payload that holds the value.
        event_time_window: "hour" or "day" where only the last value of each counts,
            else empty.
        active: Whether it takes events.
        replaces: Event name of a meter that is deactivated once this one is in its
            place; empty for none.
    """

    name: str
    event_name: str
    display_name: str
    formula: Formula = Formula.SUM
    customer_key: str = DEFAULT_CUSTOMER_KEY
    value_key: str = DEFAULT_VALUE_KEY
    event_time_window: str = ""
    active: bool = True
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class ProductSpec:
    """[products.NAME]: a product as it is to be.

    Attributes:
        name: The table's name, by which prices refer to it.
        id: Stripe's id of it, which whoever creates a product may choose; `prod_` and
            the table's name unless said otherwise.
        title: What customers read on the invoice.
    """

    name: str
    id: str
    title: str
    description: str = ""
    unit_label: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class PriceSpec:
    """[prices.NAME]: a price as it is to be.

    Attributes:
        name: The table's name.
        lookup_key: Stripe's name of it, which moves to the price that replaces it;
            the table's name unless said otherwise.
        product: A table's name in [products].
        meter: A table's name in [meters]; empty where no usage is billed.
        tax_behavior: Stripe's word; empty for `unspecified`.
    """

    name: str
    lookup_key: str
    product: str
    currency: str
    form: PriceForm
    meter: str = ""
    interval: Interval = Interval.MONTH
    interval_count: int = 1
    nickname: str = ""
    tax_behavior: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the configuration declares; each by its table's name."""

    meters: Mapping[str, MeterSpec] = field(default_factory=dict)
    products: Mapping[str, ProductSpec] = field(default_factory=dict)
    prices: Mapping[str, PriceSpec] = field(default_factory=dict)

    @property
    def declared(self) -> bool:
        """Whether it says anything."""
        return bool(self.meters or self.products or self.prices)


NO_CATALOGUE = Catalogue()


@dataclass(frozen=True, slots=True)
class Account:
    """What Stripe has, inactive objects too."""

    meters: tuple[MeterInfo, ...] = ()
    products: tuple[ProductInfo, ...] = ()
    prices: tuple[PriceInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceUsers:
    """Who is billed by a price.

    Attributes:
        subscriptions: To it that have not ended.
        more: Whether there are more than were counted.
        tenants: The first of them, each once.
    """

    price_id: str
    subscriptions: int = 0
    more: bool = False
    tenants: tuple[TenantId, ...] = ()
