"""`/v1/billing/alerts`."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.local_stripe.alert_records import Alert
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import page_of
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.refusals import missing_param, rejected
from meterdeck.core.local_stripe.schema import (
    EXPAND,
    PAGE,
    Integer,
    ListOf,
    Section,
    Text,
)
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World

MOST_PER_CUSTOMER = 25
_URL = "/v1/billing/alerts"
_TYPE = Text(choices=("usage_threshold",))
_FILTER = Section(
    {"customer": Text(), "type": Text(choices=("customer",))}, required=("type",)
)
_CREATE = Section(
    {
        "alert_type": _TYPE,
        "title": Text(256),
        "usage_threshold": Section(
            {
                "filters": ListOf(_FILTER, 1),
                "gte": Integer(1),
                "meter": Text(),
                "recurrence": Text(choices=("one_time",)),
            },
            required=("gte", "meter", "recurrence"),
        ),
        **EXPAND,
    },
    required=("alert_type", "title"),
)
_LIST = Section({"alert_type": _TYPE, "meter": Text(), **PAGE})
_ONLY_EXPAND = Section(EXPAND)


def render(alert: Alert) -> Json:
    """Give the billing.alert object."""
    filters = [{"customer": alert.customer, "type": "customer"}]
    return {
        "id": alert.id,
        "object": "billing.alert",
        "alert_type": "usage_threshold",
        "livemode": False,
        "status": alert.status,
        "title": alert.title,
        "usage_threshold": {
            "filters": filters if alert.customer is not None else None,
            "gte": alert.gte,
            "meter": alert.meter,
            "recurrence": "one_time",
        },
    }


def create(world: World, call: Call) -> Json:
    """Watch a meter: one customer's usage on it, or everybody's."""
    sent = call.parameters
    threshold = sent.section("usage_threshold")
    if threshold is None:
        # Optional by Stripe's schema; there is no other kind of alert.
        raise missing_param("usage_threshold")
    meter = world.meters.get(threshold.required_text("meter"), threshold.path("meter"))
    customer = _filtered(world, threshold)
    _check_room(world, meter.id, customer)
    alert = Alert(
        id=world.ids.short("alrt"),
        created=world.now(),
        title=sent.required_text("title"),
        meter=meter.id,
        gte=threshold.required_integer("gte"),
        customer=customer,
    )
    world.alerts.put(alert)
    return render(alert)


def retrieve(world: World, call: Call) -> Json:
    """Give one alert, an archived one too."""
    return render(world.alerts.get(call.id))


def activate(world: World, call: Call) -> Json:
    """Let it fire again, for customers for whom it never did."""
    return _with_status(world, call, "active")


def archive(world: World, call: Call) -> Json:
    """Take it out of lists, for good."""
    return _with_status(world, call, "archived")


def deactivate(world: World, call: Call) -> Json:
    """Keep it from firing."""
    return _with_status(world, call, "inactive")


def list_(world: World, call: Call) -> Json:
    """List active and inactive alerts, newest first."""
    meter = call.parameters.text("meter")

    def keep(alert: Alert) -> bool:
        return alert.status != "archived" and meter in {None, alert.meter}

    return page_of(world.alerts, call.parameters, url=_URL, keep=keep, render=render)


def _filtered(world: World, threshold: Parameters) -> str | None:
    for each in threshold.sections("filters"):
        return world.living_customer(
            each.required_text("customer"), each.path("customer")
        ).id
    return None


def _check_room(world: World, meter: str, customer: str | None) -> None:
    same = [
        each
        for each in world.alerts.grouped(meter)
        if each.customer == customer and each.status != "archived"
    ]
    if len(same) >= MOST_PER_CUSTOMER:
        raise rejected(
            f"You can have at most {MOST_PER_CUSTOMER} alerts for a meter and a"
            " customer; archive one first.",
            "usage_threshold",
        )


def _with_status(world: World, call: Call, status: str) -> Json:
    alert = world.alerts.get(call.id)
    if alert.status == "archived":
        raise rejected("The alert is archived, which cannot be undone.")
    changed = replace(alert, status=status)
    world.alerts.put(changed)
    return render(changed)


OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, _ONLY_EXPAND),
    Operation("POST", f"{_URL}/{{}}/activate", activate, _ONLY_EXPAND),
    Operation("POST", f"{_URL}/{{}}/archive", archive, _ONLY_EXPAND),
    Operation("POST", f"{_URL}/{{}}/deactivate", deactivate, _ONLY_EXPAND),
)
