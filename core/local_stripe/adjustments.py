"""`POST /v1/billing/meter_event_adjustments`: cancel an event within 24 hours."""

from __future__ import annotations

from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.refusals import missing_param, rejected
from meterdeck.core.local_stripe.schema import EXPAND, Section, Text
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World

_TYPE = Text(choices=("cancel",))
SCHEMA = Section(
    {
        "cancel": Section({"identifier": Text(100)}),
        "event_name": Text(100),
        "type": _TYPE,
        **EXPAND,
    },
    required=("event_name", "type"),
)


def cancel(world: World, event_name: str, identifier: str) -> None:
    """Take an event out of its totals.

    Raises:
        LocalStripeRefusal: No such event within 24 hours, or it was cancelled before.
    """
    now = world.now()
    event = world.usage.accepted(identifier, now)
    if event is None or event.event_name != event_name:
        raise rejected(
            f"No event with identifier {identifier} was received for {event_name}"
            " within the past 24 hours.",
            "cancel[identifier]",
        )
    if event.cancelled:
        raise rejected(
            f"The event with identifier {identifier} was already cancelled.",
            "cancel[identifier]",
        )
    world.usage.cancel(event, now)


def create(world: World, call: Call) -> Json:
    """Cancel one event; the answer is pending, as Stripe applies it later."""
    section = call.parameters.section("cancel") or Parameters({}, "cancel")
    identifier = section.text("identifier")
    if identifier is None:
        raise missing_param("cancel[identifier]")
    event_name = call.parameters.required_text("event_name")
    cancel(world, event_name, identifier)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": event_name,
        "livemode": False,
        "status": "pending",
        "type": "cancel",
    }


OPERATIONS = (Operation("POST", "/v1/billing/meter_event_adjustments", create, SCHEMA),)
