"""Make the catalogue of its settings: names that lead somewhere, amounts exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from meterdeck.core.errors import BadInput, ConfigError
from meterdeck.core.model.catalogue import (
    NO_CATALOGUE,
    Catalogue,
    MeterSpec,
    PriceSpec,
    ProductSpec,
)
from meterdeck.core.model.money import Money, parse_money
from meterdeck.core.model.prices import Package, PerUnit, PriceForm, Tier, Tiered
from meterdeck.core.settings.catalogue_schema import PriceSettings
from meterdeck.core.settings.nearest import suggest
from meterdeck.core.settings.problems import Origins
from meterdeck.core.settings.schema import Settings


def resolve_catalogue(settings: Settings, origins: Origins) -> Catalogue:
    """Return what the configuration declares.

    Raises:
        ConfigError: A price of no product or meter, amounts in two currencies, an
            amount that is none, or two of one name in Stripe.
    """
    if not (settings.meters or settings.products or settings.prices):
        return NO_CATALOGUE
    meters = {
        name: MeterSpec(
            name=name,
            event_name=found.event_name or name,
            display_name=found.display_name or name,
            formula=found.formula,
            customer_key=found.customer_key,
            value_key=found.value_key,
            event_time_window=found.event_time_window,
            active=found.active,
            replaces=found.replaces,
        )
        for name, found in settings.meters.items()
    }
    products = {
        name: ProductSpec(
            name=name,
            id=found.id or f"prod_{name}",
            title=found.name or name,
            description=found.description,
            unit_label=found.unit_label,
            active=found.active,
        )
        for name, found in settings.products.items()
    }
    prices = {
        name: _Price(settings, origins, name, found).spec()
        for name, found in settings.prices.items()
    }
    events = {name: each.event_name for name, each in meters.items()}
    _all_different(origins, "meters", "event_name", events)
    ids = {name: each.id for name, each in products.items()}
    _all_different(origins, "products", "id", ids)
    keys = {name: each.lookup_key for name, each in prices.items()}
    _all_different(origins, "prices", "lookup_key", keys)
    return Catalogue(meters, products, prices)


def _all_different(
    origins: Origins, table: str, key: str, named: Mapping[str, str]
) -> None:
    first: dict[str, str] = {}
    for name, value in named.items():
        other = first.setdefault(value, name)
        if other != name:
            raise ConfigError(
                origins.where((table, name)),
                f"has the same {key} {value!r} as {table}.{other}",
                f"give each its own {key}",
            )


@dataclass(frozen=True, slots=True)
class _Price:
    """One price on its way from the settings."""

    settings: Settings
    origins: Origins
    name: str
    found: PriceSettings

    def spec(self) -> PriceSpec:
        found = self.found
        self._leads("product", found.product, self.settings.products)
        if found.meter:
            self._leads("meter", found.meter, self.settings.meters)
        form, currency = self._form()
        tax = found.tax_behavior
        return PriceSpec(
            name=self.name,
            lookup_key=found.lookup_key or self.name,
            product=found.product,
            currency=currency,
            form=form,
            meter=found.meter,
            interval=found.interval,
            interval_count=found.interval_count,
            nickname=found.nickname,
            tax_behavior="" if tax == "unspecified" else tax,
            active=found.active,
        )

    def _form(self) -> tuple[PriceForm, str]:
        found = self.found
        if found.unit is not None:
            money = self._money(found.unit, "unit")
            return PerUnit(money.minor), money.currency
        if found.package is not None:
            package = found.package
            money = self._money(package.amount, "package", "amount")
            return Package(money.minor, package.size, package.round), money.currency
        return self._tiered()

    def _tiered(self) -> tuple[PriceForm, str]:
        mode = self.found.mode
        assert mode is not None  # the schema asked for it
        currency, tiers = "", []
        for tier in self.found.tiers:
            amounts = dict.fromkeys(("unit", "flat"), Decimal(0))
            for key, text in (("unit", tier.unit), ("flat", tier.flat)):
                if text is None:
                    continue
                money = self._money(text, "tiers")
                currency = currency or money.currency
                if money.currency != currency:
                    both = f"{currency.upper()} and {money.currency.upper()}"
                    raise ConfigError(
                        self._where("tiers"),
                        f"has amounts in {both}",
                        "a price is in one currency; declare another for each",
                    )
                amounts[key] = money.minor
            up_to = None if tier.up_to == "inf" else tier.up_to
            tiers.append(Tier(up_to, **amounts))
        return Tiered(mode, tuple(tiers)), currency

    def _money(self, text: str, *keys: str) -> Money:
        try:
            money = parse_money(text)
        except BadInput as error:
            raise ConfigError(self._where(*keys), str(error)) from error
        if money.amount < 0:
            raise ConfigError(
                self._where(*keys), f"{text!r} is negative", "a price costs 0 or more"
            )
        return money

    def _leads(self, key: str, name: str, there: Mapping[str, object]) -> None:
        if name not in there:
            raise ConfigError(
                self._where(key), f"there is no [{key}s.{name}]", suggest(name, there)
            )

    def _where(self, *keys: str) -> str:
        return self.origins.where(("prices", self.name, *keys))
