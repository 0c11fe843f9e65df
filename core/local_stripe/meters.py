"""`/v1/billing/meters`."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import page_of
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.records import Meter
from meterdeck.core.local_stripe.refusals import rejected
from meterdeck.core.local_stripe.schema import EXPAND, PAGE, Section, Text
from meterdeck.core.local_stripe.wire import Json, seconds
from meterdeck.core.local_stripe.world import World

_URL = "/v1/billing/meters"
_KEY = {"event_payload_key": Text(100)}
_CREATE = Section(
    {
        "customer_mapping": Section(
            {**_KEY, "type": Text(choices=("by_id",))},
            required=("event_payload_key", "type"),
        ),
        "default_aggregation": Section(
            {"formula": Text(choices=("count", "last", "sum"))}, required=("formula",)
        ),
        "display_name": Text(250),
        "event_name": Text(100),
        "event_time_window": Text(choices=("day", "hour")),
        "value_settings": Section(_KEY, required=("event_payload_key",)),
        **EXPAND,
    },
    required=("default_aggregation", "display_name", "event_name"),
)
_UPDATE = Section({"display_name": Text(250), **EXPAND})
_LIST = Section({"status": Text(choices=("active", "inactive")), **PAGE})
_ONLY_EXPAND = Section(EXPAND)


def render(meter: Meter) -> Json:
    """Give the billing.meter object."""
    ended = meter.deactivated_at
    return {
        "id": meter.id,
        "object": "billing.meter",
        "created": seconds(meter.created),
        "customer_mapping": {
            "event_payload_key": meter.customer_key,
            "type": "by_id",
        },
        "default_aggregation": {"formula": meter.formula},
        "display_name": meter.display_name,
        "event_name": meter.event_name,
        "event_time_window": meter.event_time_window,
        "livemode": False,
        "status": "active" if meter.active else "inactive",
        "status_transitions": {"deactivated_at": ended and seconds(ended)},
        "updated": seconds(meter.updated),
        "value_settings": {"event_payload_key": meter.value_key},
    }


def create(world: World, call: Call) -> Json:
    """Create a meter; an event name belongs to one meter for ever."""
    parameters = call.parameters
    event_name = parameters.required_text("event_name")
    if event_name in world.meter_of_event:
        raise rejected(
            f"A meter with the event name {event_name} already exists:"
            f" {world.meter_of_event[event_name]}.",
            "event_name",
        )
    now = world.now()
    aggregation = parameters.section("default_aggregation") or Parameters({})
    meter = Meter(
        id=world.ids.meter(),
        created=now,
        updated=now,
        display_name=parameters.required_text("display_name"),
        event_name=event_name,
        formula=aggregation.required_text("formula"),
        customer_key=_payload_key(parameters, "customer_mapping", "stripe_customer_id"),
        value_key=_payload_key(parameters, "value_settings", "value"),
        event_time_window=parameters.text("event_time_window"),
    )
    world.meters.put(meter)
    world.meter_of_event[event_name] = meter.id
    world.events.emit("billing.meter.created", render(meter))
    return render(meter)


def retrieve(world: World, call: Call) -> Json:
    """Give one meter."""
    return render(world.meters.get(call.id))


def update(world: World, call: Call) -> Json:
    """Change the display name, the only thing that can be changed."""
    meter = world.meters.get(call.id)
    name = call.parameters.text("display_name") or meter.display_name
    changed = replace(meter, display_name=name, updated=world.now())
    return _changed(world, meter, changed, "billing.meter.updated")


def deactivate(world: World, call: Call) -> Json:
    """Stop taking events."""
    meter = world.meters.get(call.id)
    if not meter.active:
        raise rejected("The meter is already inactive.")
    now = world.now()
    changed = replace(meter, deactivated_at=now, updated=now)
    return _changed(world, meter, changed, "billing.meter.deactivated")


def reactivate(world: World, call: Call) -> Json:
    """Take events again."""
    meter = world.meters.get(call.id)
    if meter.active:
        raise rejected("The meter is already active.")
    changed = replace(meter, deactivated_at=None, updated=world.now())
    return _changed(world, meter, changed, "billing.meter.reactivated")


def list_(world: World, call: Call) -> Json:
    """List meters, newest first."""
    status = call.parameters.text("status")

    def keep(meter: Meter) -> bool:
        return status is None or meter.active == (status == "active")

    return page_of(world.meters, call.parameters, url=_URL, keep=keep, render=render)


def _payload_key(parameters: Parameters, section: str, default: str) -> str:
    given = parameters.section(section)
    return default if given is None else given.required_text("event_payload_key")


def _changed(world: World, before: Meter, after: Meter, event_type: str) -> Json:
    world.meters.put(after)
    world.events.emit(event_type, render(after), render(before))
    return render(after)


OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, _ONLY_EXPAND),
    Operation("POST", f"{_URL}/{{}}", update, _UPDATE),
    Operation("POST", f"{_URL}/{{}}/deactivate", deactivate, _ONLY_EXPAND),
    Operation("POST", f"{_URL}/{{}}/reactivate", reactivate, _ONLY_EXPAND),
)
