"""Reads where Stripe pushes events to: v2's destinations, and webhook endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meterdeck.core.adapters import stripe_objects as read
from meterdeck.core.adapters.stripe_requests import StripeRequests
from meterdeck.core.model.destinations import Destination

_V2 = "/v2/core/event_destinations"
_V1 = "/v1/webhook_endpoints"
_URL_TOO = {"include": ["webhook_endpoint.url"]}


async def destinations(requests: StripeRequests) -> tuple[Destination, ...]:
    """Return every destination that is a URL, each once."""
    found = [_v1(raw) async for raw in requests.listed(_V1, {})]
    found += [
        _v2(raw)
        async for raw in requests.listed_v2(_V2, _URL_TOO)
        if read.text(raw, "type") == "webhook_endpoint"
    ]
    return tuple({each.id: each for each in found}.values())


def _v1(raw: Mapping[str, Any]) -> Destination:
    return Destination(
        read.object_id(raw),
        read.text(raw, "url"),
        enabled=read.text(raw, "status") == "enabled",
        thin=False,
        events=_texts(raw, "enabled_events"),
        version=read.text(raw, "api_version"),
    )


def _v2(raw: Mapping[str, Any]) -> Destination:
    return Destination(
        read.object_id(raw),
        read.text(read.inner(raw, "webhook_endpoint"), "url"),
        enabled=read.text(raw, "status") == "enabled",
        thin=read.text(raw, "event_payload") == "thin",
        events=_texts(raw, "enabled_events"),
        version=read.text(raw, "snapshot_api_version"),
    )


def _texts(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = raw.get(key)
    found = values if isinstance(values, list) else []
    return tuple(each for each in found if isinstance(each, str))
