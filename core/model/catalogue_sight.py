"""The catalogue as one looks at it: meters, prices, who uses them, what is odd."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

from meterdeck.core.model.catalogue import Account, Catalogue, PriceUsers
from meterdeck.core.model.catalogue_plan import plan
from meterdeck.core.model.catalogue_steps import (
    ChangeMeter,
    ChangePrice,
    ChangeProduct,
    CreateMeter,
    CreatePrice,
    CreateProduct,
    EndMeter,
    EndPrice,
    EndProduct,
    ReplacePrice,
)
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.prices import PriceInfo, ProductInfo
from meterdeck.core.model.subscriptions import MeterInfo


class Mark(Enum):
    """How an object stands to the configuration."""

    NONE = ""
    """The configuration declares no catalogue, or the object is an inactive one."""
    DECLARED = "as declared"
    DIFFERS = "differs from what is declared"
    UNDECLARED = "not declared"


@dataclass(frozen=True, slots=True)
class PriceSight:
    """A price, and what has to do with it.

    Attributes:
        users: Whose subscriptions have it; None while that is not known.
        warnings: What is odd about it, a sentence each.
    """

    price: PriceInfo
    product: ProductInfo | None
    meter: MeterInfo | None
    users: PriceUsers | None = None
    mark: Mark = Mark.NONE
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeterSight:
    """A meter with its prices, the active ones first.

    Attributes:
        newest: The newest event of it in the delivery log; None where there is none.
    """

    meter: MeterInfo
    prices: tuple[PriceSight, ...] = ()
    newest: LoggedEvent | None = None
    mark: Mark = Mark.NONE
    warnings: tuple[str, ...] = ()

    @property
    def users(self) -> PriceUsers | None:
        """Everybody who has one of its prices, each once, as far as it was asked.

        None while that of an active price is not known.
        """
        known = [seen.users for seen in self.prices if seen.users is not None]
        if any(seen.users is None for seen in self.prices if seen.price.active):
            return None
        tenants = tuple(sorted({name for users in known for name in users.tenants}))
        more = any(users.more for users in known)
        return PriceUsers(self.meter.id, len(tenants), more, tenants)


@dataclass(frozen=True, slots=True)
class CatalogueSight:
    """Everything an account sells.

    Attributes:
        meters: Active ones first, each group by display name.
        fees: Prices that bill no usage.
        missing: Names of what is declared and not in the account.
    """

    meters: tuple[MeterSight, ...] = ()
    fees: tuple[PriceSight, ...] = ()
    products: tuple[ProductInfo, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def prices(self) -> tuple[PriceSight, ...]:
        """Every price, in the order of the meters, fees last."""
        metered = [price for meter in self.meters for price in meter.prices]
        return (*metered, *self.fees)


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known beside the account itself.

    Attributes:
        users: Whose subscriptions have a price, by its id; not there: not known yet.
        newest: The newest event of each event name.
        differing: Ids of objects that differ from what is declared.
        missing: Names of what is declared and not in the account.
    """

    users: Mapping[str, PriceUsers] = field(default_factory=dict)
    newest: Mapping[str, LoggedEvent] = field(default_factory=dict)
    differing: Collection[str] = frozenset()
    missing: tuple[str, ...] = ()


def sight_of(account: Account, declared: Catalogue, found: Findings) -> CatalogueSight:
    """Put together what one looks at."""
    products = {product.id: product for product in account.products}
    meters = {meter.id: meter for meter in account.meters}
    marks = _Marks(declared, found.differing)
    by_meter: dict[str, list[PriceSight]] = {}
    for price in account.prices:
        product, meter = products.get(price.product_id), meters.get(price.meter_id)
        seen = PriceSight(
            price,
            product,
            meter,
            found.users.get(price.id),
            marks.price(price),
            _price_warnings(price, product, meter),
        )
        by_meter.setdefault(meter.id if meter else "", []).append(seen)
    meters_seen = [
        _meter(m, by_meter.get(m.id, []), marks, found) for m in account.meters
    ]
    return CatalogueSight(
        tuple(sorted(meters_seen, key=_active_first)),
        _in_order(by_meter.get("", [])),
        tuple(sorted(account.products, key=lambda p: (not p.active, p.name.lower()))),
        found.missing,
    )


