"""What Stripe bills: a subscription's prices with their tiers, and the next invoice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from meterdeck.core.adapters import stripe_objects as read
from meterdeck.core.adapters.stripe_prices import price
from meterdeck.core.adapters.stripe_requests import StripeRequests
from meterdeck.core.adapters.stripe_transport import Json
from meterdeck.core.model.billed import (
    BilledItem,
    BilledSubscription,
    InvoicePreview,
    LatestInvoice,
    PreviewLine,
)
from meterdeck.core.model.prices import PriceInfo
from meterdeck.core.model.usage import TenantStatus

_PREVIEW = "/v1/invoices/create_preview"
_EXPANDED = ("price.tiers", "price.product")
_MOST_KEYS = 10  # of one request; Stripe takes no more


class StripePricing:
    """Reads of one account; each raises as `StripeGateway` says."""

    def __init__(self, requests: StripeRequests) -> None:
        self._requests = requests

    async def subscription(self, subscription_id: str) -> BilledSubscription:
        """Return a subscription with all its items, and their prices with tiers."""
        path = f"/v1/subscriptions/{quote(subscription_id, safe='')}"
        expand = [*(f"items.data.{each}" for each in _EXPANDED), "latest_invoice"]
        raw = await self._requests.read(path, {"expand": expand})
        found = read.subscription(raw)
        items = tuple([_item(entry) for entry in await self._items(raw)])
        trial_end = read.moment(raw, "trial_end")
        pause = read.inner(raw, "pause_collection")
        return BilledSubscription(
            found.id,
            found.customer_id,
            found.status,
            read.text(raw, "currency"),
            items,
            discounted=bool(raw.get("discounts")),
            trial_end=trial_end if found.status is TenantStatus.TRIALING else None,
            created=found.created,
            cancel_at=_ends(raw, items),
            canceled_at=read.moment(raw, "canceled_at"),
            by_invoice=read.text(raw, "collection_method") == "send_invoice",
            invoice=_invoice(read.inner(raw, "latest_invoice")),
            pause=read.text(pause, "behavior"),
            resumes_at=read.moment(pause, "resumes_at"),
        )

    async def price(self, price_id: str) -> PriceInfo:
        """Return one price with its tiers."""
        path = f"/v1/prices/{quote(price_id, safe='')}"
        return price(await self._requests.read(path, {"expand": ["tiers"]}))

    async def prices(self, lookup_keys: Sequence[str]) -> tuple[PriceInfo, ...]:
        """Return the active prices that have one of these lookup keys."""
        found: list[PriceInfo] = []
        for start in range(0, len(lookup_keys), _MOST_KEYS):
            params = {
                "lookup_keys": list(lookup_keys[start : start + _MOST_KEYS]),
                "active": True,
                "expand": ["data.tiers"],
            }
            listed = self._requests.listed("/v1/prices", params)
            found += [price(raw) async for raw in listed]
        return tuple(found)

    async def preview(self, subscription_id: str) -> InvoicePreview:
        """Return the invoice that would end the running period, were it over now.

        A read, though it is a POST: nothing is made, and it may be repeated.
        """
        params = {"subscription": subscription_id}
        raw = await self._requests.read(_PREVIEW, params, method="post")
        lines = read.rows(read.inner(raw, "lines"))
        if read.inner(raw, "lines").get("has_more") is True:
            lines = await self._lines(raw)
        return InvoicePreview(
            read.text(raw, "currency"),
            _whole(raw, "subtotal"),
            _whole(raw, "total"),
            _whole(raw, "amount_due"),
            tuple(_line(entry) for entry in lines),
        )

    async def _items(self, raw: Json) -> list[Json]:
        items = read.inner(raw, "items")
        if items.get("has_more") is not True:
            return read.rows(items)
        params = {
            "subscription": read.object_id(raw),
            "expand": [f"data.{each}" for each in _EXPANDED],
        }
        listed = self._requests.listed("/v1/subscription_items", params)
        return [item async for item in listed]

    async def _lines(self, raw: Json) -> list[Json]:
        path = f"/v1/invoices/{quote(read.object_id(raw), safe='')}/lines"
        return [line async for line in self._requests.listed(path, {})]


def _ends(raw: Mapping[str, Any], items: Sequence[BilledItem]) -> datetime | None:
    ends = [each.end for each in items if each.end is not None]
    if raw.get("cancel_at_period_end") is True and ends:
        return min(ends)
    return read.moment(raw, "cancel_at")


def _invoice(raw: Mapping[str, Any]) -> LatestInvoice | None:
    if not read.text(raw, "id"):
        return None
    return LatestInvoice(
        read.object_id(raw),
        read.text(raw, "status"),
        _whole(raw, "amount_remaining"),
        read.text(raw, "currency"),
        _whole(raw, "attempt_count"),
        read.moment(raw, "next_payment_attempt"),
    )


def _item(raw: Mapping[str, Any]) -> BilledItem:
    quantity, sold = raw.get("quantity"), read.inner(raw, "price")
    return BilledItem(
        read.object_id(raw),
        price(sold),
        quantity if isinstance(quantity, int) else None,
        read.moment(raw, "current_period_start"),
        read.moment(raw, "current_period_end"),
        read.text(read.inner(sold, "product"), "name"),
    )


def _line(raw: Mapping[str, Any]) -> PreviewLine:
    details = read.inner(read.inner(raw, "pricing"), "price_details")
    return PreviewLine(
        read.reference(details, "price"),
        _whole(raw, "amount"),
        _quantity(raw),
        read.text(raw, "description"),
    )


def _quantity(raw: Mapping[str, Any]) -> Decimal | None:
    written = raw.get("quantity_decimal", raw.get("quantity"))
    try:
        return None if written is None else Decimal(str(written))
    except InvalidOperation:
        return None


def _whole(raw: Mapping[str, Any], key: str) -> int:
    value = raw.get(key)
    return value if isinstance(value, int) else 0
