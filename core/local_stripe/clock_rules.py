"""Test clocks: the object, what may be put on one, and how far it advances."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from meterdeck.core.local_stripe.billing_cycle import after_intervals
from meterdeck.core.local_stripe.records import Customer, FrozenClock, Recurring
from meterdeck.core.local_stripe.refusals import invalid, rejected
from meterdeck.core.local_stripe.subscription_items import recurring
from meterdeck.core.local_stripe.wire import Json, in_wire_order, seconds
from meterdeck.core.local_stripe.world import World

OBJECT = "test_helpers.test_clock"
MOST_CUSTOMERS = 3
MOST_SUBSCRIPTIONS = 3
_A_YEAR = Recurring("year", 1, "licensed", None)


def render(clock: FrozenClock) -> Json:
    """Give the test_helpers.test_clock object."""
    status, details = "ready", {}
    if clock.target is not None:
        status = "advancing"
        details = {"advancing": {"target_frozen_time": seconds(clock.target)}}
    return in_wire_order(
        {
            "id": clock.id,
            "object": OBJECT,
            "created": seconds(clock.created),
            "deletes_after": seconds(clock.deletes_after),
            "frozen_time": seconds(clock.frozen_time),
            "livemode": False,
            "name": clock.name,
            "status": status,
            "status_details": details,
        }
    )


def tell(world: World, what: str, clock: FrozenClock) -> None:
    """Tell of a clock; its own events have the account's time."""
    world.events.emit(f"test_helpers.test_clock.{what}", render(clock))


def attach(
    world: World, clock: FrozenClock, customer: Customer, param: str
) -> Customer:
    """Put a customer on a clock, for good."""
    if customer.test_clock is not None:
        raise rejected(f"Customer {customer.id} already has a test clock.", param)
    if len(clock.customers) >= MOST_CUSTOMERS:
        raise rejected(
            f"A test clock can have at most {MOST_CUSTOMERS} customers.", param
        )
    world.test_clocks.put(replace(clock, customers=(*clock.customers, customer.id)))
    bound = replace(customer, test_clock=clock.id)
    world.customers.put(bound)
    return bound


def check_subscriptions(world: World, customer: Customer) -> None:
    """Refuse one more subscription than a customer on a test clock may have."""
    if customer.test_clock is None:
        return
    running = [
        each for each in world.subscriptions.grouped(customer.id) if not each.ended
    ]
    if len(running) >= MOST_SUBSCRIPTIONS:
        raise rejected(
            f"A customer on a test clock can have at most {MOST_SUBSCRIPTIONS}"
            " subscriptions.",
            "customer",
        )


def check_advance(world: World, clock: FrozenClock, target: datetime) -> None:
    """Refuse to go back, or further than two of the shortest intervals."""
    if target <= clock.frozen_time:
        raise invalid(
            "The frozen time must be after the test clock's current frozen time"
            f" ({_time(clock.frozen_time)}).",
            "frozen_time",
        )
    rhythms = _rhythms(world, clock) or [_A_YEAR]
    furthest = min(after_intervals(clock.frozen_time, each, 2) for each in rhythms)
    if target > furthest:
        raise invalid(
            f"The frozen time of this clock is {_time(clock.frozen_time)}. You can only"
            f" advance it up to {_time(furthest)}. You can only advance a test clock up"
            " to two intervals from the current frozen time at a time, based on the"
            " shortest subscription interval in the test clock. For example, if a test"
            " clock has a monthly and yearly subscription, you may only advance up to"
            " two months at a time. If the test clock has no subscriptions or"
            " subscription schedules, you can advance up to 2 years from the current"
            " frozen time.",
            "frozen_time",
        )


def _rhythms(world: World, clock: FrozenClock) -> list[Recurring]:
    return [
        recurring(world.prices.get(item.price))
        for customer_id in clock.customers
        for subscription in world.subscriptions.grouped(customer_id)
        if not subscription.ended
        for item in subscription.items
    ]


def _time(moment: datetime) -> str:
    return f"{seconds(moment)} ({moment:%Y-%m-%d %H:%M:%S} UTC)"
