"""What of a price Stripe never changes: whoever wants another needs another price."""

from __future__ import annotations

from meterdeck.core.model.catalogue import PriceSpec
from meterdeck.core.model.prices import Interval, PriceInfo


def same_terms(
    spec: PriceSpec, price: PriceInfo, product_id: str, meter_id: str
) -> bool:
    """Tell whether a price is what is declared in everything that cannot change.

    Amounts are compared as numbers: 0.5 is 0.50.
    """
    return (
        spec.form == price.form
        and spec.currency == price.currency
        and product_id == price.product_id
        and meter_id == price.meter_id
        and spec.interval is price.interval
        and (
            spec.interval is Interval.ONE_TIME
            or spec.interval_count == price.interval_count
        )
    )
