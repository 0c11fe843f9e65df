"""What the dialogs of alerts return."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from meterdeck.core.model.alerts import Alert
from meterdeck.core.model.changes import Actor
from meterdeck.tui import phrases
from meterdeck.tui.requests import Target, new_operation_id

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Say that somebody has seen an alert; repeating it changes nothing more."""

    target: Target
    alert: Alert
    note: str
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        await engine.alerts.acknowledge(
            self.alert.id, actor=actor, note=self.note, tenant=self.alert.slot.tenant
        )
        return "acknowledged"


@dataclass(frozen=True, slots=True)
class Snooze:
    """Have an alert be quiet until a moment."""

    target: Target
    alert: Alert
    until: datetime
    note: str
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        await engine.alerts.snooze(
            self.alert.id,
            self.until,
            actor=actor,
            note=self.note,
            tenant=self.alert.slot.tenant,
        )
        return f"snoozed until {phrases.moment(self.until)} UTC"
