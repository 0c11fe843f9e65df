"""`/v1/events`."""

from __future__ import annotations

import json

from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import in_range, page_of
from meterdeck.core.local_stripe.records import Event
from meterdeck.core.local_stripe.refusals import invalid
from meterdeck.core.local_stripe.schema import (
    EXPAND,
    PAGE,
    TIME_RANGE,
    Flag,
    ListOf,
    Section,
    Text,
)
from meterdeck.core.local_stripe.wire import API_VERSION, Json, seconds
from meterdeck.core.local_stripe.world import World

_URL = "/v1/events"
_LIST = Section(
    {
        "created": TIME_RANGE,
        "delivery_success": Flag(),
        "type": Text(),
        "types": ListOf(Text(), 20),
        **PAGE,
    }
)


def render(world: World, event: Event) -> Json:
    """Give the event object."""
    return {
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": seconds(event.created),
        "data": json.loads(event.data),
        "livemode": False,
        "pending_webhooks": world.outbox.pending(event.id),
        "request": {
            "id": event.request_id,
            "idempotency_key": event.idempotency_key,
        },
        "type": event.type,
    }


def retrieve(world: World, call: Call) -> Json:
    """Give one event."""
    return render(world, world.events.kept.get(call.id))


def list_(world: World, call: Call) -> Json:
    """List events, newest first; `type` may end in `*`."""
    sent = call.parameters
    delivered = sent.flag("delivery_success")
    pattern, types = sent.text("type"), sent.strings("types")
    if pattern is not None and types:
        raise invalid("You may only specify one of these parameters: type, types.")

    def keep(event: Event) -> bool:
        return (
            (not types or event.type in types)
            and (pattern is None or _fits(event.type, pattern))
            and (
                delivered is None or delivered == (world.outbox.pending(event.id) == 0)
            )
            and in_range(seconds(event.created), sent, "created")
        )

    return page_of(
        world.events.kept,
        sent,
        url=_URL,
        keep=keep,
        render=lambda event: render(world, event),
    )


def _fits(event_type: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return event_type.startswith(pattern[:-1])
    return event_type == pattern


OPERATIONS = (
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(EXPAND)),
)
