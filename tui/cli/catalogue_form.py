"""The JSON forms of meters, products and prices.

Amounts are exact texts in the currency's main unit: "0.001" of `usd`.
"""

from __future__ import annotations

from decimal import Decimal

from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.money import Money, plain
from meterdeck.core.model.prices import (
    Package,
    PerUnit,
    PriceForm,
    PriceInfo,
    ProductInfo,
    Tiered,
)
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.tui.cli.json_form import Form, moment


def account_form(account: Account) -> Form:
    """Return everything that an account sells."""
    return {
        "meters": [meter_form(each) for each in account.meters],
        "products": [product_form(each) for each in account.products],
        "prices": [price_form(each) for each in account.prices],
    }


def meter_form(meter: MeterInfo) -> Form:
    """Return a meter."""
    return {
        "id": meter.id,
        "event_name": meter.event_name,
        "display_name": meter.display_name,
        "formula": meter.formula,
        "customer_key": meter.customer_key,
        "value_key": meter.value_key,
        "event_time_window": meter.event_time_window or None,
        "active": meter.active,
        "created": moment(meter.created),
    }


def product_form(product: ProductInfo) -> Form:
    """Return a product."""
    return {
        "id": product.id,
        "name": product.name,
        "description": product.description,
        "unit_label": product.unit_label,
        "active": product.active,
        "default_price": product.default_price or None,
        "created": moment(product.created),
    }


def price_form(price: PriceInfo) -> Form:
    """Return a price with its amounts."""
    return {
        "id": price.id,
        "lookup_key": price.lookup_key or None,
        "product": price.product_id,
        "meter": price.meter_id or None,
        "currency": price.currency,
        **form_form(price.form, price.currency),
        "interval": price.interval.value,
        "interval_count": price.interval_count,
        "nickname": price.nickname,
        "tax_behavior": price.tax_behavior or "unspecified",
        "active": price.active,
        "created": moment(price.created),
    }


def form_form(form: PriceForm | None, currency: str) -> Form:
    """Return `form` and the key that has its amounts."""

    def main(minor: Decimal) -> str:
        return plain(Money.of_minor(minor, currency).amount)

    match form:
        case None:
            return {"form": "other"}
        case PerUnit(unit):
            return {"form": "unit", "unit": main(unit)}
        case Package(amount, size, rounding):
            package = {"amount": main(amount), "size": size, "round": rounding.value}
            return {"form": "package", "package": package}
        case Tiered(mode, tiers):
            steps = [
                {"up_to": each.up_to, "unit": main(each.unit), "flat": main(each.flat)}
                for each in tiers
            ]
            return {"form": mode.value, "tiers": steps}
