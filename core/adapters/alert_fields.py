"""Alerts and their deliveries as Redis keeps them: JSON in the fields of a hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from meterdeck.core.adapters.redis_client import from_milliseconds, to_milliseconds
from meterdeck.core.model.alert_delivery import AlertDelivery, DeliveryState
from meterdeck.core.model.alert_rules import Measure, Severity
from meterdeck.core.model.alerts import (
    Alert,
    AlertState,
    Handled,
    Slot,
    Telling,
    Why,
)
from meterdeck.core.model.names import name_bytes, name_text
from meterdeck.core.model.usage import TenantId

ALERT, DELIVERY = "a:", "d:"


def write_alert(alert: Alert) -> bytes:
    """Return an alert as its field holds it."""
    slot, handled = alert.slot, alert.handled
    return _written(
        {
            "v": alert.version,
            "state": alert.state.value,
            "rule": slot.rule,
            "threshold": slot.threshold,
            "resource": slot.resource,
            "period": slot.period,
            "id": alert.id,
            "number": alert.number,
            "measure": alert.measure.value,
            "severity": alert.severity.value,
            "armed": alert.armed,
            "opened_at": to_milliseconds(alert.opened_at),
            "changed_at": to_milliseconds(alert.changed_at),
            "tenant_name": alert.tenant_name,
            "plan": alert.plan,
            "value": alert.value,
            "used": alert.used,
            "limit": alert.limit,
            "period_end": alert.period_end_ms,
            "why": alert.why.value if alert.why else None,
            "by": handled.by if handled else None,
            "origin": handled.origin if handled else None,
            "handled_at": to_milliseconds(handled.at) if handled else None,
            "note": handled.note if handled else None,
            "until": _ms(handled.until) if handled else None,
        }
    )


def read_alert(tenant: TenantId, raw: bytes) -> Alert | None:
    """Read an alert back; None for what is none of ours."""
    try:
        found = _Found(json.loads(name_text(raw)))
        slot = Slot(
            rule=found.text("rule"),
            threshold=found.number("threshold"),
            tenant=tenant,
            resource=found.text("resource"),
            period=found.text("period"),
        )
        return Alert(
            slot=slot,
            id=found.text("id"),
            version=found.number("v"),
            number=found.number("number"),
            measure=Measure(found.text("measure")),
            severity=Severity(found.text("severity")),
            state=AlertState(found.text("state")),
            armed=bool(found.form["armed"]),
            opened_at=found.moment("opened_at"),
            changed_at=found.moment("changed_at"),
            tenant_name=found.text("tenant_name"),
            plan=found.text("plan"),
            value=found.maybe("value"),
            used=found.maybe("used"),
            limit=found.maybe("limit"),
            period_end_ms=found.maybe("period_end"),
            why=Why(found.text("why")) if found.form["why"] else None,
            handled=_handled(found),
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None  # anybody may write into the hash


def _handled(found: _Found) -> Handled | None:
    if found.form["by"] is None:
        return None
    until = found.maybe("until")
    return Handled(
        by=found.text("by"),
        origin=found.text("origin"),
        at=found.moment("handled_at"),
        note=found.text("note"),
        until=None if until is None else from_milliseconds(until),
    )


def write_delivery(delivery: AlertDelivery) -> bytes:
    """Return a delivery as its field holds it."""
    return _written(
        {
            "v": delivery.version,
            "state": delivery.state.value,
            "next_at": to_milliseconds(delivery.next_at),
            "id": delivery.id,
            "alert": delivery.alert,
            "type": delivery.telling.value,
            "created_at": to_milliseconds(delivery.created_at),
            "attempts": delivery.attempts,
            "tried_at": _ms(delivery.tried_at),
            "problem": delivery.problem,
            "body": delivery.body,
        }
    )


def read_delivery(raw: bytes) -> AlertDelivery | None:
    """Read a delivery back; None for what is none of ours."""
    try:
        found = _Found(json.loads(name_text(raw)))
        tried = found.maybe("tried_at")
        return AlertDelivery(
            id=found.text("id"),
            alert=found.text("alert"),
            telling=Telling(found.text("type")),
            body=found.text("body"),
            created_at=found.moment("created_at"),
            next_at=found.moment("next_at"),
            version=found.number("v"),
            state=DeliveryState(found.text("state")),
            attempts=found.number("attempts"),
            tried_at=None if tried is None else from_milliseconds(tried),
            problem=found.text("problem"),
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


class _Found:
    """A JSON object; what is missing or of another type raises."""

    def __init__(self, form: Mapping[str, Any]) -> None:
        self.form = form

    def text(self, name: str) -> str:
        value = self.form[name]
        if not isinstance(value, str):
            raise TypeError(name)
        return value

    def number(self, name: str) -> int:
        value = self.form[name]
        if type(value) is not int:
            raise TypeError(name)
        return value

    def maybe(self, name: str) -> int | None:
        return None if self.form[name] is None else self.number(name)

    def moment(self, name: str) -> datetime:
        return from_milliseconds(self.number(name))


def _written(form: Mapping[str, object]) -> bytes:
    return name_bytes(json.dumps(form, ensure_ascii=False, separators=(",", ":")))


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_milliseconds(moment)
