"""Alerts in the console's words."""

from __future__ import annotations

from datetime import datetime, timedelta

from meterdeck.core.model.alert_delivery import AlertDelivery, DeliveryState
from meterdeck.core.model.alert_rules import Measure, Severity
from meterdeck.core.model.alert_sight import AlertSight, SeenAlert
from meterdeck.core.model.alert_words import headline, resource_of
from meterdeck.core.model.alerts import Alert, AlertState, Why
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, ResourceName, Tenant, TenantId
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import Target
from meterdeck.tui.themes import Role

_NAMED = 3
_WHY = {
    Why.CLEARED: "it is within the threshold again",
    Why.LOUDER: "a louder threshold of the rule holds",
    Why.LIMIT_CHANGED: "the limit is another, and it fired anew",
    Why.PERIOD_OVER: "the period is over",
    Why.NOT_ASKED: "the rule is gone, or not for this tenant",
}


def on_every_screen(picture: Picture) -> str:
    """Return what the line on every screen says; "" while no alert is open."""
    sight = picture.alerts
    open_ones = sight.open if sight else []
    if sight is None or not open_ones:
        return ""
    more = " or more" if sight.more else ""
    said = phrases.counted(len(open_ones), "alert") + more
    named = [
        headline(alert, resource_of(picture.context, alert))
        for alert in open_ones[:_NAMED]
    ]
    return f"{said}: {' · '.join(named)}"


def is_loud(picture: Picture) -> bool:
    """Tell whether a critical alert is open."""
    open_ones = picture.alerts.open if picture.alerts else []
    return any(alert.severity is Severity.CRITICAL for alert in open_ones)


def severity_role(alert: Alert) -> Role:
    """Return how an alert's severity is painted; the word says it, too."""
    if not alert.live:
        return Role.MUTED
    return Role.HIGH if alert.severity is Severity.CRITICAL else Role.NEAR


def who(alert: Alert) -> str:
    """Return whose alert it is."""
    if alert.measure is Measure.LAG:
        return "delivery"
    return alert.tenant_name or alert.slot.tenant


def target_of(alert: Alert, picture: Picture) -> Target:
    """Return what an action on an alert is about; of no tenant it is the delivery."""
    resource = resource_of(picture.context, alert)
    name = alert.slot.resource or "lag"
    if resource is None:
        resource = Resource(ResourceName(name), name, "")
    if not alert.slot.tenant:
        return Target(Tenant(TenantId(""), "delivery"), resource)
    return Target(picture.who(alert.slot.tenant), resource)


def state_words(alert: Alert, now: datetime) -> str:
    """Say an alert's state and who made it so, in one line."""
    state, handled = alert.state_at(now), alert.handled
    if state is AlertState.RESOLVED:
        why = f": {_WHY[alert.why]}" if alert.why else ""
        return f"resolved {phrases.moment(alert.changed_at)} UTC{why}"
    if state is AlertState.OPEN or handled is None:
        return "open: nobody has seen to it"
    until = f" until {phrases.moment(handled.until)}" if handled.until else ""
    by = f"{visible(handled.by, 40)} ({visible(handled.origin, 40)})"
    note = f": {handled.note}" if handled.note else ""
    return f"{state.value}{until} by {by} {phrases.moment(handled.at)} UTC{note}"


def told_short(seen: SeenAlert) -> str:
    """Say in a word whether somebody was told."""
    if seen.undelivered:
        return "undelivered"
    if seen.waits:
        return "waits"
    return "told" if seen.deliveries else "–"


def told_words(seen: SeenAlert, sight: AlertSight) -> str:
    """Say what became of the newest telling of an alert."""
    if not seen.deliveries:
        if sight.told:
            return "nothing of it was to be told, or it was long ago"
        return "nobody: no webhook is set"
    return _delivery_words(seen.deliveries[-1], sight.at)


def _delivery_words(delivery: AlertDelivery, now: datetime) -> str:
    what = delivery.telling.value
    tries = phrases.counted(delivery.attempts, "attempt")
    at = f" {phrases.moment(delivery.tried_at)} UTC" if delivery.tried_at else ""
    match delivery.state:
        case DeliveryState.DELIVERED:
            return f"{what} was taken{at}, {tries}"
        case DeliveryState.UNDELIVERED:
            return f"{what} was given up{at}, {tries}: {delivery.problem}"
        case DeliveryState.WAITING if delivery.attempts:
            left = phrases.span(max(delivery.next_at - now, timedelta(0)))
            return f"{what} waits, {tries}: {delivery.problem}; again in {left}"
        case DeliveryState.WAITING:
            return f"{what} waits for a worker"


def nobody_watches(sight: AlertSight) -> str:
    """Say that no worker holds the rules against anything; "" while one does."""
    if sight.watched:
        return ""
    if sight.watched_at is None:
        return "no worker runs"
    return f"no worker runs since {phrases.recent(sight.watched_at, sight.at).strip()}"
