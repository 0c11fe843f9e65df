"""Drift that is as the test says, and is asked like the engine's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from tests.tui.pictures import NOW

from meterdeck.core.errors import RedisUnreachable
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.delivery import BillingRecord
from meterdeck.core.model.drift import Drifted, LastPass, drifted
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.reconciliation import Cause, Facts, Finding, Share
from meterdeck.core.model.usage import CounterId, Resource, ResourceName, Tenant
from meterdeck.core.services.close_guard import Closing
from meterdeck.core.services.reconcile.desk import Comparison
from meterdeck.core.services.reconcile.reconciler import Result
from meterdeck.core.services.reconcile.repair_plan import Step
from meterdeck.core.services.reconcile.repairs import Repaired
from meterdeck.core.services.reconcile.subjects import Compared, Subject

API = Resource(ResourceName("api_calls"), "API calls", "call", meter="api_requests")
MONTH = calendar_month(NOW)


def missing(tenant: Tenant, units: int) -> Compared:
    """Return a counter of which Stripe accepted units and does not count them."""
    counter = CounterId(tenant.id, API.name, MONTH.label)
    record = BillingRecord(counter, 100, reported=100, sequence=3)
    stripe = Decimal(100 - units)
    facts = Facts(record, MONTH, 0, NOW, stripe)
    finding = Finding(facts, (Share(Cause.MISSING, Decimal(units)),))
    return Compared(Subject(tenant, API, MONTH), finding)


def row_of(found: Compared) -> Drifted:
    """Return what a pass keeps of it."""
    return drifted(found.subject.counter, found.finding)


def closing(tenant: Tenant, units: int) -> Closing:
    """Return a counter with unsent units, of a period that ends in two hours."""
    counter = CounterId(tenant.id, API.name, MONTH.label)
    record = BillingRecord(counter, 100, reported=100 - units)
    return Closing(tenant, API, counter, NOW + timedelta(hours=2), record)


@dataclass
class ScriptedDrift:
    """Finds what it was told of; a repair that was carried out leaves nothing.

    Attributes:
        passed: What the workers found last.
        wrong: What Stripe does not have now.
        compares: How often everything was compared.
        away: Why what ends soon cannot be read; "" while it can.
    """

    passed: LastPass | None = None
    wrong: list[Compared] = field(default_factory=list)
    ending: list[Closing] = field(default_factory=list)
    compares: list[bool] = field(default_factory=list)
    repaired: list[tuple[Step, str]] = field(default_factory=list)
    away: str = ""

    async def last(self) -> LastPass | None:
        return self.passed

    async def compare(self, comparison: Comparison) -> None:
        self.compares.append(comparison.everything)
        comparison.tenants = comparison.done = 26
        for each in self.wrong:
            comparison.take(each)
        comparison.ended = NOW

    async def compared(self, counters: Iterable[CounterId]) -> tuple[Result, ...]:
        wanted = set(counters)
        return tuple(each for each in self.wrong if each.subject.counter in wanted)

    async def repair(
        self, steps: Sequence[Step], actor: Actor, reason: str
    ) -> list[Repaired]:
        self.repaired += [(step, reason) for step in steps]
        mended = {step.subject.counter for step in steps}
        self.wrong = [w for w in self.wrong if w.subject.counter not in mended]
        return [Repaired(step) for step in steps]

    async def closing(self) -> tuple[tuple[Closing, ...], int]:
        if self.away:
            raise RedisUnreachable(self.away)
        return tuple(self.ending), 0


def passed(rows: Iterable[Compared]) -> LastPass:
    """Return a pass of the workers that found these."""
    found = tuple(map(row_of, rows))
    at = NOW - timedelta(minutes=12)
    return LastPass(at, "one", 2.0, False, 120, 9, 0, 0, found)
