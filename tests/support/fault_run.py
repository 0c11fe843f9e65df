"""A run of workers under faults: what is used meanwhile, and what has to be true."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.contexts import CALLS
from tests.support.crew import Crew, at_work
from tests.support.doom import Doom
from tests.support.stripe_side import StripeSide
from tests.support.troubled_stripe import Ledger, TroubledStripe
from tests.support.zygote import Zygote

from meterdeck.core.adapters.redis_client import Redis, redis_errors, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import Unreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.usage import UsageService

FULL = os.environ.get("METERDECK_FAULTS") == "full"
"""Whether hundreds of workers are killed; else as many as `make test` has time for."""
METER = "api_requests"
_PAUSE_S = 0.004
_SAMPLED_S = 0.1
_DEADLINE_S = 600.0 if FULL else 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """A counter and its billing record, read at one moment after another.

    Attributes:
        withheld: Whether the worker found the record older than what it had sent, and
            bills nothing of the counter until somebody has looked.
    """

    used: int
    reported: int
    parked: int
    in_flight: int
    withheld: bool = False

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
        call_id, use = f"call-{self.seed}-{self.calls}", {str(CALLS): units}
        while True:
            try:
                made = await self._usage.consume(tenant, use, call_id=call_id)
            except Unreachable:
                await asyncio.sleep(_PAUSE_S)
            else:
                assert made.allowed, made
                self.confirmed += units
                return

    async def _incr(self, tenant: str, units: int) -> None:
        try:
            label = await self.label()
        except Unreachable:
            return  # nothing was counted
        key = self.context.redis.layout.counter(tenant, CALLS, label)
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


@dataclass(frozen=True, slots=True)
class Finding:
    """What a run showed; `lost` and `double` are units."""

    name: str
    workers: int
    kills: int
    server_kills: int
    events: int
    requests: int
    units: int
    samples: int
    lost: int
    double: int
    two_payloads: int
    took_s: float


@dataclass(frozen=True)
class Stage:
    """Where workers come from, the Stripe they deliver to, and who keeps findings."""

    zygote: Zygote
    stripe: StripeSide
    found: Callable[[Finding], None]

    def customers(self, tenants: int) -> dict[str, str]:
        """Create so many tenants' customers; return them by tenant."""
        names = [f"t{number}" for number in range(tenants)]
        return {name: self.stripe.subscribed(name) for name in names}


