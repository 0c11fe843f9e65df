"""`POST /v1/billing/meter_events`."""

from __future__ import annotations

from collections.abc import Mapping

from meterdeck.core.local_stripe.ingest import (
    MeterEvent,
    count,
    examine_at_once,
    tell,
    time_for,
)
from meterdeck.core.local_stripe.meter_event_problems import Problem
from meterdeck.core.local_stripe.operations import Call, Caller, Operation
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.local_stripe.schema import (
    EXPAND,
    LATEST,
    TIME,
    Section,
    Text,
    TextMap,
)
from meterdeck.core.local_stripe.wire import Json, Raw, from_seconds, seconds
from meterdeck.core.local_stripe.world import World

# Stripe publishes no limits for payloads; these only keep one request small.
PAYLOAD = TextMap(longest_key=500, longest_value=5_000, most=1_000)
SCHEMA = Section(
    {
        "event_name": Text(100),
        "identifier": Text(100),
        "payload": PAYLOAD,
        "timestamp": TIME,
        **EXPAND,
    },
    required=("event_name", "payload"),
)


def create(world: World, call: Call) -> Json:
    """Accept an event; its answer has no id, and nothing ever lists it."""
    now = world.now()
    sent = call.parameters.integer("timestamp")
    name = call.parameters.required_text("event_name")
    payload = call.parameters.texts("payload")
    event = MeterEvent(
        event_name=name,
        identifier=call.parameters.text("identifier") or world.ids.identifier(),
        payload=payload,
        timestamp=time_for(world, name, payload, now)
        if sent is None
        else from_seconds(sent),
    )
    outcome = examine_at_once(world, event, now)
    if isinstance(outcome, Problem):
        raise outcome.v1()
    count(world, event, outcome, now, call.caller)
    return {
        "object": "billing.meter_event",
        "created": seconds(now),
        "event_name": event.event_name,
        "identifier": event.identifier,
        "livemode": False,
        "payload": dict(event.payload),
        "timestamp": seconds(event.timestamp),
    }


def tell_refusal(
    world: World, raw: Mapping[str, Raw], caller: Caller, refusal: LocalStripeRefusal
) -> None:
    """Tell the sandbox of a refused event, as far as it can be read."""
    now = world.now()
    payload = raw.get("payload")
    fields = payload.items() if isinstance(payload, dict) else ()
    sent = raw.get("timestamp")
    number = isinstance(sent, str) and len(sent) <= 11 and sent.isdecimal()
    valid = number and int(str(sent)) <= LATEST
    event = MeterEvent(
        event_name=_text(raw.get("event_name")),
        identifier=_text(raw.get("identifier")),
        payload={key: value for key, value in fields if isinstance(value, str)},
        timestamp=from_seconds(int(str(sent))) if valid else now,
    )
    tell(world, event, now, caller, refusal.message)


def _text(raw: Raw | None) -> str:
    return raw if isinstance(raw, str) else ""


OPERATIONS = (
    Operation("POST", "/v1/billing/meter_events", create, SCHEMA, tell_refusal),
)
