"""Which prices of an account can be declared, and why others cannot."""

from __future__ import annotations

from dataclasses import dataclass

from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.prices import Formula, PriceInfo, Tiered
from meterdeck.core.model.seen_prices import METERED
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.table_names import table_name


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that cannot be declared, by Stripe's id, and why."""

    what: str
    why: str


def known_formula(meter: MeterInfo | None) -> bool:
    """Tell whether a meter can be declared."""
    return meter is not None and meter.formula in set(Formula)


class PriceChoice:
    """Chooses prices one by one; a lookup key is for one of them."""

    def __init__(self, account: Account) -> None:
        self._meters = {each.id: each for each in account.meters}
        self._titles = {each.id: each.name for each in account.products}
        self._taken = {each.lookup_key for each in account.prices}
        self._keys: dict[str, str] = {}

    def why_not(self, price: PriceInfo) -> str:
        """Return why a price cannot be declared; empty where it can."""
        return self._amounts(price) or self._links(price) or self._key(price)

    def _amounts(self, price: PriceInfo) -> str:
        if price.form is None:
            return "has no fixed amounts: the customer chooses, or it is of a new kind"
        if isinstance(price.form, Tiered) and not _follow(price.form):
            return "has tiers that do not follow each other"
        return ""

    def _links(self, price: PriceInfo) -> str:
        if price.usage_type == METERED and not price.meter_id:
            return "is metered without a meter, which Stripe creates no more"
        if price.meter_id and not known_formula(self._meters.get(price.meter_id)):
            return f"bills {price.meter_id}, which is no meter that can be declared"
        if price.product_id not in self._titles:
            return f"is of {price.product_id}, which the account does not list"
        return ""

    def _key(self, price: PriceInfo) -> str:
        if not price.lookup_key:
            return (
                "has no lookup key, by which it would be declared; give it one in"
                f' Stripe, such as "{self._proposed(price)}", and import again'
            )
        other = self._keys.setdefault(price.lookup_key, price.id)
        return "" if other == price.id else f"has the same lookup key as {other}"

    def _proposed(self, price: PriceInfo) -> str:
        """Return a lookup key that no price has, made of what the price is called."""
        meter = self._meters.get(price.meter_id)
        named = price.nickname or (meter.event_name if meter else "")
        named = named or f"{self._titles[price.product_id]}_{price.interval}"
        name = table_name(named) or table_name(price.id)
        return f"{name[:50]}_{price.id[-8:]}" if name in self._taken else name


def _follow(form: Tiered) -> bool:
    """Tell whether tiers ascend and end without a bound."""
    bounds = [tier.up_to for tier in form.tiers]
    steps = [bound for bound in bounds if bound is not None]
    ends = bounds[-1:] == [None] and len(steps) == len(bounds) - 1
    return ends and steps == sorted(set(steps))
