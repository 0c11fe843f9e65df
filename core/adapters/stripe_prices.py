"""Read Stripe's prices: how often they bill, for which meter, and what they cost.

Stripe gives the tiers of a price only where they are asked for, by an `expand` of
`tiers`: without them the form of a tiered price is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from meterdeck.core.adapters.stripe_objects import (
    entries,
    inner,
    metadata,
    moment,
    object_id,
    reference,
    text,
)
from meterdeck.core.model.prices import (
    Interval,
    Package,
    PerUnit,
    PriceForm,
    PriceInfo,
    Round,
    Tier,
    Tiered,
    TiersMode,
)

_ZERO = Decimal(0)
_MODES = {mode.value: mode for mode in TiersMode}
_ROUNDS = {side.value: side for side in Round}
_INTERVALS = {interval.value: interval for interval in Interval}


def price(raw: Mapping[str, Any]) -> PriceInfo:
    """Read a price; its form is None where it is not one that can be reckoned with.

    Such as one whose amount the customer chooses, or a tiered one without its tiers.
    """
    recurring = inner(raw, "recurring")
    behavior, currency = text(raw, "tax_behavior"), text(raw, "currency")
    return PriceInfo(
        id=object_id(raw),
        product_id=reference(raw, "product"),
        currency=currency,
        form=_form(raw),
        active=raw.get("active") is True,
        lookup_key=text(raw, "lookup_key"),
        nickname=text(raw, "nickname"),
        interval=_INTERVALS.get(text(recurring, "interval"), Interval.ONE_TIME),
        interval_count=_whole(recurring, "interval_count") or 1,
        meter_id=text(recurring, "meter"),
        tax_behavior="" if behavior == "unspecified" else behavior,
        metadata=metadata(raw),
        created=moment(raw, "created"),
        usage_type=text(recurring, "usage_type"),
        currencies=tuple(sorted({*inner(raw, "currency_options")} - {currency})),
    )


def _form(raw: Mapping[str, Any]) -> PriceForm | None:
    if inner(raw, "custom_unit_amount"):
        return None
    if text(raw, "billing_scheme") == "tiered":
        return _tiered(raw)
    amount = _amount(raw, "unit_amount")
    package = inner(raw, "transform_quantity")
    if amount is None or not package:
        return None if amount is None else PerUnit(amount)
    size, side = _whole(package, "divide_by"), _ROUNDS.get(text(package, "round"))
    return Package(amount, size, side) if size and side else None


def _tiered(raw: Mapping[str, Any]) -> Tiered | None:
    mode = _MODES.get(text(raw, "tiers_mode"))
    tiers = tuple(_tier(entry) for entry in entries(raw, "tiers"))
    if mode is None or not tiers or not _rising([tier.up_to for tier in tiers]):
        return None
    return Tiered(mode, tiers)


def _tier(raw: Mapping[str, Any]) -> Tier:
    return Tier(
        _whole(raw, "up_to"),
        _amount(raw, "unit_amount") or _ZERO,
        _amount(raw, "flat_amount") or _ZERO,
    )


def _rising(ends: list[int | None]) -> bool:
    """Tell whether these are the ends of tiers that leave nothing out."""
    *closed, last = ends
    known = [end for end in closed if end is not None]
    return last is None and len(known) == len(closed) and known == sorted(set(known))


def _amount(raw: Mapping[str, Any], key: str) -> Decimal | None:
    """Return an exact amount: of a fraction of a cent there is only the decimal."""
    written = raw.get(f"{key}_decimal")
    if written is None:
        written = raw.get(key)
    if written is None or isinstance(written, bool):
        return None
    try:
        amount = Decimal(str(written))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _whole(raw: Mapping[str, Any], key: str) -> int | None:
    value = raw.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if value > 0 else None
