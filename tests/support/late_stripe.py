"""A fleet billed by hand at a Stripe whose summaries come late, and what guards it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tests.support.billed import MONTHLY, Billed
from tests.support.stripe_account import Clock

from meterdeck.core.model.changes import Actor
from meterdeck.core.model.delivery import BillingRecord, Claim
from meterdeck.core.services.audit_view import AuditView
from meterdeck.core.services.claim_guard import ClaimGuard, CounterMemory
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.reconcile.corrections import Corrections
from meterdeck.core.services.reconcile.reconciler import Scope
from meterdeck.core.services.reconcile.repair_plan import Choices, plan_of
from meterdeck.core.services.reconcile.subjects import Subject

ACTOR = Actor("ada", "local")
LAG_S = 120.0


@dataclass
class World:
    """The fleet, and the clock of its Stripe."""

    billed: Billed
    clock: Clock

    async def record(self, name: str) -> BillingRecord:
        """Return a tenant's record."""
        subject = await self.billed.subject(name)
        (record,) = await self.billed.records.read([subject.counter])
        return record

    def scope(self) -> Scope:
        """Return all tenants and the one resource."""
        return Scope(tuple(self.billed.tenants.values()), [MONTHLY])

    def guard(self, memory: CounterMemory | None = None) -> ClaimGuard:
        """Return the guard of a worker that has just begun."""
        redis, context = self.billed.redis, self.billed.context
        log = DeliveryLog(redis, context)
        corrections = Corrections(AuditView(redis, context))
        return ClaimGuard(log, corrections, self.billed.all.holds, memory)

    async def billed_an_hour_ago(self) -> tuple[Subject, CounterMemory]:
        """Bill acme 100; return its counter, and a memory of that as an hour ago."""
        subject = await self.billed.subject("acme")
        before = await self.billed.bill(subject, 100)
        memory = CounterMemory()
        at = before.claimed_at - timedelta(hours=1)
        memory.note(subject.counter, 1, at, 100)
        return subject, memory

    async def guarded(
        self, guard: ClaimGuard, subject: Subject, flush_s: int = 0
    ) -> Claim | str:
        """Claim, and bill it if the guard allows; else return why not."""
        claim = await self.billed.claim(subject)
        if held := await guard.check(claim, subject.period, flush_s):
            assert held.withdrawn
            return held.reason
        await self.billed.send(claim.event)
        await self.billed.settle(claim)
        return claim

    async def repair(self, *, lower: bool = False) -> list[str]:
        """Carry the plan of a repair out; return its problems."""
        plan = plan_of(await self.billed.found(everything=True), Choices(lower=lower))
        done = await self.billed.all.repairs().apply(plan, ACTOR, "mended")
        return [each.problem for each in done if each.problem]
