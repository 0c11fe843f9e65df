"""A price as lint looks at it, whether it is declared or in the account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from meterdeck.core.model.catalogue import Account, Catalogue
from meterdeck.core.model.money import Money
from meterdeck.core.model.prices import (
    Interval,
    Package,
    PerUnit,
    PriceForm,
    Tiered,
)

Path = tuple[str, ...]
Comments = Mapping[Path, str]
"""By the key they stand at or above; a table's own are those above its header."""

METERED = "metered"


@dataclass(frozen=True, slots=True)
class Amount:
    """One amount of a price.

    Attributes:
        minor: In the currency's smallest unit.
        units: What it is for; 0 for a flat amount.
        key: Where it stands within the price's table.
    """

    minor: Decimal
    units: int
    key: Path


@dataclass(frozen=True, slots=True)
class SeenPrice:
    """A price, with what tells what it was meant to cost.

    Attributes:
        place: What names it: file and table, or Stripe's id.
        product: Stripe's id of the product.
        meter: Event name of the meter, else its id; empty for none.
        names: Lookup key, nickname, table.
        comments: By the key within the table; () is above its header.
    """

    place: str
    product: str
    currency: str
    form: PriceForm | None
    interval: Interval
    interval_count: int
    active: bool
    meter: str = ""
    metered: bool = False
    declared: bool = False
    names: tuple[str, ...] = ()
    comments: Comments = field(default_factory=dict)

    def at(self, key: Path) -> str:
        """Return where an amount of it stands."""
        return ".".join((self.place, *key)) if self.declared else self.place

    def amounts(self) -> Iterator[Amount]:
        """Yield every amount it has, in the order they are written."""
        match self.form:
            case PerUnit(unit):
                yield Amount(unit, 1, ("unit",))
            case Package(amount, size):
                yield Amount(amount, size, ("package", "amount"))
            case Tiered(_, tiers):
                for index, tier in enumerate(tiers):
                    yield Amount(tier.unit, 1, ("tiers", str(index), "unit"))
                    yield Amount(tier.flat, 0, ("tiers", str(index), "flat"))
            case None:
                return

    def money(self, minor: Decimal) -> str:
        """Write an amount of it."""
        return str(Money.of_minor(minor, self.currency))

    @property
    def first_unit(self) -> Decimal:
        """What a unit costs at first, where it costs anything; else 0."""
        each = (a.minor / a.units for a in self.amounts() if a.units and a.minor)
        return next(each, Decimal(0))


def declared_prices(
    catalogue: Catalogue, file: str, comments: Comments
) -> tuple[SeenPrice, ...]:
    """Return the prices of the configuration; `file` names it."""
    return tuple(
        SeenPrice(
            place=f"{file}: prices.{spec.name}",
            product=catalogue.products[spec.product].id,
            currency=spec.currency,
            form=spec.form,
            interval=spec.interval,
            interval_count=spec.interval_count,
            active=spec.active,
            meter=catalogue.meters[spec.meter].event_name if spec.meter else "",
            metered=bool(spec.meter),
            declared=True,
            names=(spec.lookup_key, spec.nickname, spec.name),
            comments={
                path[2:]: text
                for path, text in comments.items()
                if path[:2] == ("prices", spec.name)
            },
        )
        for spec in catalogue.prices.values()
    )


def account_prices(account: Account) -> tuple[SeenPrice, ...]:
    """Return the prices of the account."""
    events = {meter.id: meter.event_name for meter in account.meters}
    return tuple(
        SeenPrice(
            place=f"{price.id} ({price.lookup_key})" if price.lookup_key else price.id,
            product=price.product_id,
            currency=price.currency,
            form=price.form,
            interval=price.interval,
            interval_count=price.interval_count,
            active=price.active,
            meter=events.get(price.meter_id, price.meter_id),
            metered=price.metered or price.usage_type == METERED,
            names=(price.lookup_key, price.nickname),
        )
        for price in account.prices
    )
