"""Filters over meters and prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from meterdeck.core.model.catalogue_sight import MeterSight, PriceSight
from meterdeck.core.model.filter import RecordFilter, record_filter

Seen = MeterSight | PriceSight


def _name(seen: Seen) -> str:
    if isinstance(seen, MeterSight):
        return seen.meter.display_name
    product = seen.product.name if seen.product else ""
    return f"{product} {seen.price.nickname}"


def _of_price(read: Callable[[PriceSight], str]) -> Callable[[Seen], str]:
    return lambda seen: read(seen) if isinstance(seen, PriceSight) else ""


def _of_meter(read: Callable[[MeterSight], str]) -> Callable[[Seen], str]:
    return lambda seen: read(seen) if isinstance(seen, MeterSight) else ""


CATALOGUE_FIELDS: Mapping[str, Callable[[Seen], str]] = {
    "name": _name,
    "meter": _of_meter(lambda seen: seen.meter.event_name),
    "formula": _of_meter(lambda seen: seen.meter.formula),
    "key": _of_price(lambda seen: seen.price.lookup_key),
    "product": _of_price(lambda seen: seen.product.id if seen.product else ""),
    "currency": _of_price(lambda seen: seen.price.currency),
    "id": lambda seen: seen.meter.id if isinstance(seen, MeterSight) else seen.price.id,
}


@lru_cache(maxsize=16)
def catalogue_filter(text: str) -> RecordFilter[Seen]:
    """Return what tells whether a meter or a price is wanted.

    Raises:
        BadInput: The text cannot be read as a filter of the catalogue.
    """
    return record_filter(text, CATALOGUE_FIELDS)
