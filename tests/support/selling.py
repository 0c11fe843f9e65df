"""Catalogues as they are declared, and accounts that are as declared."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from meterdeck.core.adapters.catalogue_fields import (
    meter_fields,
    price_fields,
    product_fields,
)
from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.model.catalogue import (
    Account,
    Catalogue,
    MeterSpec,
    PriceSpec,
    ProductSpec,
)
from meterdeck.core.model.prices import (
    Package,
    PerUnit,
    PriceForm,
    PriceInfo,
    ProductInfo,
    Round,
    Tier,
    Tiered,
    TiersMode,
)
from meterdeck.core.model.subscriptions import MeterInfo

FORMS: tuple[PriceForm, ...] = (
    PerUnit(Decimal("0.001")),
    Package(Decimal(500), 1_000, Round.DOWN),
    Tiered(
        TiersMode.GRADUATED,
        (Tier(10, Decimal(2), Decimal(100)), Tier(None, Decimal(1))),
    ),
    Tiered(TiersMode.VOLUME, (Tier(5, flat=Decimal(7)), Tier(None, Decimal("0.5")))),
)
CENT = PerUnit(Decimal(1))


def meter(name: str = "calls", **more: Any) -> MeterSpec:
    """Return a meter that is declared."""
    return replace(MeterSpec(name, name, name), **more)


def product(name: str = "api", **more: Any) -> ProductSpec:
    """Return a product that is declared."""
    return replace(ProductSpec(name, f"prod_{name}", name), **more)


def price(
    name: str = "unit", form: PriceForm = CENT, meter: str = "calls", **more: Any
) -> PriceSpec:
    """Return a price that is declared, in dollars and of the product `api`."""
    spec = PriceSpec(name, name, "api", "usd", form, meter=meter)
    return replace(spec, **more)


def declared(*specs: MeterSpec | ProductSpec | PriceSpec) -> Catalogue:
    """Return a catalogue of these."""
    return Catalogue(
        {each.name: each for each in specs if isinstance(each, MeterSpec)},
        {each.name: each for each in specs if isinstance(each, ProductSpec)},
        {each.name: each for each in specs if isinstance(each, PriceSpec)},
    )


def account_of(catalogue: Catalogue) -> Account:
    """Return an account that is as declared; ids are of the names."""
    return Account(
        tuple(
            MeterInfo(
                f"mtr_{each.event_name}",
                each.event_name,
                each.display_name,
                each.formula.value,
                each.active,
                each.customer_key,
                each.value_key,
                each.event_time_window,
            )
            for each in catalogue.meters.values()
        ),
        tuple(
            ProductInfo(
                each.id, each.title, each.active, each.description, each.unit_label
            )
            for each in catalogue.products.values()
        ),
        tuple(
            PriceInfo(
                f"price_{each.lookup_key}",
                catalogue.products[each.product].id,
                each.currency,
                each.form,
                each.active,
                each.lookup_key,
                each.nickname,
                each.interval,
                each.interval_count,
                f"mtr_{catalogue.meters[each.meter].event_name}" if each.meter else "",
                each.tax_behavior,
            )
            for each in catalogue.prices.values()
        ),
    )


@dataclass(frozen=True)
class Shop:
    """A local Stripe that sells what is declared."""

    local: LocalStripe

    def sell(self, catalogue: Catalogue) -> dict[str, str]:
        """Create all of it in process; return the prices' ids by their names.

        What is declared inactive is so in the end.
        """
        meters = {
            each.name: self._post("/v1/billing/meters", meter_fields(each))
            for each in catalogue.meters.values()
        }
        for found in catalogue.products.values():
            self._post("/v1/products", product_fields(found))
        prices = {
            each.name: self._post(
                "/v1/prices",
                price_fields(
                    each,
                    catalogue.products[each.product].id,
                    meters[each.meter] if each.meter else "",
                ),
            )
            for each in catalogue.prices.values()
        }
        for spec in catalogue.meters.values():
            if not spec.active:
                self._post(f"/v1/billing/meters/{meters[spec.name]}/deactivate", {})
        return prices

    def _post(self, path: str, fields: dict[str, object]) -> str:
        return str(self.local.call("POST", path, fields)["id"])
