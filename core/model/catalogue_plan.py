"""How an account differs from what is declared, and what brings it there.

Stripe changes little of what it has. Of a meter it is the display name and whether it
takes events; an event name is its meter's for good. Of a price it is whether it is sold
and its nickname; what a unit costs is another price, and whoever has the old one keeps
it. So another amount is a replacement, and it is said before it is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from meterdeck.core.model.catalogue import Account, Catalogue, MeterSpec, PriceUsers
from meterdeck.core.model.catalogue_prices import Found, PriceDifferences
from meterdeck.core.model.catalogue_steps import (
    CataloguePlan,
    ChangeMeter,
    ChangeProduct,
    CreateMeter,
    CreateProduct,
    EndMeter,
    EndPrice,
    EndProduct,
    FieldChange,
    Problem,
    ReplacePrice,
    Step,
    all_users,
)
from meterdeck.core.model.prices import Interval
from meterdeck.core.model.subscriptions import MeterInfo

_NOBODY: Mapping[str, PriceUsers] = {}


def plan(
    catalogue: Catalogue, account: Account, users: Mapping[str, PriceUsers] = _NOBODY
) -> CataloguePlan:
    """Return what is to be done, what cannot be, and what is left alone.

    An account that is as declared has a plan without steps, also right after one was
    carried out.

    Args:
        users: Who is billed by the prices that `asked_about` names; nobody is where
            it says nothing.
    """
    return _Planning(catalogue, account, users).plan()


def asked_about(found: CataloguePlan) -> tuple[str, ...]:
    """Return the ids of the prices whose users are to be said before it is done."""
    names: dict[str, None] = {}
    for step in found.steps:
        match step:
            case ReplacePrice(old=price) | EndPrice(price=price):
                if price.interval is not Interval.ONE_TIME:  # that bills nobody again
                    names[price.id] = None
            case EndMeter(price_ids=price_ids):
                names.update(dict.fromkeys(price_ids))
            case _:
                continue
    return tuple(names)


def _prices_of(meter: MeterInfo, account: Account) -> tuple[str, ...]:
    """Return the ids of a meter's prices; archived ones bill whoever has them."""
    return tuple(each.id for each in account.prices if each.meter_id == meter.id)


