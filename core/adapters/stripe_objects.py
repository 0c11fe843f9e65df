"""Read Stripe's JSON into our own types; a field that is missing is empty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from meterdeck.core.errors import StripeUnreachable
from meterdeck.core.model.prices import KEY_MARK, ProductInfo
from meterdeck.core.model.subscriptions import (
    Customer,
    MeterInfo,
    StripeEvent,
    Subscription,
    SubscriptionItem,
)
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantStatus

_LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second a datetime holds
_NOTHING: Mapping[str, Any] = {}


def customer(raw: Mapping[str, Any]) -> Customer:
    """Read a customer, deleted ones too."""
    return Customer(
        id=object_id(raw),
        name=text(raw, "name"),
        email=text(raw, "email"),
        metadata=metadata(raw),
        deleted=raw.get("deleted") is True,
    )


def subscription(raw: Mapping[str, Any]) -> Subscription:
    """Read a subscription; periods come from its items, as Stripe keeps them."""
    return Subscription(
        id=object_id(raw),
        customer_id=reference(raw, "customer"),
        status=_status(text(raw, "status")),
        items=tuple(_item(entry) for entry in rows(inner(raw, "items"))),
        billing_cycle_anchor=moment(raw, "billing_cycle_anchor"),
        metadata=metadata(raw),
        created=moment(raw, "created"),
    )


def event(raw: Mapping[str, Any]) -> StripeEvent:
    """Read an event: what it is about, not the copy of the object inside it."""
    about = inner(inner(raw, "data"), "object")
    is_customer = about.get("object") == "customer"
    about_id = text(about, "id")
    return StripeEvent(
        id=object_id(raw),
        type=text(raw, "type"),
        created=moment(raw, "created"),
        object_id=about_id,
        customer_id=about_id if is_customer else reference(about, "customer"),
    )


def meter(raw: Mapping[str, Any]) -> MeterInfo:
    """Read a meter."""
    mapping, settings = inner(raw, "customer_mapping"), inner(raw, "value_settings")
    return MeterInfo(
        id=object_id(raw),
        event_name=text(raw, "event_name"),
        display_name=text(raw, "display_name"),
        formula=text(inner(raw, "default_aggregation"), "formula"),
        active=text(raw, "status") == "active",
        customer_key=text(mapping, "event_payload_key") or "stripe_customer_id",
        value_key=text(settings, "event_payload_key") or "value",
        event_time_window=text(raw, "event_time_window"),
        created=moment(raw, "created"),
        deactivated_at=moment(inner(raw, "status_transitions"), "deactivated_at"),
    )


def product(raw: Mapping[str, Any]) -> ProductInfo:
    """Read a product."""
    return ProductInfo(
        id=object_id(raw),
        name=text(raw, "name"),
        active=raw.get("active") is True,
        description=text(raw, "description"),
        unit_label=text(raw, "unit_label"),
        default_price=reference(raw, "default_price"),
        metadata=metadata(raw),
        created=moment(raw, "created"),
    )


def aggregated(raw: Mapping[str, Any]) -> Decimal:
    """Read the value of a meter event summary, digit for digit as it was written.

    Raises:
        StripeUnreachable: It is not a number.
    """
    try:
        value = Decimal(str(raw.get("aggregated_value")))
    except InvalidOperation as error:
        raise _unreadable("a summary without a value") from error
    if not value.is_finite():
        raise _unreadable("a summary whose value is not finite")
    return value


def object_id(raw: Mapping[str, Any]) -> str:
    """Return the object's id.

    Raises:
        StripeUnreachable: There is none: this is not one of Stripe's objects.
    """
    found = text(raw, "id")
    if not found:
        raise _unreadable(f"an object without id ({visible(text(raw, 'object'))})")
    return found


def rows(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects of a list; anything else in it is left out."""
    return entries(page, "data")


def entries(raw: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the objects of an array; anything else in it is left out."""
    found = raw.get(key)
    if not isinstance(found, list):
        return []
    return [entry for entry in found if isinstance(entry, dict)]


def inner(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under a key, an empty one where there is none."""
    value = raw.get(key)
    return value if isinstance(value, Mapping) else _NOTHING


def text(raw: Mapping[str, Any], key: str) -> str:
    """Return the text under a key, empty where there is none."""
    value = raw.get(key)
    return _encodable(value) if isinstance(value, str) else ""


def reference(raw: Mapping[str, Any], key: str) -> str:
    """Return the id of a reference, expanded or not."""
    return text(raw, key) or text(inner(raw, key), "id")


def metadata(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return the object's metadata, which are texts."""
    found = inner(raw, "metadata")
    return {_encodable(str(key)): text(found, key) for key in found}


def moment(raw: Mapping[str, Any], key: str) -> datetime | None:
    """Return the moment under a key in Unix seconds, None where there is none."""
    value = raw.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return datetime.fromtimestamp(value, UTC) if 0 <= value <= _LATEST else None


def _unreadable(what: str) -> StripeUnreachable:
    return StripeUnreachable(f"Stripe's answer cannot be read: it holds {what}")


def _item(raw: Mapping[str, Any]) -> SubscriptionItem:
    price = inner(raw, "price")
    recurring, marks = inner(price, "recurring"), inner(price, "metadata")
    count = recurring.get("interval_count")
    return SubscriptionItem(
        price_id=text(price, "id"),
        # Of a price that was replaced, another one has it by now.
        lookup_key=text(price, "lookup_key") or text(marks, KEY_MARK),
        product_id=reference(price, "product"),
        meter_id=text(recurring, "meter"),
        usage_type=text(recurring, "usage_type"),
        interval=text(recurring, "interval"),
        interval_count=count if isinstance(count, int) and count > 0 else 1,
        period_start=moment(raw, "current_period_start"),
        period_end=moment(raw, "current_period_end"),
    )


def _encodable(written: str) -> str:
    # JSON can spell half a surrogate pair, which has no UTF-8 form for Redis.
    if written.isascii():
        return written
    return written.encode("utf-8", "replace").decode("utf-8")


def _status(word: str) -> TenantStatus:
    try:
        return TenantStatus(word)
    except ValueError:
        return TenantStatus.UNKNOWN
