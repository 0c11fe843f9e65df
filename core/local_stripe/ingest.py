"""The rules every meter event passes, whichever way it arrives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from meterdeck.core.local_stripe import alert_watch
from meterdeck.core.local_stripe import meter_event_problems as problems
from meterdeck.core.local_stripe.ingested import ReceivedMeterEvent
from meterdeck.core.local_stripe.meter_event_problems import Problem
from meterdeck.core.local_stripe.operations import Caller
from meterdeck.core.local_stripe.records import Meter
from meterdeck.core.local_stripe.totals import Point
from meterdeck.core.local_stripe.usage import Accepted
from meterdeck.core.local_stripe.wire import seconds
from meterdeck.core.local_stripe.world import World

OLDEST = timedelta(days=35)
NEWEST = timedelta(minutes=5)
MOST_DIGITS = 15
# No exponent: third parties report that Stripe refuses scientific notation.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class MeterEvent:
    """One event as it arrived, defaults filled in."""

    event_name: str
    identifier: str
    payload: Mapping[str, str]
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Countable:
    """An event that passed every rule, and what it counts."""

    meter: Meter
    value: Decimal


def time_for(
    world: World, event_name: str, payload: Mapping[str, str], now: datetime
) -> datetime:
    """Give the time it is for an event's customer: its test clock's, where it has one.

    Stripe does not say by which clock such events are judged; this is believed.
    """
    meter = world.meters.find(world.meter_of_event.get(event_name, ""))
    customer = payload.get(meter.customer_key) if meter else None
    clock = world.clock_of(customer) if customer else None
    return now if clock is None else clock.frozen_time


def examine(world: World, event: MeterEvent, now: datetime) -> Countable | Problem:
    """Apply the synchronous rules; nothing is changed."""
    meter_id = world.meter_of_event.get(event.event_name)
    if meter_id is None:
        return problems.no_meter(event.event_name)
    meter = world.meters.get(meter_id)
    if not meter.active:
        return problems.archived_meter(event.event_name)
    its_now = time_for(world, event.event_name, event.payload, now)
    untimely = _untimely(event.timestamp, its_now)
    if untimely is not None:
        return untimely
    value = _value(meter, event.payload)
    if isinstance(value, Problem):
        return value
    if world.usage.accepted(event.identifier, now) is not None:
        return problems.duplicate(event.identifier)
    return Countable(meter, value)


def examine_at_once(
    world: World, event: MeterEvent, now: datetime
) -> Countable | Problem:
    """Examine; a strict panel refuses unknown customers here, not later."""
    outcome = examine(world, event, now)
    if isinstance(outcome, Problem) or not world.panel.faults.strict:
        return outcome
    key = outcome.meter.customer_key
    if _known(world, event.payload[key]):
        return outcome
    world.panel.injected["strict"] += 1
    return problems.unknown_customer(event.payload[key], key)


def count(
    world: World, event: MeterEvent, countable: Countable, now: datetime, caller: Caller
) -> None:
    """Count an event; one for an unknown customer is dropped and reported late.

    So are those that the fault panel picks.
    """
    meter = countable.meter
    customer_id = event.payload[meter.customer_key]
    code = _late_error(world, customer_id)
    point = Point(
        seconds(event.timestamp), world.usage.next_sequence(), countable.value
    )
    accepted = Accepted(
        identifier=event.identifier,
        event_name=event.event_name,
        meter=meter.id,
        customer=None if code else customer_id,
        point=point,
        received=now,
    )
    world.usage.add(meter, accepted)
    if not code:
        alert_watch.note(world, meter.id, customer_id, now)
    else:
        world.panel.events["dropped"] += 1
        world.reports.record(
            now,
            None if code == "no_meter" else meter.id,
            code,
            problems.late_text(code, event.event_name, customer_id),
            caller.idempotency_key or event.identifier,
        )
    tell(world, event, now, caller, "")


def _late_error(world: World, customer_id: str) -> str:
    """Return why an event is dropped; empty for one that counts."""
    if _known(world, customer_id):
        return world.panel.drops()
    return "meter_event_customer_not_found"


def _known(world: World, customer_id: str) -> bool:
    customer = world.customers.find(customer_id)
    return customer is not None and not customer.deleted


def tell(
    world: World, event: MeterEvent, now: datetime, caller: Caller, message: str
) -> None:
    """Tell the sandbox about an event; `message` is empty for an accepted one."""
    world.panel.events["refused" if message else "accepted"] += 1
    if world.on_meter_event is None:
        return
    meter = world.meters.find(world.meter_of_event.get(event.event_name, ""))
    customer_key = meter.customer_key if meter else "stripe_customer_id"
    value_key = meter.value_key if meter else "value"
    world.on_meter_event(
        ReceivedMeterEvent(
            at=now,
            event_name=event.event_name,
            identifier=event.identifier,
            customer=event.payload.get(customer_key),
            value=event.payload.get(value_key),
            timestamp=event.timestamp,
            accepted=not message,
            message=message,
            user_agent=caller.user_agent,
            request_id=caller.request_id,
        )
    )


def _untimely(timestamp: datetime, now: datetime) -> Problem | None:
    if timestamp < now - OLDEST:
        return problems.too_old(seconds(now - OLDEST))
    if timestamp > now + NEWEST:
        return problems.too_new(seconds(now + NEWEST))
    return None


def _value(meter: Meter, payload: Mapping[str, str]) -> Decimal | Problem:
    """Give what the event counts; `count` meters do not look at the value."""
    if not payload.get(meter.customer_key):
        return problems.no_customer(meter.customer_key)
    if meter.formula == "count":
        return Decimal(1)
    text = payload.get(meter.value_key)
    if text is None or text == "":
        return problems.no_value(meter.value_key)
    if len(text) > 64 or not _NUMBER.fullmatch(text):
        return problems.invalid_value(text[:64])
    value = Decimal(text)
    digits = value.as_tuple().digits
    if len(digits) > MOST_DIGITS:
        return problems.too_many_digits(text, MOST_DIGITS)
    return value
