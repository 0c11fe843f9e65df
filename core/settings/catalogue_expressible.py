"""What of an import the configuration would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from meterdeck.core.errors import BadInput
from meterdeck.core.model.catalogue import (
    Catalogue,
    MeterSpec,
    PriceSpec,
    ProductSpec,
)
from meterdeck.core.model.catalogue_import import Imported
from meterdeck.core.model.money import parse_money
from meterdeck.core.model.price_import import LeftOut
from meterdeck.core.settings.catalogue_schema import (
    MeterSettings,
    PriceSettings,
    ProductSettings,
)
from meterdeck.core.settings.catalogue_toml import Table, tables_of

Spec = TypeVar("Spec", MeterSpec, ProductSpec, PriceSpec)
_SCHEMAS: Mapping[str, type[BaseModel]] = {
    "meters": MeterSettings,
    "products": ProductSettings,
    "prices": PriceSettings,
}


def expressible(imported: Imported) -> Imported:
    """Leave out what the configuration would refuse, and what needs it."""
    catalogue = imported.catalogue
    tables = tables_of(catalogue)
    wrong = {
        (section, name): why
        for section, named in tables.items()
        for name, table in named.items()
        if (why := _refused(section, table))
    }
    for spec in catalogue.prices.values():
        for needed in (("products", spec.product), ("meters", spec.meter)):
            if needed in wrong:
                wrong["prices", spec.name] = f"needs {'.'.join(needed)}"
    left_out = [
        LeftOut(_identity(catalogue, section, name), f"cannot be declared: {why}")
        for (section, name), why in wrong.items()
    ]
    return replace(
        imported,
        catalogue=Catalogue(
            _without(catalogue.meters, "meters", wrong),
            _without(catalogue.products, "products", wrong),
            _without(catalogue.prices, "prices", wrong),
        ),
        left_out=(*imported.left_out, *left_out),
    )


def _identity(catalogue: Catalogue, section: str, name: str) -> str:
    """Return by what Stripe knows it."""
    if section == "meters":
        return f"meter {catalogue.meters[name].event_name}"
    if section == "products":
        return catalogue.products[name].id
    return f"price {catalogue.prices[name].lookup_key}"


def _without(
    specs: Mapping[str, Spec], section: str, wrong: Mapping[tuple[str, str], str]
) -> dict[str, Spec]:
    return {name: each for name, each in specs.items() if (section, name) not in wrong}


def _refused(section: str, table: Table) -> str:
    """Return why the configuration would refuse a table; empty where it takes it."""
    try:
        _SCHEMAS[section].model_validate(table)
        for amount in _amounts(table):
            parse_money(amount)
    except ValidationError as error:
        return str(error.errors(include_input=False)[0]["msg"])
    except BadInput as error:
        return str(error)
    return ""


def _amounts(table: Table) -> Iterator[str]:
    for place in (table, *table.get("tiers", ()), table.get("package", {})):
        yield from (place[key] for key in ("unit", "flat", "amount") if key in place)
