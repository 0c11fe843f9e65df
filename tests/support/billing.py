"""Billing records for tests: what is wanted of a counter, and how it is settled."""

from dataclasses import replace
from datetime import timedelta

from tests.support.contexts import CALLS
from tests.support.raw import ask

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import (
    Answer,
    Attempt,
    BillingRecord,
    Claim,
    NoClaim,
    Settlement,
    Verdict,
    Wanted,
)
from meterdeck.core.model.periods import Period, calendar_month
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId
from meterdeck.core.services.change_calls import Signature

ACTOR = Actor("ada", "ssh 192.0.2.7")
TRIES = {
    Verdict.DELIVERED: Answer.ACCEPTED,
    Verdict.DEAD: Answer.REFUSED,
    Verdict.LATER: Answer.BUSY,
    Verdict.AMBIGUOUS: Answer.UNKNOWN,
}


def signed(operation_id: str, reason: str = "asked for") -> Signature:
    """Return what an operator's change is signed with."""
    return Signature(ACTOR, reason, operation_id)


def settled(claim: Claim, verdict: Verdict, **changes: object) -> Settlement:
    """Say what became of a claim, after one attempt."""
    attempt = Attempt(TRIES[verdict], claim.claimed_at, message="said", code="why")
    settlement = Settlement(claim, verdict, attempt)
    return replace(settlement, **changes)  # type: ignore[arg-type]  # names are checked


class Till:
    """A counter that is billed, with a worker: acme's calls of this month.

    Nothing waits for a flush interval.
    """

    def __init__(self, redis: Redis, context: Context, wanted: Wanted) -> None:
        self.redis = redis
        self.context = context
        self.wanted = wanted
        self.layout = context.redis.layout
        self.records = self.worker("first")

    @classmethod
    async def open(cls, redis: Redis, context: Context, tenant: str = "acme") -> "Till":
        """Return the till of the current month."""
        return cls(
            redis, context, of_period(calendar_month(await server_time(redis)), tenant)
        )

    @property
    def counter(self) -> bytes:
        """Name the counter's key."""
        who = self.wanted.counter
        return self.layout.counter(who.tenant, who.resource, who.period)

    @property
    def key(self) -> bytes:
        """Name the billing record's key."""
        who = self.wanted.counter
        return self.layout.billing(who.tenant, who.resource, who.period)

    def worker(self, name: str) -> BillingRecords:
        """Return what a worker of that name claims with."""
        return BillingRecords(self.redis, self.context, name)

    async def use(self, units: int) -> None:
        """Count units, as a program does that only knows INCR."""
        await ask(self.redis, "INCRBY", self.counter, units)

    async def ask_for(
        self, by: BillingRecords | None = None, **changes: object
    ) -> Claim | NoClaim:
        """Claim what is unsent, whatever the answer is."""
        wanted = replace(self.wanted, **changes)  # type: ignore[arg-type]  # names are checked
        return (await (by or self.records).claim([wanted]))[0]

    async def claim(self, by: BillingRecords | None = None, **changes: object) -> Claim:
        """Claim what is unsent, of which there is something."""
        answer = await self.ask_for(by, **changes)
        assert isinstance(answer, Claim), answer
        return answer

    async def settle(
        self, claim: Claim, verdict: Verdict = Verdict.DELIVERED, **changes: object
    ) -> bool:
        """Settle one claim; False: it was settled before."""
        return (await self.records.settle([settled(claim, verdict, **changes)]))[0]

    async def deliver(self, units: int) -> Claim:
        """Count units and have them billed."""
        await self.use(units)
        claim = await self.claim()
        assert await self.settle(claim)
        return claim

    async def read(self) -> BillingRecord:
        """Read the record."""
        return (await self.records.read([self.wanted.counter]))[0]

    async def fields(self) -> dict[bytes, bytes]:
        """Return the record's fields as they are."""
        return dict(await self.redis.hgetall(self.key))  # type: ignore[arg-type]  # ours returns bytes

    async def put(self, **fields: int | str) -> None:
        """Change fields of the record by hand."""
        for name, value in fields.items():
            await ask(self.redis, "HSET", self.key, name, value)

    async def let_pass(self, time: timedelta) -> None:
        """Have it so much later for the record: its moments were earlier by that."""
        names = ("sent_at", "claimed_at", "leased_until", "retry_at")
        fields = await self.fields()
        shift = time // timedelta(milliseconds=1)
        moved = {
            name: int(fields[name.encode()]) - shift
            for name in names
            if name.encode() in fields
        }
        await self.put(**moved)


def of_period(
    period: Period, tenant: str = "acme", resource: ResourceName = CALLS
) -> Wanted:
    """Ask for the counter of a period, at once."""
    counter = CounterId(TenantId(tenant), resource, period.label)
    return Wanted(counter, "api_requests", "cus_1", 0, period, flush_s=0)
