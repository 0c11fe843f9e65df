"""An engine that answers from a script, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tests.tui.alert_pictures import ScriptedAlerts
from tests.tui.catalogue_pictures import ScriptedCatalogue
from tests.tui.drift_pictures import ScriptedDrift
from tests.tui.health_pictures import ScriptedHealth
from tests.tui.pictures import ACTOR, NOW, logged
from tests.tui.request_pictures import ScriptedRequests
from tests.tui.scripted_services import (
    ScriptedBulk,
    ScriptedCosts,
    ScriptedHistory,
    ScriptedPanel,
)

from meterdeck.core.errors import MeterdeckError, NotFound, RedisUnreachable
from meterdeck.core.model.audit import (
    AuditPage,
    AuditPlace,
    AuditQuery,
    AuditVerdict,
    BrokenChain,
)
from meterdeck.core.model.changes import (
    Actor,
    Adjusted,
    Adjustment,
    AuditEntry,
    Override,
    Undone,
)
from meterdeck.core.model.decisions import RefusalRecord
from meterdeck.core.model.event_changes import EventChange, EventChanged, EventPlan
from meterdeck.core.model.event_life import EventState
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.core.model.faults import OFF
from meterdeck.core.model.ledger import NEEDING, EventStory, event_of_letter
from meterdeck.core.model.ledger_sight import LedgerSight
from meterdeck.core.model.override_ends import FoundOverride
from meterdeck.core.model.standing import Standing
from meterdeck.core.model.usage import ResourceName, Tenant, TenantId
from meterdeck.core.services.handoff import Gathered
from meterdeck.core.services.health import Seen

_QUIET = FaultSight(
    OFF, 0.0, NOW, 0, {}, {"accepted": 0, "refused": 0, "dropped": 0}, NOW
)


@dataclass
class ScriptedEngine:
    """Answers what the console asks an engine, and keeps what it was asked.

    Attributes:
        error: Raised by the next change, once.
        before: The value a change finds.
        overrides_away: Why a tenant's overrides cannot be read; "" while they can.
    """

    before: int = 93_000
    error: MeterdeckError | None = None
    adjusted: list[tuple[Adjustment, str]] = field(default_factory=list)
    overridden: list[tuple[str, int | None, str]] = field(default_factory=list)
    cleared: list[tuple[str, str]] = field(default_factory=list)
    fired: list[tuple[str, int, bool]] = field(default_factory=list)
    found_overrides: tuple[FoundOverride, ...] = ()
    overrides_away: str = ""
    trail: tuple[AuditEntry, ...] = ()
    audited: list[AuditQuery] = field(default_factory=list)
    broken: tuple[BrokenChain, ...] = ()
    foreseen: dict[str | None, Undone] = field(default_factory=dict)
    undone: list[tuple[str, str, str]] = field(default_factory=list)

    standing: tuple[Standing, ...] = ()
    seen: LedgerSight = field(default_factory=LedgerSight)
    stories: dict[str, EventStory] = field(default_factory=dict)
    problem: str = ""
    changed: list[tuple[str, str, str, str]] = field(default_factory=list)
    refused: tuple[RefusalRecord, ...] = ()
    panel: ScriptedPanel = field(default_factory=lambda: ScriptedPanel(_QUIET))
    costs: ScriptedCosts = field(default_factory=ScriptedCosts)
    bulk: ScriptedBulk = field(default_factory=ScriptedBulk)
    history: ScriptedHistory = field(default_factory=ScriptedHistory)
    stripe_history: None = None
    catalogue: ScriptedCatalogue = field(default_factory=ScriptedCatalogue)
    health: ScriptedHealth = field(default_factory=ScriptedHealth)
    drifting: ScriptedDrift = field(default_factory=ScriptedDrift)
    alerts: ScriptedAlerts = field(default_factory=ScriptedAlerts)
    requests: ScriptedRequests = field(default_factory=ScriptedRequests)

    def trail_id(self, operation_id: str) -> str:
        return operation_id

    @property
    def events(self) -> ScriptedCatalogue:
        return self.catalogue

    @property
    def standings(self) -> ScriptedEngine:
        return self

    @property
    def usage(self) -> ScriptedEngine:
        return self

    async def of(self, tenant: Tenant) -> tuple[Standing, ...]:
        return tuple(s for s in self.standing if s.usage.tenant == tenant.id)

    async def refusals(
        self, tenant: str, *, limit: int = 100
    ) -> tuple[RefusalRecord, ...]:
        return self.refused[:limit]

    @property
    def changes(self) -> ScriptedEngine:
        return self

    @property
    def ledger(self) -> ScriptedEngine:
        return self

    @property
    def event_changes(self) -> ScriptedEngine:
        return self

    async def sight(
        self, lines: Sequence[LoggedEvent] = (), *, letters: int = 0
    ) -> LedgerSight:
        return self.seen

    async def needing(self, limit: int) -> int:
        return sum(each.state in NEEDING for each in self.seen.letters.values())

    async def open(self, identifier: str) -> EventStory:
        self._raise()
        if identifier not in self.stories:
            raise NotFound(f"no meter event {identifier} is known")
        return self.stories[identifier]

    async def plan(self, change: EventChange, identifier: str) -> EventPlan:
        self._raise()
        story = self.stories[identifier]
        return EventPlan(change, story.event, story.windows, story.now, self.problem)

    async def plan_replays(self) -> tuple[EventPlan, ...]:
        found = map(event_of_letter, self.seen.letters.values())
        return tuple(
            EventPlan(EventChange.REPLAY, event, (), NOW, self.problem)
            for event in found
            if event.state is EventState.DEAD
        )

    async def perform(
        self, change: EventChange, identifier: str, **kwargs: Any
    ) -> EventChanged:
        reason, operation_id = kwargs["reason"], kwargs["operation_id"]
        self.changed.append((change.value, identifier, reason, operation_id))
        plan = await self.plan(change, identifier)
        return EventChanged(plan, "9-0", replayed=False)

    @property
    def test_events(self) -> ScriptedEngine:
        return self

    def drift(self) -> ScriptedDrift:
        return self.drifting

    def faults(self) -> ScriptedPanel:
        return self.panel

    def _raise(self) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error

    async def adjust(
        self, adjustment: Adjustment, *, actor: Actor, operation_id: str
    ) -> Adjusted:
        self.adjusted.append((adjustment, operation_id))
        self._raise()
        after = adjustment.result(self.before)
        return Adjusted(self.before, after, "2026-11", "1-0", replayed=False)

    async def set_override(
        self, tenant: str, resource: str, units: int | None, **kwargs: Any
    ) -> Override:
        self.overridden.append((tenant, units, kwargs["reason"]))
        self._raise()
        return Override(
            TenantId(tenant), ResourceName(resource), units, ACTOR.name,
            kwargs["reason"], NOW, kwargs["expires_at"],
        )  # fmt: skip

    async def clear_override(
        self, tenant: str, resource: str, **kwargs: Any
    ) -> Override:
        self.cleared.append((tenant, kwargs["reason"]))
        self._raise()
        return Override(
            TenantId(tenant), ResourceName(resource), 120_000, "ana", "", NOW, None
        )

    async def fire(
        self, tenant: Tenant, resource: str, quantity: int, *, count: bool, **_: Any
    ) -> LoggedEvent:
        self.fired.append((tenant.id, quantity, count))
        self._raise()
        return logged(tenant, value=str(quantity))

    async def preview_undo(self, tenant: str, audit_id: str | None = None) -> Undone:
        self._raise()
        return self.foreseen[audit_id]

    async def undo(self, tenant: str, audit_id: str, **kwargs: Any) -> Undone:
        self.undone.append((audit_id, kwargs["reason"], kwargs["operation_id"]))
        self._raise()
        found = [e for e in self.foreseen.values() if e.entry.id == audit_id]
        return replace(found[0], audit_id="9-0")

    async def overrides(self, tenant: str | None = None) -> tuple[Override, ...]:
        return tuple(
            each.override
            for each in self.found_overrides
            if each.override is not None and tenant in (None, each.tenant)
        )

    async def overrides_found(
        self, tenant: str | None = None
    ) -> tuple[FoundOverride, ...]:
        if tenant is None:
            self._raise()
        elif self.overrides_away:
            raise RedisUnreachable(self.overrides_away)
        found = self.found_overrides
        return tuple(each for each in found if tenant in (None, each.tenant))

    async def gather_handoff(self, since: datetime, seen: Seen) -> Gathered:
        self._raise()
        return Gathered(NOW, since, self.found_overrides, changes=self.trail)

    async def audit_page(self, wanted: AuditQuery) -> AuditPage:
        """Answer as the trail would: newest first, from `wanted.before` on."""
        self._raise()
        self.audited.append(wanted)
        before = wanted.before
        found = [
            each
            for each in self.trail
            if wanted.tenant in (None, each.tenant)
            and (before is None or AuditPlace.of(each).rank > before.rank)
            and (wanted.since is None or each.at >= wanted.since)
            and wanted.wants(each)
        ]
        page = tuple(found[: wanted.limit])
        more = len(found) > len(page)
        return AuditPage(page, AuditPlace.of(page[-1]) if more else None)

    async def verify_audit(self, tenant: str) -> BrokenChain | None:
        return next((each for each in self.broken if each.tenant == tenant), None)

    async def verify_audits(self, told: Callable[[int, int], None]) -> AuditVerdict:
        told(8, 26)
        return AuditVerdict(26, 1_204, self.broken)

    async def audit(self, tenant: str | None = None, *, limit: int = 100) -> Any:
        return self.trail[:limit]
