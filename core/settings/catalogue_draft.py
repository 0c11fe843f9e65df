"""What is being written of the catalogue: checked as the configuration is.

A draft is tables, as they would stand in the file: the same ones are checked, shown
as TOML to paste, and made into what is created.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from meterdeck.core.errors import BadInput, ConfigError
from meterdeck.core.model.catalogue import (
    Account,
    Catalogue,
    MeterSpec,
    PriceSpec,
    ProductSpec,
)
from meterdeck.core.model.catalogue_draft import MeterDraft, PriceDraft, to_paste
from meterdeck.core.model.catalogue_lint import Subject, lint
from meterdeck.core.model.declared import Declared
from meterdeck.core.model.text import visible
from meterdeck.core.settings.catalogue_toml import Tables, toml_of
from meterdeck.core.settings.layers import Layer, file_layer
from meterdeck.core.settings.problems import Origins, as_config_error
from meterdeck.core.settings.resolve_catalogue import resolve_catalogue
from meterdeck.core.settings.schema import Settings

_SIBLINGS = 20
_DRAFT = "draft"
"""What stands for the file in lint's warnings."""


def checked(tables: Tables) -> Catalogue:
    """Return what the tables declare, by the configuration's own code.

    Raises:
        BadInput: Something is wrong; names the key, not the file.
    """
    layer: Layer = file_layer(None, _tree(tables))
    origins = Origins([layer])
    try:
        return resolve_catalogue(Settings.of([layer]), origins)
    except ValidationError as error:
        raise _said(as_config_error(error, origins)) from None
    except ConfigError as error:
        raise _said(error) from None


@dataclass(frozen=True, slots=True)
class DraftedMeter:
    """A meter that can be created, and the tables that declare it."""

    spec: MeterSpec
    tables: Tables

    @property
    def text(self) -> str:
        """The tables as TOML; takes some milliseconds."""
        return toml_of(self.tables)


@dataclass(frozen=True, slots=True)
class DraftedPrice:
    """A price that can be created, and the tables that declare it.

    Attributes:
        product_id: Stripe's id of the product that exists; empty for `product`.
        product: What has to be created before; None for nothing.
        meter_id: Stripe's id of the meter; empty for none.
        warnings: What lint says of it, a sentence each.
    """

    spec: PriceSpec
    tables: Tables
    product_id: str
    product: ProductSpec | None
    meter_id: str
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The tables as TOML; takes some milliseconds."""
        return toml_of(self.tables)


def drafted_meter(
    draft: MeterDraft, declared: Catalogue, account: Account
) -> DraftedMeter:
    """Check a meter that is to be created.

    Raises:
        BadInput: The configuration would refuse it, or its event name is taken.
    """
    tables = draft.tables()
    spec = checked(tables).meters[draft.name]
    taken = [m for m in account.meters if m.event_name == spec.event_name]
    if taken:
        name = visible(taken[0].display_name, 40)
        again = "" if taken[0].active else "; it is inactive and can be reactivated"
        raise BadInput(f"the meter {name} has this event name{again}")
    return DraftedMeter(spec, to_paste(tables, declared))


def drafted_price(
    draft: PriceDraft, declared: Catalogue, account: Account
) -> DraftedPrice:
    """Check a price that is to be created.

    Raises:
        BadInput: The configuration would refuse it, or its key or its new product's id
            is taken.
    """
    check_key(draft.lookup_key, account)
    tables = draft.tables(declared)
    found = checked(tables)
    spec = found.prices[draft.name]
    product = found.products[spec.product] if draft.product is None else None
    if product and any(known.id == product.id for known in account.products):
        raise BadInput(f"there is a product {visible(product.id, 40)}; choose that one")
    return DraftedPrice(
        spec,
        to_paste(tables, declared),
        draft.product.id if draft.product else "",
        product,
        draft.meter.id if draft.meter else "",
        tuple(_linted(found, spec.name, _siblings(draft, spec.currency, account))),
    )


def _siblings(draft: PriceDraft, currency: str, account: Account) -> Account:
    """Return a few prices to compare with: while one types it must be quick."""
    product = draft.product.id if draft.product else ""
    alike = (product, draft.meter.id if draft.meter else "", currency)
    prices = [
        price
        for price in account.prices
        if price.active and (price.product_id, price.meter_id, price.currency) == alike
    ]
    return Account(account.meters, account.products, tuple(prices[:_SIBLINGS]))


def _linted(found: Catalogue, name: str, account: Account) -> Iterator[str]:
    """Yield what lint says of one price beside those of the account."""
    place = f"{_DRAFT}: prices.{name}"
    for warning in lint(Subject(Declared(found), _DRAFT, account)):
        if warning.where == place or warning.where.startswith(f"{place}."):
            yield f"{warning.what}; {warning.right}"


def check_key(lookup_key: str, account: Account) -> None:
    """Refuse a lookup key that a price has.

    Raises:
        BadInput: One has it.
    """
    for price in account.prices:
        if lookup_key and price.lookup_key == lookup_key:
            raise BadInput(
                f"{visible(lookup_key, 40)} is the key of {visible(price.id, 40)};"
                " to replace that price change the configuration and apply it"
            )


def _tree(tables: Tables) -> dict[str, object]:
    return {
        group: {name: dict(table) for name, table in named.items()}
        for group, named in tables.items()
    }


def _said(error: ConfigError) -> BadInput:
    key = error.where.rpartition(".")[2]
    return BadInput(f"{key}: {error.problem}" + (f"; {error.fix}" if error.fix else ""))
