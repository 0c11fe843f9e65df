"""The catalogue by which an account would be declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from meterdeck.core.model.catalogue import (
    NO_CATALOGUE,
    Account,
    Catalogue,
    MeterSpec,
    PriceSpec,
    ProductSpec,
)
from meterdeck.core.model.price_import import LeftOut, PriceChoice, known_formula
from meterdeck.core.model.prices import Formula, PriceInfo, ProductInfo
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.table_names import is_table_name, table_names

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_OWN_ID = "prod_"


class _Made(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def created(self) -> datetime | None: ...


_T = TypeVar("_T", bound=_Made)


@dataclass(frozen=True, slots=True)
class Imported:
    """A catalogue made of an account.

    Attributes:
        left_out: What cannot be declared.
        partly: What is declared, and what of it is not.
        inactive: How many are left out as inactive or archived, by what they are.
    """

    catalogue: Catalogue
    left_out: tuple[LeftOut, ...] = ()
    partly: tuple[LeftOut, ...] = ()
    inactive: Mapping[str, int] = field(default_factory=dict)


def import_account(
    account: Account, *, everything: bool = False, known: Catalogue = NO_CATALOGUE
) -> Imported:
    """Return what declares an account.

    Args:
        everything: Inactive meters, archived products and prices, too. Those that an
            active price needs are always there.
        known: What is declared already: it keeps its names.
    """
    return _Import(account, everything, known).made()


@dataclass(slots=True)
class _Import:
    """One import on its way."""

    account: Account
    everything: bool
    known: Catalogue
    left_out: list[LeftOut] = field(default_factory=list)
    inactive: Counter[str] = field(default_factory=Counter)

    def made(self) -> Imported:
        """Return the catalogue: prices first, as they say what else is needed."""
        prices = self._prices()
        meters = self._meters({each.meter_id for each in prices})
        products = self._products({each.product_id for each in prices})
        named = _named(
            {each.lookup_key: each.lookup_key for each in prices},
            {each.lookup_key: name for name, each in self.known.prices.items()},
        )
        specs = [
            _price(
                each,
                named[each.lookup_key],
                products[each.product_id].name,
                meters[each.meter_id].name if each.meter_id else "",
            )
            for each in prices
        ]
        return Imported(
            Catalogue(
                {each.name: each for each in meters.values()},
                {each.name: each for each in products.values()},
                {each.name: each for each in specs},
            ),
            tuple(self.left_out),
            tuple(map(_rest_of, filter(_currencies, prices))),
            dict(self.inactive),
        )

    def _prices(self) -> list[PriceInfo]:
        choice = PriceChoice(self.account)
        wanted = []
        for price in self._wanted(self.account.prices, "price"):
            why = choice.why_not(price)
            if why:
                called = (
                    f"{price.id} ({price.nickname})" if price.nickname else price.id
                )
                self.left_out.append(LeftOut(called, why))
            else:
                wanted.append(price)
        return wanted

    def _meters(self, needed: Set[str]) -> dict[str, MeterSpec]:
        """Return the meters by Stripe's id."""
        found: dict[str, MeterInfo] = {}
        events: set[str] = set()
        for meter in self._wanted(self.account.meters, "meter", needed):
            if not known_formula(meter):
                why = f'has the formula "{meter.formula}"'
            elif meter.event_name in events:
                why = f"has the event name of another meter, {meter.event_name}"
            else:
                found[meter.id] = meter
                events.add(meter.event_name)
                continue
            self.left_out.append(LeftOut(meter.id, why))
        names = _named(
            {each.event_name: each.event_name for each in found.values()},
            {each.event_name: name for name, each in self.known.meters.items()},
        )
        return {
            key: _meter(each, names[each.event_name]) for key, each in found.items()
        }

    def _products(self, needed: Set[str]) -> dict[str, ProductSpec]:
        """Return the products by Stripe's id."""
        found = self._wanted(self.account.products, "product", needed)
        names = _named(
            {each.id: _liked(each) for each in found},
            {each.id: name for name, each in self.known.products.items()},
        )
        return {each.id: _product(each, names[each.id]) for each in found}

    def _wanted(
        self, found: Iterable[_T], what: str, needed: Set[str] = frozenset()
    ) -> list[_T]:
        """Return what is to be declared, the oldest first; count the rest."""
        wanted = []
        for each in sorted(found, key=_age):
            if _active(each) or self.everything or each.id in needed:
                wanted.append(each)
            else:
                self.inactive[what] += 1
        return wanted


def _currencies(price: PriceInfo) -> tuple[str, ...]:
    return price.currencies


def _rest_of(price: PriceInfo) -> LeftOut:
    others = ", ".join(price.currencies).upper()
    return LeftOut(price.id, f"has amounts in {others}, too, which Stripe keeps")


def _active(each: object) -> bool:
    assert isinstance(each, MeterInfo | ProductInfo | PriceInfo)
    return each.active


def _age(each: _Made) -> tuple[datetime, str]:
    """Return an order that does not change by what is added later."""
    return each.created or _LONG_AGO, each.id


def _named(wanted: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the tables of what is known, and new names for the rest."""
    new = {each: name for each, name in wanted.items() if each not in known}
    kept = {each: known[each] for each in wanted if each in known}
    return {**kept, **table_names(new, frozenset(known.values()))}


def _liked(product: ProductInfo) -> str:
    """Return the id's own name where somebody chose it, else the product's."""
    chosen = product.id.removeprefix(_OWN_ID)
    readable = is_table_name(chosen) and chosen.lower() == chosen
    # Stripe's own ids are 14 letters and digits, big ones among them.
    return chosen if readable and chosen != product.id else product.name.lower()


def _meter(meter: MeterInfo, name: str) -> MeterSpec:
    return MeterSpec(
        name=name,
        event_name=meter.event_name,
        display_name=meter.display_name or name,
        formula=Formula(meter.formula),
        customer_key=meter.customer_key,
        value_key=meter.value_key,
        event_time_window=meter.event_time_window,
        active=meter.active,
    )


def _product(product: ProductInfo, name: str) -> ProductSpec:
    return ProductSpec(
        name=name,
        id=product.id,
        title=product.name or name,
        description=product.description,
        unit_label=product.unit_label,
        active=product.active,
    )


def _price(price: PriceInfo, name: str, product: str, meter: str) -> PriceSpec:
    assert price.form is not None  # a reason to leave it out
    return PriceSpec(
        name=name,
        lookup_key=price.lookup_key,
        product=product,
        currency=price.currency,
        form=price.form,
        meter=meter,
        interval=price.interval,
        interval_count=price.interval_count,
        nickname=price.nickname,
        tax_behavior=price.tax_behavior,
        active=price.active,
    )
