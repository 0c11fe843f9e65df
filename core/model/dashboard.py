"""Addresses of objects in Stripe's dashboard."""

from __future__ import annotations

import re

from meterdeck.core.model.context import STRIPE_API, Context, Mode

_DASHBOARD = "https://dashboard.stripe.com"
_ID = re.compile(r"[A-Za-z0-9_]+")
_PLACES = (
    ("cus_", "customers"),
    ("sub_", "subscriptions"),
    ("price_", "prices"),
    ("prod_", "products"),
    ("in_", "invoices"),
    ("mtr_", "meters"),
    ("evt_", "events"),
)


def dashboard_address(context: Context, object_id: str) -> str:
    """Return where Stripe's dashboard shows an object; "" where it has no such place.

    A sandbox's Stripe has no dashboard, and neither has one at another address than
    Stripe's own.
    """
    if context.stripe is None or context.mode is Mode.SANDBOX:
        return ""
    if context.stripe.api_base != STRIPE_API or not _ID.fullmatch(object_id):
        return ""
    for start, place in _PLACES:
        if object_id.startswith(start):
            mode = "" if context.mode is Mode.LIVE else "/test"
            return f"{_DASHBOARD}{mode}/{place}/{object_id}"
    return ""
