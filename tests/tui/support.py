"""An engine that answers from a script, and somebody in front of the console.

The console's seam is its `Runtime`: here updates are pushed by the test and jobs run
at once, on an engine that remembers what it was asked.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar, cast

from tests.support import leaks
from tests.tui.alert_pictures import ScriptedAlerts
from tests.tui.catalogue_pictures import ScriptedCatalogue
from tests.tui.drift_pictures import ScriptedDrift
from tests.tui.health_pictures import ScriptedHealth
from tests.tui.pictures import (
    ACTOR,
    NOW,
    believable,
    context,
    first_picture,
    logged,
)
from tests.tui.request_pictures import ScriptedRequests
from textual.pilot import Pilot

from meterdeck.core.errors import MeterdeckError, NotFound
from meterdeck.core.model.audit import (
    AuditPage,
    AuditPlace,
    AuditQuery,
    AuditVerdict,
    BrokenChain,
)
from meterdeck.core.model.bulk_override import BulkDone, BulkOrder
from meterdeck.core.model.changes import (
    Actor,
    Adjusted,
    Adjustment,
    AuditEntry,
    Override,
    Undone,
)
from meterdeck.core.model.context import (
    Context,
)
from meterdeck.core.model.costs import Comparison, TenantCost
from meterdeck.core.model.decisions import RefusalRecord
from meterdeck.core.model.event_changes import EventChange, EventChanged, EventPlan
from meterdeck.core.model.event_life import EventState
from meterdeck.core.model.events import (
    LoggedEvent,
)
from meterdeck.core.model.fault_presets import preset
from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.core.model.faults import OFF
from meterdeck.core.model.fleet_update import (
    WatchUpdate,
)
from meterdeck.core.model.ledger import NEEDING, EventStory, event_of_letter
from meterdeck.core.model.ledger_sight import LedgerSight
from meterdeck.core.model.override_ends import FoundOverride
from meterdeck.core.model.standing import Standing
from meterdeck.core.model.tenant_history import TenantHistory
from meterdeck.core.model.usage import (
    ResourceName,
    Tenant,
    TenantId,
)
from meterdeck.core.model.what_if import WhatIf, with_usage
from meterdeck.core.services.handoff import Gathered
from meterdeck.core.services.health import Seen
from meterdeck.tui.console import ConsoleApp
from meterdeck.tui.dialogs.enter_guard import REPEAT_S
from meterdeck.tui.runtime import Deliver, Ended, Opened

T = TypeVar("T")
_QUIET = FaultSight(
    OFF, 0.0, NOW, 0, {}, {"accepted": 0, "refused": 0, "dropped": 0}, NOW
)


@dataclass
class ScriptedCosts:
    """Says what running periods cost; nothing of those it was not told of.

    Attributes:
        error: Raised by every question, until it is taken away.
        asked: Who was reckoned, and what was imagined.
    """

    known: dict[str, TenantCost] = field(default_factory=dict)
    error: MeterdeckError | None = None
    asked: list[str | WhatIf] = field(default_factory=list)

    async def of(self, tenant: Tenant) -> TenantCost:
        self.asked.append(tenant.id)
        self._raise()
        return self.known.get(tenant.id) or TenantCost(tenant, NOW)

    async def imagine(self, before: TenantCost, wanted: WhatIf) -> Comparison:
        self.asked.append(wanted)
        self._raise()
        return Comparison(before, with_usage(before, wanted))

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class ScriptedBulk:
    """Takes orders for many overrides.

    Attributes:
        refusing: Tenants whose override is refused, and why.
        error: Raised by the next order, once.
    """

    refusing: dict[str, str] = field(default_factory=dict)
    error: MeterdeckError | None = None
    orders: list[tuple[BulkOrder, str]] = field(default_factory=list)

    async def perform(
        self,
        order: BulkOrder,
        *,
        actor: Actor,
        operation_id: str,
        progress: Callable[[int], None],
    ) -> BulkDone:
        self.orders.append((order, operation_id))
        error, self.error = self.error, None
        if error is not None:
            raise error
        progress(len(order.limits))
        tenants = [tenant for tenant, _ in order.limits]
        refused = [(t, self.refusing[t]) for t in tenants if t in self.refusing]
        return BulkDone(
            tuple(t for t in tenants if t not in self.refusing), tuple(refused)
        )


@dataclass
class ScriptedHistory:
    """Says what was used before; nothing of those it was not told of."""

    known: dict[str, TenantHistory] = field(default_factory=dict)

    async def of(self, tenant: Tenant) -> TenantHistory:
        return self.known.get(tenant.id) or TenantHistory(tenant, NOW, ())


@dataclass
class ScriptedEngine:
    """Answers what the console asks an engine, and keeps what it was asked.

    Attributes:
        error: Raised by the next change, once.
        before: The value a change finds.
    """

    before: int = 93_000
    error: MeterdeckError | None = None
    adjusted: list[tuple[Adjustment, str]] = field(default_factory=list)
    overridden: list[tuple[str, int | None, str]] = field(default_factory=list)
    cleared: list[tuple[str, str]] = field(default_factory=list)
    fired: list[tuple[str, int, bool]] = field(default_factory=list)
    found_overrides: tuple[FoundOverride, ...] = ()
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

    async def overrides_found(self) -> tuple[FoundOverride, ...]:
        self._raise()
        return self.found_overrides

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


@dataclass
class ScriptedPanel:
    """A fault panel that takes what it is told, and injects nothing."""

    sight: FaultSight
    error: MeterdeckError | None = None
    asked: list[Mapping[str, object]] = field(default_factory=list)
    waiting: int = 0

    async def look(self) -> FaultSight:
        if self.error is not None:
            raise self.error
        return self.sight

    async def change(self, changes: Mapping[str, object]) -> FaultSight:
        self.asked.append(changes)
        faults = self.sight.faults
        if "preset" in changes:
            faults, changes = preset(str(changes["preset"])).faults, {}
        self.sight = replace(self.sight, faults=faults.changed(changes))
        return self.sight

    async def clear(self) -> FaultSight:
        self.sight = replace(self.sight, faults=OFF)
        return self.sight

    async def settle(self) -> int:
        settled, self.waiting = self.waiting, 0
        return settled


class ScriptedRuntime:
    """An engine's place in the console, fed by the test."""

    def __init__(
        self, context: Context | None, *updates: WatchUpdate, failure: Any = None
    ) -> None:
        self.engine = ScriptedEngine()
        self.context = context
        self.focused: tuple[TenantId, ...] = ()
        self.consumed = 0
        self.pokes = 0
        self._updates = updates
        self._failure = failure
        self._deliver: Deliver | None = None

    def start(self, deliver: Deliver) -> None:
        self._deliver = deliver
        if self._failure is not None:
            deliver(Ended(self._failure))
        if self.context is not None:
            deliver(Opened(self.context))
        for one in self._updates:
            deliver(one)

    def push(self, one: WatchUpdate) -> None:
        """Deliver one more update."""
        assert self._deliver is not None
        self._deliver(one)

    def taken(self) -> None:
        self.consumed += 1

    def submit(
        self, job: Callable[[Any], Awaitable[T]], *, drained: bool = True
    ) -> Future[T]:
        future: Future[T] = Future()
        coroutine = cast("Any", job(cast("Any", self.engine)))
        try:
            coroutine.send(None)  # a scripted engine never waits
        except StopIteration as end:
            future.set_result(end.value)
        except MeterdeckError as error:
            future.set_exception(error)
        else:
            raise AssertionError("a scripted engine waited")
        return future

    def focus(self, tenants: Sequence[TenantId]) -> None:
        self.focused = tuple(tenants)

    def poke(self) -> None:
        self.pokes += 1

    def drain(self, timeout_s: float) -> None:
        return

    def stop(self) -> None:
        return


