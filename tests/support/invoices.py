"""What tests ask of the local Stripe's invoices."""

from collections.abc import Mapping
from typing import Any

from meterdeck.core.local_stripe import LocalStripe


def preview(local: LocalStripe, **params: object) -> dict[str, Any]:
    """Ask for the next invoice."""
    return local.call("POST", "/v1/invoices/create_preview", params)


def invoices(local: LocalStripe, **params: object) -> list[dict[str, Any]]:
    """Ask for the invoices, newest first."""
    answer: dict[str, Any] = local.call("GET", "/v1/invoices", params)
    return list(answer["data"])


def amounts(invoice: Mapping[str, Any]) -> list[int]:
    """Give the amounts of an invoice's lines."""
    return [line["amount"] for line in invoice["lines"]["data"]]


def told(local: LocalStripe, pattern: str) -> list[tuple[str, int]]:
    """Give types and times of the events of this pattern, oldest first."""
    params = {"type": pattern, "limit": 100}
    answer: dict[str, Any] = local.call("GET", "/v1/events", params)
    return [(event["type"], event["created"]) for event in reversed(answer["data"])]
