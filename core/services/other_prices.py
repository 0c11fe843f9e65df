"""Other prices than a subscription has: those of another plan, or named ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound, Refused
from meterdeck.core.model.billed import BilledItem
from meterdeck.core.model.catalogue import PriceSpec
from meterdeck.core.model.context import Context, PlanRule
from meterdeck.core.model.costs import ItemCost, TenantCost
from meterdeck.core.model.prices import Interval, PriceInfo
from meterdeck.core.model.text import visible
from meterdeck.core.model.what_if import WhatIf
from meterdeck.core.services.item_costs import ItemCosts
from meterdeck.core.services.recent import make_room

_MOST_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """Items that go, items that come instead, and how that was taken."""

    gone: tuple[ItemCost, ...] = ()
    new: tuple[BilledItem, ...] = ()
    notes: tuple[str, ...] = ()


class OtherPrices:
    """Finds prices in the account, else in the configuration's catalogue."""

    def __init__(
        self, context: Context, gateway: StripeGateway, items: ItemCosts
    ) -> None:
        self._context = context
        self._pricing = gateway.pricing
        self._items = items
        self._known: dict[str, PriceInfo] = {}

    async def change(self, cost: TenantCost, wanted: WhatIf) -> Change:
        """Return which items would be others.

        Raises:
            NotFound, Refused: It cannot be told which.
        """
        made = Change()
        if wanted.plan:
            made = await self._plan(cost, wanted.plan)
        for name in wanted.prices:
            made = await self._price(cost, name, made)
        return made

    async def _plan(self, cost: TenantCost, plan: str) -> Change:
        self._check_plan(plan)
        rules = [each for each in self._context.plan_rules if each.plan == plan]
        found = await self._of_rules(plan, rules)
        prices = _one_each(plan, _suitable(plan, found, cost))
        gone = [
            each
            for each in cost.items
            if self._belongs(each.item) or _bills_same(each, prices)
        ]
        fees = [each for each in gone if each.is_fee]
        quantity = fees[0].item.quantity if len(fees) == 1 else None
        new = [_item(each, cost, quantity) for each in prices]
        kept = [each.label for each in cost.items if each not in gone]
        notes = [f"kept beside the prices of {plan}: {', '.join(kept)}"] if kept else []
        notes += _other_rhythms(prices, cost)
        return Change(tuple(gone), tuple(new), tuple(notes))

    def _check_plan(self, plan: str) -> None:
        if plan not in self._context.plans:
            known = ", ".join(self._context.plans) or "none"
            raise NotFound(
                f"context {self._context.name} has no plan {visible(plan)};"
                f" it has: {known}"
            )

    async def _of_rules(self, plan: str, rules: Sequence[PlanRule]) -> list[PriceInfo]:
        keys = {key for rule in rules for key in rule.lookup_keys}
        ids = {each for rule in rules for each in rule.prices}
        if not keys and not ids:
            raise Refused(
                f"the configuration names no price of plan {plan} (lookup_keys or"
                " prices), so what it costs cannot be told"
            )
        found = list(await self._pricing.prices(sorted(keys)))
        found += [await self._by_id(each) for each in sorted(ids)]
        missing = keys - {each.lookup_key for each in found}
        found += [await self._declared(spec) for spec in self._specs(missing)]
        return list({each.id or each.lookup_key: each for each in found}.values())

    async def _price(self, cost: TenantCost, name: str, made: Change) -> Change:
        price = await self._find(name)
        present = [each for each in cost.items if each not in made.gone]
        _check_fits(price, name, cost)
        gone = _replaced(price, name, present)
        quantity = gone[0].item.quantity if gone else None
        notes = (*made.notes, *_other_rhythms([price], cost))
        if not gone:
            notes = (
                *notes,
                f"{name} is added: nothing of this subscription is like it",
            )
        # A price that a plan brought, and that this one takes the place of.
        rest = [each for each in made.new if not _is_like(each.price, price)]
        new = (*rest, _item(price, cost, quantity))
        return Change((*made.gone, *gone), new, notes)

    async def _find(self, name: str) -> PriceInfo:
        by_key = await self._pricing.prices([name])
        if by_key:
            return by_key[0]
        for spec in self._specs([name]):
            return await self._declared(spec)
        try:
            return await self._by_id(name)
        except NotFound:
            raise NotFound(
                f"neither Stripe nor the configuration has a price {visible(name)};"
                " give its lookup key or its id"
            ) from None

    async def _by_id(self, price_id: str) -> PriceInfo:
        """Return a price; its amounts never change, so it is read once."""
        if price_id not in self._known:
            make_room(self._known, price_id, _MOST_REMEMBERED)
            self._known[price_id] = await self._pricing.price(price_id)
        return self._known[price_id]

    def _specs(self, names: Iterable[str]) -> list[PriceSpec]:
        wanted = set(names)
        specs = self._context.catalogue.prices.values()
        return [
            each for each in specs if each.lookup_key in wanted or each.name in wanted
        ]

    async def _declared(self, spec: PriceSpec) -> PriceInfo:
        catalogue = self._context.catalogue
        meter = catalogue.meters.get(spec.meter)
        event_name = meter.event_name if meter else ""
        there = await self._items.meter(event_name) if event_name else None
        product = catalogue.products.get(spec.product)
        return PriceInfo(
            id="",
            product_id=product.id if product else "",
            currency=spec.currency,
            form=spec.form,
            lookup_key=spec.lookup_key,
            nickname=spec.nickname,
            interval=spec.interval,
            interval_count=spec.interval_count,
            # Of a meter that is not in Stripe yet there is only the event name.
            meter_id=there.id if there else event_name,
        )

    def _belongs(self, item: BilledItem) -> bool:
        """Tell whether a plan is told by an item."""
        price = item.price
        return any(
            rule.fits(price.plan_key, price.id, price.product_id)
            for rule in self._context.plan_rules
        )


