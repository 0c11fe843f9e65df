"""The price object, and the plan object that still stands beside it."""

from __future__ import annotations

from meterdeck.core.local_stripe.records import Price, Tier
from meterdeck.core.local_stripe.wire import Json, seconds


def render(price: Price) -> Json:
    """Give the price object; `tiers` only come expanded."""
    recurring = price.recurring
    return {
        "id": price.id,
        "object": "price",
        "active": price.active,
        "billing_scheme": "tiered" if price.tiers else "per_unit",
        "created": seconds(price.created),
        "currency": price.currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": price.lookup_key,
        "metadata": dict(price.metadata),
        "nickname": price.nickname,
        "product": price.product,
        "recurring": recurring
        and {
            "interval": recurring.interval,
            "interval_count": recurring.interval_count,
            "meter": recurring.meter,
            "trial_period_days": recurring.trial_period_days,
            "usage_type": recurring.usage_type,
        },
        "tax_behavior": price.tax_behavior,
        "tiers_mode": price.tiers_mode,
        "transform_quantity": _transform(price),
        "type": "recurring" if recurring else "one_time",
        "unit_amount": price.unit.whole,
        "unit_amount_decimal": price.unit.exact,
    }


def render_plan(price: Price) -> Json:
    """Give the plan object that still stands beside a price on items."""
    recurring = price.recurring
    return {
        "id": price.id,
        "object": "plan",
        "active": price.active,
        "amount": price.unit.whole,
        "amount_decimal": price.unit.exact,
        "billing_scheme": "tiered" if price.tiers else "per_unit",
        "created": seconds(price.created),
        "currency": price.currency,
        "interval": recurring and recurring.interval,
        "interval_count": recurring and recurring.interval_count,
        "livemode": False,
        "metadata": dict(price.metadata),
        "meter": recurring and recurring.meter,
        "nickname": price.nickname,
        "product": price.product,
        "tiers_mode": price.tiers_mode,
        "transform_usage": _transform(price),
        "trial_period_days": recurring and recurring.trial_period_days,
        "usage_type": recurring and recurring.usage_type,
    }


def render_tiers(price: Price) -> list[Json]:
    """Give the tiers as an expanded price shows them."""
    return [_render_tier(tier) for tier in price.tiers]


def render_currency_options(price: Price) -> Json:
    """Give the price in its one currency, as the expanded field has it."""
    option: Json = {
        "custom_unit_amount": None,
        "tax_behavior": price.tax_behavior,
        "unit_amount": price.unit.whole,
        "unit_amount_decimal": price.unit.exact,
    }
    return {price.currency: option}


def _transform(price: Price) -> Json | None:
    if price.divide_by is None:
        return None
    return {"divide_by": price.divide_by, "round": price.round_to}


def _render_tier(tier: Tier) -> Json:
    return {
        "flat_amount": tier.flat.whole,
        "flat_amount_decimal": tier.flat.exact,
        "unit_amount": tier.unit.whole,
        "unit_amount_decimal": tier.unit.exact,
        "up_to": tier.up_to,
    }
