"""What dialogs return: one change each, safe to repeat by its operation id."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from meterdeck.core.model.changes import Actor, Adjustment, Bill
from meterdeck.core.model.event_changes import EventChange
from meterdeck.core.model.events import EventOutcome
from meterdeck.core.model.quantity import format_quantity, group_quantity
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, Tenant
from meterdeck.core.model.wording import trail_words
from meterdeck.tui import phrases

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine


def new_operation_id() -> str:
    """Return an id that no other operation has."""
    return uuid4().hex


@dataclass(frozen=True, slots=True)
class Target:
    """What a change is about: a tenant, and one of its counters."""

    tenant: Tenant
    resource: Resource

    def __str__(self) -> str:
        return f"{visible(self.tenant.name, 40)} · {visible(self.resource.label, 30)}"

    def amount(self, units: int | None) -> str:
        """Write a quantity of the resource for a person; None is unlimited."""
        if units is None:
            return "unlimited"
        return group_quantity(units, self.resource.scale)


@dataclass(frozen=True, slots=True)
class Sold:
    """What a change of the catalogue is about, in words."""

    name: str

    def __str__(self) -> str:
        return self.name


class Request(Protocol):
    """One change an operator has confirmed."""

    @property
    def target(self) -> Target | Sold:
        """What it is about."""

    @property
    def operation_id(self) -> str:
        """What makes repeating it safe."""

    async def perform(self, engine: Engine, actor: Actor) -> str:
        """Do it at most once per operation id; return what was done, one line."""


@dataclass(frozen=True, slots=True)
class Adjust:
    """Change a counter."""

    target: Target
    adjustment: Adjustment
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        done = await engine.changes.adjust(
            self.adjustment, actor=actor, operation_id=self.operation_id
        )
        before, after = self.target.amount(done.before), self.target.amount(done.after)
        bill = (
            "the bill does not follow"
            if self.adjustment.bill is Bill.QUOTA_ONLY
            else "the bill follows"
        )
        again = "; it had been done already" if done.replayed else ""
        return f"{before} → {after}, {bill}{again}"

    def to_whatever_is_there(self) -> Adjust:
        """Return the same change without the check of the value that was seen."""
        return Adjust(self.target, replace(self.adjustment, expected=None))


@dataclass(frozen=True, slots=True)
class SetOverride:
    """Give a tenant its own limit; `before` is the limit it replaces, in words."""

    target: Target
    units: int | None
    expires_at: datetime | None
    reason: str
    before: str
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        done = await engine.changes.set_override(
            self.target.tenant.id,
            self.target.resource.name,
            self.units,
            expires_at=self.expires_at,
            actor=actor,
            reason=self.reason,
            operation_id=self.operation_id,
        )
        until = (
            f"until {phrases.moment(done.expires_at)} UTC"
            if done.expires_at
            else "without expiry"
        )
        return f"limit {self.before} → {self.target.amount(done.units)} {until}"


@dataclass(frozen=True, slots=True)
class ClearOverride:
    """Take a tenant's own limit away; `after` is what holds then, in words."""

    target: Target
    reason: str
    after: str
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        gone = await engine.changes.clear_override(
            self.target.tenant.id,
            self.target.resource.name,
            actor=actor,
            reason=self.reason,
            operation_id=self.operation_id,
        )
        return f"limit {self.target.amount(gone.units)} → {self.after}"


@dataclass(frozen=True, slots=True)
class Undo:
    """Take an audit entry back; `what` names it in words."""

    target: Target
    audit_id: str
    what: str
    reason: str
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        done = await engine.changes.undo(
            self.target.tenant.id,
            self.audit_id,
            actor=actor,
            reason=self.reason,
            operation_id=self.operation_id,
        )
        scale = self.target.resource.scale
        before, after = (
            visible(trail_words(text, scale), 60) for text in (done.before, done.after)
        )
        again = "; it had been done already" if done.replayed else ""
        return f"{before} → {after}, {self.what} is undone{again}"


_OUTCOMES = {
    EventOutcome.ACCEPTED: "accepted by Stripe",
    EventOutcome.DUPLICATE: "Stripe had it already",
    EventOutcome.REFUSED: "refused by Stripe",
    EventOutcome.UNKNOWN: "sent, and the answer was lost",
    EventOutcome.BUSY: "put off by Stripe",
    EventOutcome.STOPPED: "Stripe takes nothing from this key",
}


@dataclass(frozen=True, slots=True)
class FireEvent:
    """Send a test event; `count` adds it to the counter as well."""

    target: Target
    quantity: int
    count: bool
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        logged = await engine.test_events.fire(
            self.target.tenant,
            self.target.resource.name,
            self.quantity,
            count=self.count,
            operation_id=self.operation_id,
        )
        value = format_quantity(self.quantity, self.target.resource.scale)
        why = f": {visible(logged.message)}" if logged.message else ""
        return f"test event of {value} {_OUTCOMES[logged.outcome]}{why}"


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """Change what becomes of one meter event."""

    target: Target
    change: EventChange
    identifier: str
    reason: str
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        done = await engine.event_changes.perform(
            self.change,
            self.identifier,
            actor=actor,
            reason=self.reason,
            operation_id=self.operation_id,
        )
        again = "; it had been done already" if done.replayed else ""
        return (
            f"{visible(self.identifier, 60)}: {phrases.EVENT_DONE[self.change]}{again}"
        )


@dataclass(frozen=True, slots=True)
class ReplayAll:
    """Replay letters, each by itself: one that cannot be keeps no other from it."""

    target: Target
    identifiers: tuple[str, ...]
    reason: str
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        from meterdeck.tui.replaying import Replaying  # noqa: PLC0415  # rare

        replaying = Replaying(engine.event_changes, actor, self.reason)
        found = [
            await replaying.replay(identifier, f"{self.operation_id}.{number}")
            for number, identifier in enumerate(self.identifiers, 1)
        ]
        asked = [each.asked for each in found if each.asked]
        approval = sum(each.by_a_person for each in asked)
        said = phrases.counted(sum(each.done is not None for each in found), "letter")
        parts = (
            (approval, "to be approved"),
            (len(asked) - approval, "asked for"),
            (sum(bool(each.problem) for each in found), "could not be"),
        )
        more = (f", {count:,} {what}" for count, what in parts if count)
        return f"{said} replayed{''.join(more)}"