def _item(price: PriceInfo, cost: TenantCost, quantity: int | None) -> BilledItem:
    """Return an item of this price, in the period that the subscription is in."""
    leading = min(cost.items, key=lambda each: not each.metered, default=None)
    start = leading.item.start if leading else None
    end = leading.item.end if leading else None
    ordered = 1 if quantity is None else quantity
    return BilledItem("", price, None if price.metered else ordered, start, end)


def _suitable(
    plan: str, found: Sequence[PriceInfo], cost: TenantCost
) -> list[PriceInfo]:
    """Return the prices in the subscription's currency, billed as often as it is.

    Where none is billed as often, all of the currency.
    """
    currencies = {each.currency for each in cost.items}
    same = [each for each in found if each.currency in currencies]
    if not same:
        written = " and ".join(sorted(each.upper() for each in currencies))
        raise Refused(
            f"plan {plan} has no price in {written}, in which this subscription is"
            " billed, so what it costs cannot be told"
        )
    rhythms = {_rhythm(each.item.price) for each in cost.items}
    return [each for each in same if _rhythm(each) in rhythms] or same


def _one_each(plan: str, prices: Sequence[PriceInfo]) -> list[PriceInfo]:
    """Return the prices, none of which bills what another one does, too."""
    for at, price in enumerate(prices):
        for other in prices[:at]:
            if _is_like(price, other):
                raise Refused(
                    f"plan {plan} may have the price {_called(other)} or"
                    f" {_called(price)}; say which, as the price"
                )
    return list(prices)


def _replaced(
    price: PriceInfo, name: str, items: Sequence[ItemCost]
) -> tuple[ItemCost, ...]:
    """Return the items that a price takes the place of."""
    like = [each for each in items if _is_like(each.item.price, price)]
    fees = [each for each in items if each.is_fee]
    if like or price.metered or not fees:
        return tuple(like)
    if len(fees) > 1:
        labels = ", ".join(each.label for each in fees)
        raise Refused(
            f"{visible(name)} could take the place of any of {labels}, so what it"
            " changes cannot be told"
        )
    return tuple(fees)


def _bills_same(item: ItemCost, prices: Sequence[PriceInfo]) -> bool:
    return any(_is_like(item.item.price, each) for each in prices)


def _is_like(one: PriceInfo, other: PriceInfo) -> bool:
    """Tell whether two prices bill the same: one meter, or without one, one product."""
    if one.metered or other.metered:
        return one.meter_id == other.meter_id
    return one.product_id == other.product_id


def _check_fits(price: PriceInfo, name: str, cost: TenantCost) -> None:
    currencies = {each.currency for each in cost.items}
    if price.currency not in currencies:
        written = " and ".join(sorted(each.upper() for each in currencies))
        raise Refused(
            f"{visible(name)} is in {price.currency.upper()}, and this subscription is"
            f" billed in {written}; Stripe mixes no currencies in one"
        )
    if price.interval is Interval.ONE_TIME:
        raise Refused(f"{visible(name)} is billed once, and no subscription has it")


def _other_rhythms(prices: Sequence[PriceInfo], cost: TenantCost) -> list[str]:
    """Say of prices that are billed in another interval how they are reckoned."""
    usual = {_rhythm(each.item.price) for each in cost.items}
    return [
        f"{_called(each)} is billed every {each.interval_count} {each.interval.value},"
        " and is reckoned for the running period as it is"
        for each in prices
        if _rhythm(each) not in usual
    ]


def _rhythm(price: PriceInfo) -> tuple[str, int]:
    return price.interval.value, price.interval_count


def _called(price: PriceInfo) -> str:
    return price.lookup_key or price.id
