"""What is written into a tenant's alerts: changes, what is told of them, removals."""

from __future__ import annotations

from datetime import datetime, timedelta

from meterdeck.core.adapters.alert_calls import AlertBook, Entry
from meterdeck.core.adapters.alert_fields import ALERT, DELIVERY
from meterdeck.core.model.alert_delivery import AlertDelivery, delivery_id
from meterdeck.core.model.alert_words import payload
from meterdeck.core.model.alerts import Alert, Telling, Why
from meterdeck.core.model.context import Context

_DELIVERIES_KEPT = timedelta(days=7)
_MOST_DELIVERIES = 40


def new_delivery(
    context: Context, alert: Alert, telling: Telling, now: datetime
) -> AlertDelivery:
    """Return a delivery to be tried at once; its body is what every attempt sends."""
    name = delivery_id(alert.id, telling, alert.version)
    return AlertDelivery(
        id=name,
        alert=alert.id,
        telling=telling,
        body=payload(context, alert, telling, name, now),
        created_at=now,
        next_at=now,
    )


def outworn(book: AlertBook, now: datetime, retention: timedelta) -> list[Entry]:
    """Return the removal of what nobody looks at any more, so that they stay few."""
    found = [
        Entry(ALERT + each.slot.field, each.version, None)
        for each in book.alerts.values()
        if _is_over(each, now - retention)
    ]
    settled = [each for each in book.deliveries if not each.waits]
    many = len(settled) - _MOST_DELIVERIES
    for place, each in enumerate(settled):
        if place < many or now - each.created_at > _DELIVERIES_KEPT:
            found.append(Entry(DELIVERY + each.id, each.version, None))
    return found


def _is_over(alert: Alert, before: datetime) -> bool:
    """Tell whether an alert is resolved, and its period ended before a moment."""
    if alert.live or alert.changed_at >= before:
        return False
    ends = alert.period_end_ms
    return (ends is None and alert.why is Why.NOT_ASKED) or (
        ends is not None and ends < before.timestamp() * 1000
    )
