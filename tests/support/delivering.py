"""A worker at work in tests: what it is to bill, and what Stripe has of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from tests.support.contexts import CALLS
from tests.support.stripe_side import StripeSide

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import Period, calendar_month
from meterdeck.core.services.sync.worker import Worker

_DEADLINE_S = 20.0


def delivering(context: Context, *, flush_s: int = 1, **options: object) -> Context:
    """Return `context` with quick intervals, at a rate no test waits for."""
    quick = replace(context.delivery, events_per_second=5_000, takeover_s=2.0)
    return replace(
        context,
        resources=tuple(replace(each, flush_s=flush_s) for each in context.resources),
        delivery=replace(quick, **options),  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Bench:
    """A Redis with counters, and the Stripe that is to have them."""

    context: Context
    redis: Redis
    stripe: StripeSide
    gateway: StripeGateway

    async def now(self) -> datetime:
        """Return the Redis server's time."""
        return await server_time(self.redis)

    async def month(self) -> Period:
        """Return the current calendar month."""
        return calendar_month(await self.now())

    async def last_month(self) -> Period:
        """Return the one before."""
        return calendar_month((await self.month()).start - timedelta(seconds=1))

    async def use(self, tenant: str, units: int, period: Period | None = None) -> None:
        """Count as an application does that knows nothing but INCR."""
        label = (period or await self.month()).label
        key = self.context.redis.layout.counter(tenant, CALLS, label)
        await self.redis.incrby(key.decode(), units)

    async def billed(self, customer: str, period: Period | None = None) -> Decimal:
        """Return what Stripe's summary of a period has."""
        span = period or await self.month()
        return await self.gateway.summary(
            self.stripe.meter, customer, span.start, span.end
        )

    @property
    def sent(self) -> int:
        """How many meter events were sent, repeats too."""
        return self.stripe.requests.count("POST /v1/billing/meter_events")


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"still not so: {what}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def at_work(worker: Worker) -> AsyncIterator[Worker]:
    """Let a worker run for the time of the block."""
    async with worker:
        task = asyncio.create_task(worker.run())
        try:
            await until(lambda: worker.ready.is_set() or task.done(), "it is ready")
            yield worker
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
