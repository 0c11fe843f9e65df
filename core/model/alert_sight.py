"""What an operator sees of alerts: what is not over first, the loudest on top."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.model.alert_delivery import AlertDelivery, DeliveryState
from meterdeck.core.model.alert_rules import Severity
from meterdeck.core.model.alerts import Alert, AlertState
from meterdeck.core.model.filter import RecordFilter, record_filter

_ORDER = {
    AlertState.OPEN: 0,
    AlertState.SNOOZED: 1,
    AlertState.ACKNOWLEDGED: 1,
    AlertState.RESOLVED: 2,
}


@dataclass(frozen=True, slots=True)
class SeenAlert:
    """An alert and who was told of it, oldest first."""

    alert: Alert
    deliveries: tuple[AlertDelivery, ...] = ()

    @property
    def undelivered(self) -> bool:
        """Whether something of it was given up."""
        return any(each.state is DeliveryState.UNDELIVERED for each in self.deliveries)

    @property
    def waits(self) -> bool:
        """Whether something of it is still to be told."""
        return any(each.waits for each in self.deliveries)


@dataclass(frozen=True, slots=True)
class AlertSight:
    """A context's alerts at one moment.

    Attributes:
        at: The server's clock.
        alerts: Open ones first, then those somebody has seen to, then those that are
            over; of each the critical first, then the newest.
        more: There are more tenants with alerts than were looked at.
        watched_at: When a worker last said that it is alive; None: none ever did.
        watched: Whether a worker holds the rules against usage now.
        rules: How many rules there are.
        told: Whether somebody is told by a webhook.
    """

    at: datetime
    alerts: tuple[SeenAlert, ...] = ()
    more: bool = False
    watched_at: datetime | None = None
    watched: bool = False
    rules: int = 0
    told: bool = False

    @property
    def open(self) -> list[Alert]:
        """Those that nobody has seen to, in order."""
        return [
            seen.alert
            for seen in self.alerts
            if seen.alert.state_at(self.at) is AlertState.OPEN
        ]


def in_order(alerts: Iterable[SeenAlert], now: datetime) -> tuple[SeenAlert, ...]:
    """Return alerts as an operator looks at them, without those that never fired."""

    def place(seen: SeenAlert) -> tuple[int, bool, float, str]:
        alert = seen.alert
        moment = alert.opened_at if alert.live else alert.changed_at
        return (
            _ORDER[alert.state_at(now)],
            alert.severity is not Severity.CRITICAL,
            -moment.timestamp(),
            alert.id,
        )

    wanted = (each for each in alerts if each.alert.number or each.alert.live)
    return tuple(sorted(wanted, key=place))


def alert_filter(text: str, now: Callable[[], datetime]) -> RecordFilter[SeenAlert]:
    """Return what tells whether an alert is wanted.

    Args:
        now: By which snoozes are over, whenever it is asked.

    Raises:
        BadInput: The expression cannot be read, or names a field there is not.
    """
    fields: dict[str, Callable[[SeenAlert], str]] = {
        "id": lambda seen: seen.alert.id,
        "rule": lambda seen: seen.alert.slot.rule,
        "severity": lambda seen: seen.alert.severity.value,
        "state": lambda seen: seen.alert.state_at(now()).value,
        "tenant": lambda seen: f"{seen.alert.slot.tenant} {seen.alert.tenant_name}",
        "plan": lambda seen: seen.alert.plan,
        "resource": lambda seen: seen.alert.slot.resource,
        "by": lambda seen: seen.alert.handled.by if seen.alert.handled else "",
    }
    return record_filter(text, fields)
