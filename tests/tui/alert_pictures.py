"""Alerts for the console's tests, and an engine that keeps what is done about them."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests.tui.pictures import ACTOR, NOW

from meterdeck.core.errors import Refused
from meterdeck.core.model.alert_delivery import AlertDelivery, DeliveryState
from meterdeck.core.model.alert_rules import Measure, Severity
from meterdeck.core.model.alert_sight import AlertSight, SeenAlert, in_order
from meterdeck.core.model.alerts import (
    Alert,
    AlertState,
    Handled,
    Slot,
    Telling,
    acknowledged,
    snoozed,
)
from meterdeck.core.model.usage import TenantId


def alert(
    number: int,
    tenant: str,
    *,
    value: int = 95,
    resource: str = "api_calls",
    name: str = "",
    **more: Any,
) -> Alert:
    """Return an alert that fired `number` minutes ago."""
    at = NOW - timedelta(minutes=number)
    found = Alert(
        slot=Slot("near_limit", 80, TenantId(tenant), resource, "2026-11"),
        id=f"al_{number:024d}",
        version=1,
        number=1,
        measure=Measure.PERCENT,
        severity=Severity.WARNING,
        state=AlertState.OPEN,
        armed=False,
        opened_at=at,
        changed_at=at,
        tenant_name=name or tenant,
        plan="pro",
        value=value,
        used=value * 1_000,
        limit=100_000,
    )
    return replace(found, **more)


def told(about: Alert, **more: Any) -> AlertDelivery:
    """Return a delivery of an alert's firing that was taken at once."""
    found = AlertDelivery(
        id=f"{about.id}.fired.1",
        alert=about.id,
        telling=Telling.FIRED,
        body="{}",
        created_at=about.opened_at,
        next_at=about.opened_at,
        state=DeliveryState.DELIVERED,
        attempts=1,
        tried_at=about.opened_at,
    )
    return replace(found, **more)


@dataclass
class ScriptedAlerts:
    """A context's alerts, without a server.

    Attributes:
        error: Raised by the next change, once.
    """

    seen: dict[str, SeenAlert] = field(default_factory=dict)
    watched_at: datetime | None = NOW
    watched: bool = True
    rules: int = 1
    error: Refused | None = None
    done: list[tuple[str, str, str]] = field(default_factory=list)

    def put(self, about: Alert, *deliveries: AlertDelivery) -> None:
        """Have an alert."""
        self.seen[about.id] = SeenAlert(about, deliveries)

    async def look(self, *, history: bool = False) -> AlertSight:
        wanted = [s for s in self.seen.values() if history or s.alert.live]
        return AlertSight(
            at=NOW,
            alerts=in_order(wanted, NOW),
            watched_at=self.watched_at,
            watched=self.watched,
            rules=self.rules,
            told=True,
        )

    async def acknowledge(self, name: str, **given: Any) -> Alert:
        who = Handled(ACTOR.name, ACTOR.origin, NOW, given["note"])
        return self._keep(name, acknowledged(self.seen[name].alert, who), given)

    async def snooze(self, name: str, until: datetime, **given: Any) -> Alert:
        who = Handled(ACTOR.name, ACTOR.origin, NOW, given["note"], until)
        return self._keep(name, snoozed(self.seen[name].alert, who), given)

    def _keep(self, name: str, after: Alert, given: dict[str, Any]) -> Alert:
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.seen[name] = replace(self.seen[name], alert=after)
        self.done.append((name, after.state.value, given["note"]))
        return after
