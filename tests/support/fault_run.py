"""A run of workers under faults: what is used meanwhile, and what has to be true."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.contexts import CALLS
from tests.support.crew import Crew
from tests.support.doom import Doom
from tests.support.stripe_side import StripeSide
from tests.support.troubled_stripe import Ledger, TroubledStripe

from meterdeck.core.adapters.redis_client import Redis, redis_errors, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import Unreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.usage import UsageService

METER = "api_requests"
_PAUSE_S = 0.004
_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """A counter and its billing record, read at one moment after another."""

    used: int
    reported: int
    parked: int
    in_flight: int

    @property
    def settled(self) -> bool:
        """Whether all that was used is at Stripe, as far as Redis knows."""
        return not self.in_flight and self.used == self.reported + self.parked


@dataclass
class Application:
    """Counts for its tenants, without a pause.

    Attributes:
        customers: Of the tenants, at Stripe.
        plain: Count by INCRBY alone, as a program without our library.
        confirmed: Units whose count was confirmed.
        unknown: Units that were counted or not: nobody said.
    """

    context: Context
    redis: Redis
    customers: dict[str, str]
    seed: int
    plain: bool = False
    confirmed: int = 0
    unknown: int = 0
    calls: int = 0
    stopping: bool = False

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # guesses no secret
        self._usage = UsageService(self.redis, self.context)
        self._tenants = list(self.customers)

    async def run(self) -> None:
        """Count until it is told to stop."""
        while not self.stopping:
            tenant = self._random.choice(self._tenants)
            units = self._random.randint(1, 9)
            self.calls += 1
            await (self._incr if self.plain else self._consume)(tenant, units)
            await asyncio.sleep(_PAUSE_S)

    async def _consume(self, tenant: str, units: int) -> None:
        """Ask with the same id until there is an answer."""
        call_id = f"call-{self.seed}-{self.calls}"
        while True:
            try:
                made = await self._usage.consume(tenant, {CALLS: units}, call_id=call_id)
            except Unreachable:
                await asyncio.sleep(_PAUSE_S)
            else:
                assert made.allowed
                self.confirmed += units
                return

    async def _incr(self, tenant: str, units: int) -> None:
        key = self.context.redis.layout.counter(tenant, CALLS, await self.label())
        try:
            with redis_errors(write="a count"):
                await self.redis.incrby(key.decode(), units)
        except Unreachable:
            self.unknown += units  # such a program does not know, and does not ask
        else:
            self.confirmed += units

    async def label(self) -> str:
        """Return the current period's."""
        return calendar_month(await server_time(self.redis)).label


@dataclass
class Run:
    """Everything that takes part in a run, and what was found.

    Attributes:
        samples: How often the sum was looked at while all were at work.
    """

    name: str
    context: Context
    redis: Redis
    stripe: StripeSide
    application: Application
    crew: Crew
    door: TroubledStripe
    began: float = field(default_factory=time.monotonic)
    server_kills: int = 0
    samples: int = 0

    @property
    def ledger(self) -> Ledger:
        """What came to Stripe."""
        return self.door.ledger

    @property
    def doom(self) -> Doom:
        """What decides."""
        return self.crew.doom

    async def held(self, label: str = "") -> dict[str, Held]:
        """Read every tenant's record, and then its counter."""
        layout = self.context.redis.layout
        label = label or await self.application.label()
        tenants = list(self.application.customers)
        async with self.redis.pipeline(transaction=False) as pipe:
            for tenant in tenants:
                pipe.hgetall(layout.billing(tenant, CALLS, label).decode())
                pipe.get(layout.counter(tenant, CALLS, label))
            with redis_errors():
                found: list[Any] = await pipe.execute()
        return {
            tenant: _held(found[2 * n], found[2 * n + 1])
            for n, tenant in enumerate(tenants)
        }

    async def sample(self) -> None:
        """Look whether what Stripe has, what is parked, in flight and waiting is what
        was counted, at this moment.

        The three are not read at one moment: what Stripe had before cannot be more
        than what is reported or in flight then, and what it has after not less than
        what is reported.
        """
        before = dict(self.ledger.units)
        held = await self.held()
        for tenant, each in held.items():
            key = self.application.customers[tenant], METER
            assert before.get(key, 0) <= each.reported + each.in_flight, (tenant, each)
            assert each.reported <= self.ledger.units[key], (tenant, each)
            assert each.reported + each.parked + each.in_flight <= each.used, each
            assert each.parked == 0, (tenant, each)
        self.samples += 1

    async def until_settled(self) -> None:
        """Wait until nothing is in flight or waiting."""

        async def all_settled() -> bool:
            return all(each.settled for each in (await self.held()).values())

        await until(all_settled, lambda: self._unsettled())

    async def until_doomed(self) -> None:
        """Wait until everybody who was to be killed is."""

        async def over() -> bool:
            return self.doom.over

        await until(over, lambda: f"still to be killed: {self.doom.kills}")

    async def billed(self) -> dict[str, int]:
        """Ask Stripe for its summaries of every tenant's month."""
        month = calendar_month(await server_time(self.redis))
        assert self.context.stripe is not None
        gateway = StripeGateway(self.context.stripe, self.context.mode)
        try:
            return {
                tenant: int(
                    await gateway.summary(
                        self.stripe.meter, customer, month.start, month.end
                    )
                )
                for tenant, customer in self.application.customers.items()
            }
        finally:
            await gateway.close()

    async def check(self) -> None:
        """What Stripe's summaries have is what was consumed, to the unit; and no
        identifier had two payloads."""
        used = {tenant: each.used for tenant, each in (await self.held()).items()}
        assert await self.billed() == used
        total, told = sum(used.values()), self.application
        assert told.confirmed <= total <= told.confirmed + told.unknown
        assert total > 0
        self.check_identifiers()

    def check_identifiers(self) -> None:
        """Each had one payload, and was counted once."""
        assert self.ledger.differing == []
        counted = [each.identifier for each in self.ledger.counted]
        assert len(counted) == len(set(counted))

    def _unsettled(self) -> str:
        return f"{self.crew.zygote.complaints[-1500:]}"


def _held(record: dict[bytes, bytes], used: bytes | None) -> Held:
    flying = int(record.get(b"units", 0)) if record.get(b"in_flight") else 0
    return Held(
        int(used or 0),
        int(record.get(b"reported", 0)),
        int(record.get(b"parked", 0)),
        flying,
    )


@asynccontextmanager
async def using(run: Run) -> AsyncIterator[None]:
    """Let the application count during the block."""
    task = asyncio.create_task(run.application.run())
    try:
        yield
    finally:
        run.application.stopping = True
        await task


async def until(
    condition: Callable[[], Awaitable[bool]], what: Callable[[], str]
) -> None:
    """Wait for a condition; servers that are away are asked again.

    Raises:
        AssertionError: It did not come true; `what` says more.
    """
    deadline = time.monotonic() + _DEADLINE_S
    while not await _holds(condition):
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.02)


async def _holds(condition: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await condition()
    except Unreachable:
        return False
