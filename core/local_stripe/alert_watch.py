"""Alerts fire when usage shows: late as summaries are, once per customer for life.

The usage compared with the threshold is all a customer ever had on the meter: Stripe
says that one-time alerts fire the first time a level is exceeded and that usage from
before the alert counts, and names no period.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from meterdeck.core.local_stripe import alerts
from meterdeck.core.local_stripe.alert_records import Alert, AlertFired, UsageToCheck
from meterdeck.core.local_stripe.schema import LATEST
from meterdeck.core.local_stripe.wire import seconds
from meterdeck.core.local_stripe.world import World


def note(world: World, meter: str, customer: str, received: datetime) -> None:
    """Plan a look at a customer's usage for when the event just counted shows.

    Alerts do not work with test clocks, says Stripe.
    """
    watched = any(each.watches(customer) for each in world.alerts.grouped(meter))
    if not watched or world.clock_of(customer) is not None:
        return
    due = received + timedelta(seconds=world.usage.lag_s)
    which = f"{meter}|{customer}"
    first_due = waiting.due if (waiting := world.usage_to_check.get(which)) else due
    world.usage_to_check[which] = UsageToCheck(
        meter=meter,
        customer=customer,
        due=first_due,
        last_due=due,
        received=received,
    )


def catch_up(world: World, now: datetime) -> None:
    """Fire the alerts whose usage shows by now."""
    if not world.usage_to_check:
        return
    for which, check in list(world.usage_to_check.items()):
        # A lag that was made shorter holds for what is waiting, too.
        all_shows = check.received + timedelta(seconds=world.usage.lag_s)
        if min(check.due, all_shows) > now:
            continue
        if min(check.last_due, all_shows) > now:
            world.usage_to_check[which] = replace(check, due=check.last_due)
        else:
            del world.usage_to_check[which]
        _look(world, check, now)


def _look(world: World, check: UsageToCheck, now: datetime) -> None:
    total: Decimal | None = None
    for alert in world.alerts.grouped(check.meter):
        if not _may_fire(world, alert, check):
            continue
        if total is None:
            total = _total(world, check, now)
        if total >= alert.gte:
            _fire(world, alert, check.customer, int(total), now)


def _may_fire(world: World, alert: Alert, check: UsageToCheck) -> bool:
    return (
        alert.status == "active"
        and alert.watches(check.customer)
        and alert.created <= check.received
        and _fired_id(alert, check.customer) not in world.alerts_fired
    )


def _total(world: World, check: UsageToCheck, now: datetime) -> Decimal:
    meter = world.meters.get(check.meter)
    totals = world.usage.totals(meter, check.customer, now)
    value = None if totals is None else totals.aggregate(0, LATEST)
    return value or Decimal(0)


def _fire(world: World, alert: Alert, customer: str, value: int, now: datetime) -> None:
    world.alerts_fired.put(AlertFired(id=_fired_id(alert, customer), at=now))
    world.events.emit(
        "billing.alert.triggered",
        {
            "object": "billing.alert_triggered",
            "alert": alerts.render(alert),
            "created": seconds(now),
            "customer": customer,
            "livemode": False,
            "value": value,
        },
    )


def _fired_id(alert: Alert, customer: str) -> str:
    return f"{alert.id}|{customer}"