def console(runtime: ScriptedRuntime, **environ: str) -> ConsoleApp:
    """Return a console on a scripted engine, in a terminal with all colours."""
    known = {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | environ
    return ConsoleApp(runtime, actor=lambda: ACTOR, environ=known)


class Operator:
    """Somebody in front of a running console: presses keys, reads the screen."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[int], runtime: ScriptedRuntime):
        self.app = app
        self.pilot = pilot
        self.runtime = runtime

    @property
    def engine(self) -> ScriptedEngine:
        return self.runtime.engine

    def lines(self) -> list[str]:
        """Return the lines of the screen."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    def text(self) -> str:
        """Return the whole screen."""
        return "\n".join(self.lines())

    def line_with(self, text: str) -> str:
        """Return the first line that contains a text."""
        for line in self.lines():
            if text in line:
                return line
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text()}")

    def notices(self) -> str:
        """Return what the notices say, unwrapped."""
        return "\n".join(
            f"{notice.title}: {notice.message}" for notice in self.app._notifications
        )

    async def notices_say(self, text: str) -> None:
        """Wait until a notice says this."""
        await self.until(lambda: text in self.notices(), f"a notice of {text!r}")

    async def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def press_anew(self, *keys: str) -> None:
        """Press keys as somebody does who has let go of the ones before."""
        guard = self.app.screen._enter  # type: ignore[attr-defined]  # of every dialog
        await self.until(lambda: monotonic() - guard._at >= REPEAT_S)
        await self.press(*keys)

    async def type(self, text: str) -> None:
        """Type a text."""
        await self.press(*("space" if ch == " " else ch for ch in text))

    async def push(self, one: WatchUpdate) -> None:
        """Let the engine report something."""
        before = self.runtime.consumed
        self.runtime.push(one)
        await self.until(lambda: self.runtime.consumed > before)

    async def sees(self, text: str) -> str:
        """Wait until the screen contains a text; return the screen."""
        await self.until(lambda: text in self.text(), f"{text!r}")
        return self.text()

    async def until(self, condition: Callable[[], bool], what: str = "") -> None:
        """Wait for a condition, half a minute at most."""
        deadline = monotonic() + 30
        while not condition():
            if monotonic() > deadline:
                raise AssertionError(f"waited for {what}:\n{self.text()}")
            await self.pilot.pause(0.01)


@asynccontextmanager
async def operating(
    *updates: WatchUpdate,
    of: Context | None = None,
    size: tuple[int, int] = (120, 40),
    **environ: str,
) -> AsyncIterator[Operator]:
    """Run a console on scripted updates, with somebody in front of it."""
    runtime = ScriptedRuntime(of or context(), *updates)
    app = console(runtime, **environ)
    async with app.run_test(size=size, notifications=True) as pilot:
        operator = Operator(app, pilot, runtime)
        await operator.until(lambda: runtime.consumed >= len(updates), "the updates")
        await pilot.pause()
        await pilot.pause()
        yield operator
        leaks.produced(operator.text() + operator.notices())


def fleet_update(count: int = 26, at: datetime = NOW) -> WatchUpdate:
    """Return the first picture of a believable fleet."""
    return first_picture(believable(count), at)
