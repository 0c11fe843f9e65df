"""What is declared as the fields of the request that creates it; amounts as texts."""

from __future__ import annotations

from typing import Any

from meterdeck.core.model.catalogue import MeterSpec, PriceSpec, ProductSpec
from meterdeck.core.model.money import plain
from meterdeck.core.model.prices import (
    Interval,
    Package,
    PerUnit,
    PriceForm,
    Tier,
    Tiered,
)

Fields = dict[str, Any]


def meter_fields(spec: MeterSpec) -> Fields:
    """Return what creates a meter; it is active, whatever is declared."""
    fields: Fields = {
        "display_name": spec.display_name,
        "event_name": spec.event_name,
        "default_aggregation": {"formula": spec.formula.value},
        "customer_mapping": {"type": "by_id", "event_payload_key": spec.customer_key},
        "value_settings": {"event_payload_key": spec.value_key},
    }
    if spec.event_time_window:
        fields["event_time_window"] = spec.event_time_window
    return fields


def product_fields(spec: ProductSpec) -> Fields:
    """Return what creates a product under its declared id."""
    fields: Fields = {"id": spec.id, "name": spec.title, "active": spec.active}
    if spec.description:
        fields["description"] = spec.description
    if spec.unit_label:
        fields["unit_label"] = spec.unit_label
    return fields


def price_fields(spec: PriceSpec, product_id: str, meter_id: str) -> Fields:
    """Return what creates a price of a product, and of a meter where there is one."""
    fields: Fields = {
        "product": product_id,
        "currency": spec.currency,
        "lookup_key": spec.lookup_key,
        "active": spec.active,
        **_form(spec.form),
    }
    if spec.interval is not Interval.ONE_TIME:
        fields["recurring"] = {
            "interval": spec.interval.value,
            "interval_count": spec.interval_count,
            **({"usage_type": "metered", "meter": meter_id} if meter_id else {}),
        }
    if spec.nickname:
        fields["nickname"] = spec.nickname
    if spec.tax_behavior:
        fields["tax_behavior"] = spec.tax_behavior
    return fields


def _form(form: PriceForm) -> Fields:
    match form:
        case PerUnit(unit):
            return {"unit_amount_decimal": plain(unit)}
        case Package(amount, size, rounding):
            return {
                "unit_amount_decimal": plain(amount),
                "transform_quantity": {"divide_by": size, "round": rounding.value},
            }
        case Tiered(mode, tiers):
            return {
                "billing_scheme": "tiered",
                "tiers_mode": mode.value,
                "tiers": [_tier(tier) for tier in tiers],
            }


def _tier(tier: Tier) -> Fields:
    fields: Fields = {
        "up_to": "inf" if tier.up_to is None else tier.up_to,
        "unit_amount_decimal": plain(tier.unit),
    }
    if tier.flat:
        fields["flat_amount_decimal"] = plain(tier.flat)
    return fields
