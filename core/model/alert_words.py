"""Alerts in words, and as the payload that a webhook gets. All of it is data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from meterdeck.core.model.alert_rules import Measure
from meterdeck.core.model.alerts import Alert, Telling
from meterdeck.core.model.context import Context
from meterdeck.core.model.quantity import format_quantity, group_quantity
from meterdeck.core.model.spans import show_span
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource

PAYLOAD_VERSION = 1


def resource_of(context: Context, alert: Alert) -> Resource | None:
    """Return the resource an alert is of; None where there is none, or not any more."""
    name = alert.slot.resource
    return next((each for each in context.resources if each.name == name), None)


def headline(alert: Alert, resource: Resource | None) -> str:
    """Say in a few words who is where; foreign text is visible."""
    if alert.measure is Measure.LAG:
        return f"usage waits for Stripe {value_text(alert, resource)}"
    who = visible(alert.tenant_name or alert.slot.tenant, 60)
    what = visible(resource.label if resource else alert.slot.resource, 40)
    return f"{who} {what} {value_text(alert, resource)}"


def value_text(alert: Alert, resource: Resource | None) -> str:
    """Say what an alert held when it fired."""
    return amount_text(alert.measure, alert.value, resource)


def amount_text(measure: Measure, value: int | None, resource: Resource | None) -> str:
    """Say an amount in a measure's unit."""
    if value is None:
        return "–"
    plain = _plain_amount(measure, value, resource)
    if measure in (Measure.DRIFT, Measure.DRIFT_PERCENT):
        return f"differs by {plain}"
    if measure is Measure.TIME_TO_LIMIT:
        return f"limit in {plain}" if value else "at the limit"
    return plain


def threshold_text(alert: Alert, resource: Resource | None) -> str:
    """Say a rule's threshold: `≥ 80 %`, `≤ 2 h`."""
    sign = "≤" if alert.measure is Measure.TIME_TO_LIMIT else "≥"
    return f"{sign} {_plain_amount(alert.measure, alert.slot.threshold, resource)}"


def _plain_amount(measure: Measure, value: int, resource: Resource | None) -> str:
    match measure:
        case Measure.PERCENT | Measure.DRIFT_PERCENT:
            return f"{value} %"
        case Measure.UNITS | Measure.DRIFT:
            return group_quantity(value, resource.scale if resource else 0)
        case Measure.TIME_TO_LIMIT | Measure.LAG:
            return show_span(value)


def payload(
    context: Context, alert: Alert, telling: Telling, delivery: str, now: datetime
) -> str:
    """Return the body of a webhook: JSON, the same for every attempt."""
    form = {
        "id": delivery,
        "object": "meterdeck.alert_event",
        "version": PAYLOAD_VERSION,
        "type": telling.value,
        "created": int(now.timestamp()),
        "context": {"name": context.name, "mode": context.mode.value},
        "alert": alert_form(context, alert),
    }
    return json.dumps(form, ensure_ascii=True, separators=(",", ":"))


def alert_form(context: Context, alert: Alert) -> dict[str, Any]:
    """Return an alert as the payload and the command line's JSON have it."""
    resource, slot = resource_of(context, alert), alert.slot
    ends = alert.period_end_ms
    tenant = None
    if slot.tenant:
        names = (slot.tenant, alert.tenant_name, alert.plan)
        tenant = dict(zip(("id", "name", "plan"), map(_plain, names), strict=True))
    return {
        "id": alert.id,
        "rule": slot.rule,
        "severity": alert.severity.value,
        "state": alert.state.value,
        "measure": alert.measure.value,
        "threshold": _figure(alert.measure, slot.threshold, resource),
        "value": _figure(alert.measure, alert.value, resource),
        "used": _figure(Measure.UNITS, alert.used, resource),
        "limit": _figure(Measure.UNITS, alert.limit, resource),
        "message": headline(alert, resource),
        "tenant": tenant,
        "resource": slot.resource or None,
        "period": slot.period if slot.period != "now" else None,
        "period_end": ends // 1000 if ends is not None else None,
        "fired_at": _moment(alert.opened_at),
        "changed_at": _moment(alert.changed_at),
        "resolved_because": alert.why.value if alert.why and not alert.live else None,
        "handled": _handled(alert),
    }


def _handled(alert: Alert) -> dict[str, Any] | None:
    handled = alert.handled
    if handled is None:
        return None
    return {
        "by": _plain(handled.by),
        "origin": _plain(handled.origin),
        "at": _moment(handled.at),
        "note": _plain(handled.note),
        "until": _moment(handled.until) if handled.until else None,
    }


def _figure(
    measure: Measure, value: int | None, resource: Resource | None
) -> str | int | None:
    """Return percent and seconds as numbers, quantities as exact decimal texts."""
    if value is None or measure not in (Measure.UNITS, Measure.DRIFT):
        return value
    return format_quantity(value, resource.scale if resource else 0)


def _plain(text: str) -> str:
    """Return text that is UTF-8: a name's other bytes are replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