@dataclass
class Run:
    """Everything that takes part in a run, and what was found.

    Attributes:
        samples: How often the sum was looked at while all were at work.
        labels: Of the periods that are counted in.
    """

    name: str
    context: Context
    redis: Redis
    stripe: StripeSide
    application: Application
    crew: Crew
    door: TroubledStripe
    labels: tuple[str, ...]
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

    async def held(self, *labels: str) -> dict[str, Held]:
        """Read every tenant's record, and then its counter; of all periods together."""
        labels = labels or self.labels
        read = [await self._held(each) for each in labels]
        return {tenant: sum_of([each[tenant] for each in read]) for tenant in read[0]}

    async def used(self, label: str) -> int:
        """Return what all tenants have used in a period."""
        return sum(each.used for each in (await self.held(label)).values())

    async def _held(self, label: str) -> dict[str, Held]:
        layout = self.context.redis.layout
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

    async def kill_anywhere(self, times: int) -> None:
        """Kill workers at moments that have nothing to do with what they do."""
        for _ in range(times):
            await asyncio.sleep(self.doom.random.uniform(0.1, 0.5))
            self.crew.kill_somebody()

    async def until_settled(self, *, or_withheld: bool = False) -> None:
        """Wait until nothing is in flight or waiting.

        Args:
            or_withheld: A counter that the worker withholds is not waited for.
        """

        async def all_settled() -> bool:
            held = (await self.held()).values()
            return all(each.settled or (or_withheld and each.withheld) for each in held)

        await until(all_settled, self._unsettled)

    async def until_doomed(self) -> None:
        """Wait until everybody who was to be killed is."""

        async def over() -> bool:
            return self.doom.over

        await until(over, lambda: f"still to be killed: {self.doom.kills}")

    async def until_delivered(self, events: int) -> None:
        """Wait until Stripe has accepted so many events."""

        async def enough() -> bool:
            return len(self.ledger.counted) >= events

        await until(enough, self._unsettled)

    async def billed(self) -> dict[str, int]:
        """Ask Stripe for its summaries of every tenant's last days."""
        now = await server_time(self.redis)
        start, end = _midnight(now, -2), _midnight(now, 2)
        assert self.context.stripe is not None
        gateway = StripeGateway(self.context.stripe, self.context.mode)
        try:
            return {
                tenant: int(
                    await gateway.summary(self.stripe.meter, customer, start, end)
                )
                for tenant, customer in self.application.customers.items()
            }
        finally:
            await gateway.close()

    async def check(self, *, kept: bool = True) -> Finding:
        """What Stripe's summaries have is what was consumed, to the unit; and no
        identifier had two payloads, or was counted twice.

        Args:
            kept: Whether Redis kept every count that it confirmed. If not, counters
                that the worker withholds are not compared: their records are older
                than what was sent, and that is for a person to mend.
        """
        held, billed = await self.held(), await self.billed()
        compared = [each for each in held if kept or not held[each].withheld]
        assert len(compared) > len(held) // 2, held
        used = {tenant: held[tenant].used for tenant in compared}
        finding = self.finding(used, billed)
        assert finding.lost == finding.double == finding.two_payloads == 0, finding
        told = self.application
        assert 0 < finding.units <= told.confirmed + told.unknown
        assert told.confirmed <= finding.units or not kept
        counted = [each.identifier for each in self.ledger.counted]
        assert len(counted) == len(set(counted))
        return finding

    def finding(self, used: dict[str, int], billed: dict[str, int]) -> Finding:
        """Sum up the run, by what was used and what Stripe has of it."""
        differences = [used[each] - billed[each] for each in used]
        return Finding(
            self.name,
            len(self.crew.seats),
            sum(self.doom.killed.values()),
            self.server_kills,
            len(self.ledger.counted),
            self.ledger.requests,
            sum(used.values()),
            self.samples,
            sum(each for each in differences if each > 0),
            -sum(each for each in differences if each < 0),
            len(self.ledger.differing),
            time.monotonic() - self.began,
        )

    def _unsettled(self) -> str:
        return self.crew.zygote.complaints[-1500:]


def _midnight(now: datetime, days: int) -> datetime:
    return datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=days)


def sum_of(several: Sequence[Held]) -> Held:
    """Add up what several periods hold."""
    return Held(
        sum(each.used for each in several),
        sum(each.reported for each in several),
        sum(each.parked for each in several),
        sum(each.in_flight for each in several),
        any(each.withheld for each in several),
    )


def _held(record: dict[bytes, bytes], used: bytes | None) -> Held:
    flying = int(record.get(b"units", 0)) if record.get(b"in_flight") else 0
    return Held(
        int(used or 0),
        int(record.get(b"reported", 0)),
        int(record.get(b"parked", 0)),
        flying,
        b"held" in record,
    )


@asynccontextmanager
async def playing(
    name: str,
    stage: Stage,
    context: Context,
    doom: Doom,
    *,
    redis: Redis,
    customers: dict[str, str],
    plain: bool = False,
    workers: int = 1,
    wrong_s: Sequence[float] = (0.0,),
) -> AsyncIterator[Run]:
    """Let workers deliver during the block what an application counts, once it does."""
    async with at_work(
        stage.zygote, context, stage.stripe, doom, workers=workers, wrong_s=wrong_s
    ) as (crew, door):
        application = Application(context, redis, customers, doom.seed, plain)
        now = await server_time(redis)
        months = (now, now + timedelta(minutes=30))  # it may end meanwhile
        labels = tuple(sorted({calendar_month(each).label for each in months}))
        yield Run(name, context, redis, stage.stripe, application, crew, door, labels)


@asynccontextmanager
async def using(run: Run, *, sampled: bool = True) -> AsyncIterator[None]:
    """Let the application count during the block; look at the sum ten times a second.

    Args:
        sampled: Whether to look.
    """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run.application.run())
        if sampled:
            tasks.create_task(_sampling(run))
        yield
        # Told, not cancelled: the Redis client may swallow that, before Python 3.12.
        run.application.stopping = True


async def _sampling(run: Run) -> None:
    while not run.application.stopping:
        with suppress(Unreachable):
            await run.sample()
        await asyncio.sleep(_SAMPLED_S)


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
