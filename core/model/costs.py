"""What a tenant's running period costs, item by item, and by whose word.

Before discounts, taxes and credits, which Stripe applies to the invoice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from meterdeck.core.model.billed import BilledItem, BilledSubscription
from meterdeck.core.model.money import Money
from meterdeck.core.model.prices import PerUnit, PriceForm
from meterdeck.core.model.pricing import (
    THOUSAND,
    Bill,
    average,
    bill,
    price_of_next,
)
from meterdeck.core.model.usage import Tenant

SOONEST_FORECAST = timedelta(hours=1)
"""So long a period must have run before its pace says anything."""

_FREE = PerUnit(Decimal(0))


class Basis(StrEnum):
    """Where a quantity comes from."""

    COUNTER = "counter"
    """The counter, which runs over the same period: what will be billed of it."""
    STRIPE_AND_UNSENT = "stripe+unsent"
    """What Stripe has counted in the period, and what is not there yet."""
    STRIPE = "stripe"
    """What Stripe has counted in the period; it lags by up to minutes."""
    QUANTITY = "quantity"
    """The subscription's own quantity: no usage is billed."""
    GIVEN = "given"
    """Whoever asks what if."""


class ForecastBasis(StrEnum):
    """Where the quantity at a period's end comes from."""

    PACE = "pace"
    """Goes on as on average in the period so far."""
    LEVEL = "level"
    """Stays as it is: the newest value counts, and not a sum."""
    QUANTITY = "quantity"
    """The subscription's own quantity."""
    GIVEN = "given"
    """Whoever asks what if."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was used of an item in its running period.

    Attributes:
        quantity: In the units that the price is for; None where it cannot be told.
        basis: Where it comes from.
        level: Whether it is the newest value, and not a sum.
        problem: Why it cannot be told; else empty.
        notes: What else there is to know of it.
    """

    quantity: Decimal | None
    basis: Basis
    level: bool = False
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """The quantity at a period's end, and where it comes from."""

    quantity: Decimal
    basis: ForecastBasis