@dataclass(frozen=True, slots=True)
class _Planning:
    """One comparison."""

    catalogue: Catalogue
    account: Account
    users: Mapping[str, PriceUsers]

    def plan(self) -> CataloguePlan:
        meters = {meter.event_name: meter for meter in self.account.meters}
        prices = list(PriceDifferences(self.catalogue, self.account, meters).found())
        ended = frozenset(_ended(prices))
        found = [
            *self._meters(meters),
            *self._products(),
            *prices,
            *self._ended_products(),
            *self._ended_meters(meters, ended),
        ]
        return CataloguePlan(
            tuple(each for each in found if not isinstance(each, Problem | str)),
            tuple(each for each in found if isinstance(each, Problem)),
            tuple(each for each in found if isinstance(each, str)),
            self._left_alone(ended),
            self.users,
        )

    def _meters(self, meters: Mapping[str, MeterInfo]) -> Found:
        for spec in self.catalogue.meters.values():
            meter = meters.get(spec.event_name)
            if meter is None:
                yield CreateMeter(spec)
                continue
            yield from _fixed(spec, meter)
            changes = []
            if spec.active and not meter.active:  # first: Stripe may rename no other
                changes.append(FieldChange("active", False, True))
            if spec.display_name != meter.display_name:
                names = meter.display_name, spec.display_name
                changes.append(FieldChange("display_name", *names))
            if changes:
                yield ChangeMeter(meter, tuple(changes))

    def _products(self) -> Found:
        products = {product.id: product for product in self.account.products}
        for spec in self.catalogue.products.values():
            product = products.get(spec.id)
            if product is None:
                yield CreateProduct(spec)
                continue
            pairs = (
                ("name", product.name, spec.title),
                ("description", product.description, spec.description),
                ("unit_label", product.unit_label, spec.unit_label),
                ("active", product.active, product.active or spec.active),
            )
            changes = [FieldChange(*each) for each in pairs if each[1] != each[2]]
            if changes:
                yield ChangeProduct(spec.id, tuple(changes))

    def _ended_products(self) -> Found:
        archived = {each.id for each in self.account.products if not each.active}
        for spec in self.catalogue.products.values():
            if not spec.active and spec.id not in archived:
                yield EndProduct(spec.id)

    def _ended_meters(
        self, meters: Mapping[str, MeterInfo], ended: frozenset[str]
    ) -> Iterator[Step | Problem | str]:
        for spec in self.catalogue.meters.values():
            meter = meters.get(spec.event_name)
            if not spec.active and (meter is None or meter.active):
                prices = _prices_of(meter, self.account) if meter else ()
                meter_id = meter.id if meter else ""
                yield EndMeter(spec.event_name, meter_id, price_ids=prices)
            if spec.replaces:
                yield from self._replaced(spec, meters.get(spec.replaces), ended)

    def _replaced(
        self, spec: MeterSpec, old: MeterInfo | None, ended: frozenset[str]
    ) -> Iterator[Step | Problem | str]:
        """Yield how the meter in whose place another stands comes to its end."""
        where = f"meters.{spec.name}"
        others = self.catalogue.meters.values()
        again = [each.name for each in others if each.event_name == spec.replaces]
        if again and self.catalogue.meters[again[0]].active:
            yield Problem(
                where,
                f"replaces {spec.replaces}, which is declared as well; leave"
                f" [meters.{again[0]}] out",
            )
        elif old is None:
            yield f"{where} replaces {spec.replaces}, which Stripe does not have"
        elif old.active and not again:
            yield self._ended_or_held(spec, old, ended)

    def _ended_or_held(
        self, spec: MeterSpec, old: MeterInfo, ended: frozenset[str]
    ) -> Step | Problem | str:
        held = [
            price.lookup_key or price.id
            for price in self.account.prices
            if price.active and price.meter_id == old.id and price.id not in ended
        ]
        if held:
            return Problem(
                f"meters.{spec.name}",
                f"replaces {old.event_name}, which still has prices that are not"
                f" declared: {', '.join(held)}; declare or archive them first",
            )
        prices = _prices_of(old, self.account)
        users = all_users(self.users, prices)
        if not users.subscriptions:
            return EndMeter(old.event_name, old.id, spec.event_name, prices)
        count = f"{users.subscriptions:,}{' or more' if users.more else ''}"
        return (
            f"meter {old.event_name} goes on until no subscription is billed by it:"
            f" {count} still are; move them to prices of {spec.event_name}"
        )

    def _left_alone(self, ended: frozenset[str]) -> Account:
        catalogue, account = self.catalogue, self.account
        events = {each.event_name for each in catalogue.meters.values()}
        events |= {each.replaces for each in catalogue.meters.values()}
        ids = {each.id for each in catalogue.products.values()}
        keys = {each.lookup_key for each in catalogue.prices.values()}
        return Account(
            tuple(m for m in account.meters if m.active and m.event_name not in events),
            tuple(p for p in account.products if p.active and p.id not in ids),
            tuple(
                price
                for price in account.prices
                if price.active
                and price.lookup_key not in keys
                and price.id not in ended
            ),
        )


def _ended(found: Iterable[Step | Problem]) -> Iterator[str]:
    for each in found:
        if isinstance(each, ReplacePrice):
            yield each.old.id
        elif isinstance(each, EndPrice):
            yield each.price.id


def _fixed(spec: MeterSpec, meter: MeterInfo) -> Iterator[Problem]:
    """Yield what differs of a meter and can never be changed."""
    pairs = (
        ("formula", meter.formula, spec.formula.value),
        ("customer_key", meter.customer_key, spec.customer_key),
        ("value_key", meter.value_key, spec.value_key),
        ("event_time_window", meter.event_time_window, spec.event_time_window),
    )
    for field, before, after in pairs:
        if before != after:
            yield Problem(
                f"meters.{spec.name}",
                f"Stripe cannot change the {field} of meter {spec.event_name} from"
                f' "{before}" to "{after}", and keeps its event name for good; declare'
                f' it under another event_name with replaces = "{spec.event_name}"',
            )
