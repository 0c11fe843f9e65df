"""`/v1/test_helpers/test_clocks`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from meterdeck.core.local_stripe import clock_rules, customers
from meterdeck.core.local_stripe.clock_rules import render
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import page_of
from meterdeck.core.local_stripe.records import FrozenClock
from meterdeck.core.local_stripe.schema import EXPAND, PAGE, TIME, Section, Text
from meterdeck.core.local_stripe.wire import Json, from_seconds
from meterdeck.core.local_stripe.world import World

_URL = "/v1/test_helpers/test_clocks"
_KEPT_FOR = timedelta(days=30)
_CREATE = Section(
    {"customer": Text(), "frozen_time": TIME, "name": Text(300), **EXPAND},
    required=("frozen_time",),
)
_ADVANCE = Section({"frozen_time": TIME, **EXPAND}, required=("frozen_time",))


def create(world: World, call: Call) -> Json:
    """Create a clock, empty or with a customer that exists."""
    sent = call.parameters
    now = world.now().replace(microsecond=0)
    clock = FrozenClock(
        id=world.ids.dated("clock", now),
        created=now,
        deletes_after=now + _KEPT_FOR,
        frozen_time=from_seconds(sent.required_integer("frozen_time")),
        name=sent.text("name"),
    )
    customer_id = sent.text("customer")
    if customer_id is not None:
        customer = world.living_customer(customer_id, "customer")
        clock_rules.attach(world, clock, customer, "customer")
    else:
        world.test_clocks.put(clock)
    clock_rules.tell(world, "created", clock)
    return render(clock)


def retrieve(world: World, call: Call) -> Json:
    """Give one clock."""
    return render(world.test_clocks.get(call.id))


def list_(world: World, call: Call) -> Json:
    """List clocks, newest first."""
    return page_of(
        world.test_clocks,
        call.parameters,
        url=_URL,
        keep=lambda clock: True,
        render=render,
    )


def advance(world: World, call: Call) -> Json:
    """Start to advance a clock; it is there, and `ready`, at the next request."""
    clock = world.test_clocks.get(call.id)
    target = from_seconds(call.parameters.required_integer("frozen_time"))
    clock_rules.check_advance(world, clock, target)
    advancing = replace(clock, target=target)
    world.test_clocks.put(advancing)
    clock_rules.tell(world, "advancing", advancing)
    return render(advancing)


def delete(world: World, call: Call) -> Json:
    """Delete a clock and its customers."""
    clock = world.test_clocks.get(call.id)
    remove(world, clock)
    return {"id": clock.id, "object": clock_rules.OBJECT, "deleted": True}


def remove(world: World, clock: FrozenClock) -> None:
    """Delete a clock's customers, which cancels their subscriptions, and the clock."""
    for customer_id in clock.customers:
        customer = world.customers.get(customer_id)
        if not customer.deleted:
            customers.remove(world, customer)
    world.test_clocks.drop(clock.id)
    clock_rules.tell(world, "deleted", clock)


OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, list_, Section(PAGE)),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(EXPAND)),
    Operation("POST", f"{_URL}/{{}}/advance", advance, _ADVANCE),
    Operation("DELETE", f"{_URL}/{{}}", delete),
)