@dataclass(frozen=True, slots=True)
class ItemCost:
    """What one price of a subscription costs in the running period.

    Attributes:
        label: What people call it: the resource, or the price.
        unit: Of what is counted; empty where nothing is known of it.
        resources: The configured resources whose usage it bills.
        event_name: Of its meter; empty of a price without one.
        forecast: None where it is too early, or the quantity is not known.
        free: Whether its usage is not billed, as on trial.
        notes: What else there is to know of it.
    """

    item: BilledItem
    label: str
    measured: Measured
    forecast: Forecast | None = None
    unit: str = ""
    resources: tuple[str, ...] = ()
    event_name: str = ""
    free: bool = False
    notes: tuple[str, ...] = ()

    @property
    def form(self) -> PriceForm | None:
        """What it is billed by; None where it cannot be reckoned."""
        if self.problem:
            return None
        return _FREE if self.free else self.item.price.form

    @property
    def problem(self) -> str:
        """Why it cannot be reckoned; empty where it can."""
        if self.item.price.form is None:
            return "its price is of a kind that meterdeck does not reckon with"
        return self.measured.problem

    @property
    def metered(self) -> bool:
        """Whether usage is billed."""
        return self.item.price.metered

    @property
    def is_fee(self) -> bool:
        """Whether it costs the same whatever is used."""
        return self.measured.basis is Basis.QUANTITY

    @property
    def currency(self) -> str:
        """Stripe's code."""
        return self.item.price.currency

    @property
    def so_far(self) -> Bill | None:
        """What the period costs so far; None where it cannot be reckoned."""
        return self._bill(self.measured.quantity)

    @property
    def at_end(self) -> Bill | None:
        """What the whole period will cost by the forecast."""
        return self._bill(self.forecast.quantity if self.forecast else None)

    @property
    def next_unit(self) -> Money | None:
        """What the next unit costs; None where no usage is billed."""
        return self._next(Decimal(1))

    @property
    def next_thousand(self) -> Money | None:
        """What the next thousand units cost together."""
        return self._next(THOUSAND)

    @property
    def average(self) -> Money | None:
        """What a unit costs on average so far."""
        form, quantity = self.form, self.measured.quantity
        if form is None or quantity is None:
            return None
        found = average(form, quantity)
        return None if found is None else Money.of_minor(found, self.currency)

    def _bill(self, quantity: Decimal | None) -> Bill | None:
        form = self.form
        return None if form is None or quantity is None else bill(form, quantity)

    def _next(self, units: Decimal) -> Money | None:
        form, quantity = self.form, self.measured.quantity
        if form is None or quantity is None or not self.metered:
            return None
        return Money.of_minor(price_of_next(form, quantity, units), self.currency)


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """What all items of one currency come to.

    Attributes:
        at_end: None where there is no forecast of one of them.
        unknown: How many items cannot be reckoned and are in neither.
    """

    so_far: Money
    at_end: Money | None
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class TenantCost:
    """What a tenant's running period costs.

    Attributes:
        at: By the Redis server's clock.
        subscription: Stripe's id; empty where there is none.
        problem: Why there is nothing to reckon; empty where there is.
        trial_end: Up to when usage is free; None where it is on no trial.
        notes: What else there is to know, such as a discount that is not reckoned.
        billed: The subscription itself; None where it was not read.
    """

    tenant: Tenant
    at: datetime
    items: tuple[ItemCost, ...] = ()
    subscription: str = ""
    problem: str = ""
    trial_end: datetime | None = None
    notes: tuple[str, ...] = ()
    billed: BilledSubscription | None = None

    @property
    def totals(self) -> tuple[CurrencyTotal, ...]:
        """What it comes to, by currency, in the order of their codes."""
        currencies = sorted({each.currency for each in self.items})
        return tuple(
            _total(code, [each for each in self.items if each.currency == code])
            for code in currencies
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What if: the running period as it is, and as it would be.

    Attributes:
        notes: How what was asked for was taken.
    """

    before: TenantCost
    after: TenantCost
    notes: tuple[str, ...] = ()


def forecast_of(
    item: BilledItem, measured: Measured, now: datetime, decimals: int = 0
) -> Forecast | None:
    """Return the quantity to expect at the end of an item's period.

    Args:
        decimals: As fine as its usage is counted.
    """
    quantity = measured.quantity
    if quantity is None:
        return None
    if measured.basis is Basis.QUANTITY:
        return Forecast(quantity, ForecastBasis.QUANTITY)
    if measured.level:
        return Forecast(quantity, ForecastBasis.LEVEL)
    if item.start is None or item.end is None or now - item.start < SOONEST_FORECAST:
        return None
    if quantity <= 0 or now >= item.end:
        return Forecast(quantity, ForecastBasis.PACE)
    whole, gone = item.end - item.start, now - item.start
    expected = quantity * _microseconds(whole) / _microseconds(gone)
    finest = Decimal(1).scaleb(-decimals)
    # A quantity may be finer than usage is counted: never expect less than there is.
    rounded = max(quantity, expected.quantize(finest, ROUND_HALF_UP))
    return Forecast(rounded, ForecastBasis.PACE)


def money_of(minor: Bill | None, currency: str) -> Money | None:
    """Return what is billed, as money."""
    return None if minor is None else Money.of_minor(minor.total, currency)


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _total(currency: str, items: Sequence[ItemCost]) -> CurrencyTotal:
    known = [each for each in items if each.so_far is not None]
    at_end = None
    if all(each.at_end is not None for each in known):
        at_end = _sum(known, lambda each: each.at_end, currency)
    return CurrencyTotal(
        _sum(known, lambda each: each.so_far, currency),
        at_end,
        len(items) - len(known),
    )


def _sum(
    items: Sequence[ItemCost], of: Callable[[ItemCost], Bill | None], currency: str
) -> Money:
    bills = [found for each in items if (found := of(each)) is not None]
    return Money.of_minor(sum((each.total for each in bills), Decimal(0)), currency)