def _active_first(seen: MeterSight) -> tuple[bool, str]:
    return not seen.meter.active, seen.meter.display_name.lower()


def compared(
    declared: Catalogue, account: Account
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return ids of what differs from what is declared, and names of what is missing.

    By the plan that would bring the account there.
    """
    differing: set[str] = set()
    missing: list[str] = []
    for step in plan(declared, account).steps:
        match step:
            case CreateMeter() | CreateProduct() | CreatePrice():
                missing.append(f"{step.thing} {step.name}")
            case ChangeMeter(meter=meter):
                differing.add(meter.id)
            case ChangePrice(price=price) | EndPrice(price=price):
                differing.add(price.id)
            case ReplacePrice(old=price):
                differing.add(price.id)
            case EndMeter(meter_id=name) | ChangeProduct(name=name):
                differing.add(name)
            case EndProduct(name=name):
                differing.add(name)
            case _:
                assert_never(step)
    return frozenset(differing), tuple(missing)


def price_name(price: PriceInfo) -> str:
    """Return what a price is called: its lookup key, its nickname, or its id."""
    return price.lookup_key or price.nickname or price.id


def _meter(
    meter: MeterInfo, prices: list[PriceSight], marks: _Marks, found: Findings
) -> MeterSight:
    return MeterSight(
        meter,
        _in_order(prices),
        found.newest.get(meter.event_name),
        marks.meter(meter),
        _meter_warnings(meter, prices),
    )


def _in_order(prices: list[PriceSight]) -> tuple[PriceSight, ...]:
    def key(seen: PriceSight) -> tuple[bool, str]:
        return not seen.price.active, price_name(seen.price).lower()

    return tuple(sorted(prices, key=key))


class _Marks:
    """How objects stand to what is declared, by what Stripe knows them by."""

    def __init__(self, declared: Catalogue, differing: Collection[str]) -> None:
        self._declared = declared.declared
        self._events = {meter.event_name for meter in declared.meters.values()}
        self._keys = {price.lookup_key for price in declared.prices.values()}
        self._differing = differing

    def meter(self, meter: MeterInfo) -> Mark:
        return self._of(meter.id, meter.event_name in self._events, meter.active)

    def price(self, price: PriceInfo) -> Mark:
        named = bool(price.lookup_key) and price.lookup_key in self._keys
        return self._of(price.id, named, price.active)

    def _of(self, object_id: str, named: bool, active: bool) -> Mark:
        if not self._declared:
            return Mark.NONE
        if object_id in self._differing:
            return Mark.DIFFERS
        if named:
            return Mark.DECLARED
        return Mark.UNDECLARED if active else Mark.NONE


def _price_warnings(
    price: PriceInfo, product: ProductInfo | None, meter: MeterInfo | None
) -> tuple[str, ...]:
    found = []
    if price.active and meter is not None and not meter.active:
        found.append("its meter is inactive: usage is refused and not billed")
    if price.active and price.meter_id and meter is None:
        found.append("its meter is not among the account's")
    if price.active and product is not None and not product.active:
        found.append("its product is archived: nobody can subscribe to it anew")
    if price.form is None:
        found.append("of a form that meterdeck does not reckon with")
    return tuple(found)


def _meter_warnings(meter: MeterInfo, prices: list[PriceSight]) -> tuple[str, ...]:
    active = [seen for seen in prices if seen.price.active]
    if meter.active and not active:
        return ("no price bills it: its usage costs nothing",)
    if not meter.active and active:
        return (f"inactive, and {_prices(len(active))} still active",)
    return ()


def _prices(count: int) -> str:
    return "a price of it is" if count == 1 else f"{count:,} prices of it are"
