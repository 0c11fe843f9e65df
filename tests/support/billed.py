"""A fleet that is billed by hand: what a worker does, step by step, and does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tests.support.stripe_side import StripeSide

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import (
    Answer,
    Attempt,
    Claim,
    Settlement,
    Verdict,
    Wanted,
)
from meterdeck.core.model.events import EventOutcome, MeterEvent
from meterdeck.core.model.periods import PeriodKind, current_period
from meterdeck.core.model.reconciliation import Cause
from meterdeck.core.model.usage import Resource, ResourceName, Tenant, TenantId
from meterdeck.core.services.reconcile.reconciler import Scope
from meterdeck.core.services.reconcile.reconciliation import Reconciliation
from meterdeck.core.services.reconcile.subjects import Compared, Subject

MONTHLY = Resource(ResourceName("api_calls"), "API calls", "call", meter="api_requests")
CYCLED = replace(
    MONTHLY,
    name=ResourceName("jobs"),
    meter="jobs",
    period=PeriodKind.BILLING_CYCLE,
)
EXACT = replace(MONTHLY, name=ResourceName("gigabytes"), meter="gigabytes", scale=3)

_DELIVERED = (EventOutcome.ACCEPTED, EventOutcome.DUPLICATE)


@dataclass
class Billed:
    """Tenants of one context, and a clock that can be ahead of the server's.

    Attributes:
        ahead: How far: what was accepted is older by that.
    """

    redis: Redis
    context: Context
    stripe: StripeSide
    gateway: StripeGateway
    ahead: timedelta = timedelta(minutes=20)
    tenants: dict[str, Tenant] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.all = Reconciliation(self.redis, self.context, self.gateway, now=self.now)
        self.records = BillingRecords(self.redis, self.context, "worker-1")

    async def now(self) -> datetime:
        """Return the time that ages are measured by."""
        return await server_time(self.redis) + self.ahead

    def tenant(self, name: str, **fields: object) -> Tenant:
        """Return a tenant with a customer in Stripe, made the first time."""
        if name not in self.tenants:
            customer = self.stripe.customer(name)
            made = Tenant(TenantId(name), name, customer=customer, **fields)  # type: ignore[arg-type]  # by name
            self.tenants[name] = made
        return self.tenants[name]

    async def subject(self, name: str, resource: Resource = MONTHLY) -> Subject:
        """Return a tenant's current counter."""
        tenant = self.tenant(name)
        now = await server_time(self.redis)
        period = current_period(resource.period, tenant.cycle, now)
        return Subject(tenant, resource, period)

    async def use(self, subject: Subject, units: int) -> None:
        """Count as an application does that only knows INCRBY."""
        await self.redis.incrby(self.key(subject), units)

    def key(self, subject: Subject) -> bytes:
        """Name a subject's counter."""
        names = (subject.tenant.id, subject.resource.name, subject.period.label)
        return self.context.redis.layout.counter(*names)

    def record_key(self, subject: Subject) -> bytes:
        """Name a subject's billing record."""
        names = (subject.tenant.id, subject.resource.name, subject.period.label)
        return self.context.redis.layout.billing(*names)

    async def claim(self, subject: Subject) -> Claim:
        """Claim what is unsent."""
        (claim,) = await self.records.claim([wanted(subject)])
        assert isinstance(claim, Claim), claim
        return claim

    async def settle(
        self, claim: Claim, verdict: Verdict = Verdict.DELIVERED, **attempt: object
    ) -> None:
        """Settle a claim."""
        answers = {Verdict.DEAD: Answer.REFUSED, Verdict.AMBIGUOUS: Answer.UNKNOWN}
        made = Attempt(answers.get(verdict, Answer.ACCEPTED), datetime.now(UTC))
        made = replace(made, **attempt)  # type: ignore[arg-type]  # by name
        assert all(await self.records.settle([Settlement(claim, verdict, made)]))

    async def send(self, event: MeterEvent) -> None:
        """Have Stripe accept an event, or know it; the log does not hear of it."""
        answer = await self.gateway.send_meter_event(event)
        assert answer.outcome in _DELIVERED, answer.message

    async def bill(self, subject: Subject, units: int = 0) -> Claim:
        """Use, claim, send and settle."""
        if units:
            await self.use(subject, units)
        claim = await self.claim(subject)
        await self.send(claim.event)
        await self.settle(claim)
        return claim

    async def work(self) -> None:
        """Send all that waits, as a worker does, until nothing does."""
        subjects = [each.subject for each in await self.found(everything=True)]
        while True:
            answers = await self.records.claim([wanted(each) for each in subjects])
            claims = [each for each in answers if isinstance(each, Claim)]
            for claim in claims:
                await self.send(claim.event)
                await self.settle(claim)
            if not claims:
                return

    async def found(
        self, *, everything: bool = False, resources: Sequence[Resource] = ()
    ) -> list[Compared]:
        """Compare every counter with Stripe."""
        scope = Scope(
            tuple(self.tenants.values()),
            resources or self.context.resources,
            everything,
        )
        reconciler = self.all.reconciler()
        results = [each async for each in reconciler.results(scope)]
        return [each for each in results if isinstance(each, Compared)]

    async def causes(self) -> dict[str, dict[Cause, int]]:
        """Return what is named, of every counter: `tenant` or `tenant@period`."""
        named = {}
        for found in await self.found(everything=True):
            current = (await server_time(self.redis)) in found.subject.period
            name = found.subject.tenant.id + ("" if current else "@before")
            shares = {each.cause: int(each.units) for each in found.finding.shares}
            if shares:
                named[name] = shares
        return named


def wanted(subject: Subject) -> Wanted:
    """Ask for a subject's unsent units, at once."""
    return Wanted(
        subject.counter,
        subject.resource.meter,
        subject.tenant.customer,
        subject.resource.scale,
        subject.period,
        flush_s=0,
    )
