"""Samples of counters: kept by workers, read for the history of a tenant."""

import asyncio
from datetime import datetime, timedelta

from tests.support.contexts import SEATS

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.context import Context
from meterdeck.core.model.history import HOUR
from meterdeck.core.model.periods import Cycle, Interval, billing_cycle
from meterdeck.core.model.usage import CounterId, Tenant, TenantId
from meterdeck.core.services.history import History
from meterdeck.core.services.sync.sampling import Sampling


class Hours:
    """A fleet of three tenants, two workers, and a clock that is set by the hour."""

    def __init__(self, redis: Redis, context: Context, now: datetime) -> None:
        self.redis, self.layout = redis, context.redis.layout
        self.now = now
        self.cycle = Cycle(now - timedelta(days=10), Interval.YEAR)
        label = billing_cycle(self.cycle, now).label
        self.counters = [
            CounterId(TenantId(name), SEATS, label) for name in ("acme", "idle", "odd")
        ]
        self.workers = [
            Sampling(redis, context, tenants=self.tenant, now=lambda: self.now)
            for _ in range(2)
        ]

    def tenant(self, name: TenantId) -> Tenant:
        """Return a tenant as the directory has it."""
        return Tenant(name, name, cycle=self.cycle, limits={SEATS: 100})

    async def use(self, tenant: str, units: int) -> None:
        """Count as an application does that knows nothing but INCR."""
        key = self.layout.counter(tenant, SEATS, self.counters[0].period)
        await self.redis.incrby(key.decode(), units)

    async def pass_by(self, at: datetime) -> int:
        """Let both workers' sweeps go by at once; return how many samples were kept."""
        self.now = at
        for worker in self.workers:
            worker.round_begins()
        kept = await asyncio.gather(*(w.see(self.counters) for w in self.workers))
        for worker in self.workers:
            await worker.round_ends()
        return sum(kept)


async def test_two_workers_keep_one_sample_an_hour_of_what_moved_and_none_of_others(
    redis: Redis, context: Context
) -> None:
    """What nobody saw move, and a key of somebody else's, cost and change nothing."""
    now = await server_time(redis)
    hours = Hours(redis, context, now)
    o_clock = now.replace(minute=1, second=0)
    odd = hours.layout.history("odd", hours.counters[0].period)
    await redis.rpush(odd.decode(), "theirs")
    for tenant in ("acme", "idle", "odd"):
        await hours.use(tenant, 10)

    kept = [await hours.pass_by(o_clock - 4 * HOUR)]
    for ago in (3, 2):
        await hours.use("acme", 15)
        kept.append(await hours.pass_by(o_clock - ago * HOUR))
    kept += [await hours.pass_by(o_clock - HOUR + timedelta(minutes=m)) for m in (0, 5)]
    await hours.use("acme", 60)

    assert kept == [0, 1, 1, 0, 0]
    names = ("acme", "idle")
    keys = [hours.layout.history(n, hours.counters[0].period).decode() for n in names]
    assert await redis.exists(keys[1]) == 0
    kept_for = timedelta(seconds=await redis.ttl(keys[0]))
    assert kept_for > timedelta(days=350 + context.redis.retention_days)

    history = History(redis, context)
    seats = (await history.of(hours.tenant(TenantId("acme")))).of(SEATS)
    assert seats is not None
    assert [each.value for each in seats.readings] == [0, 10, 25, 40, 40, 100]
    assert seats.last_hour is not None
    assert seats.last_hour.units > 0
    assert seats.since == seats.usage.period.start
    foreign = (await history.of(hours.tenant(TenantId("odd")))).of(SEATS)
    assert foreign is not None
    assert (foreign.problem, foreign.usage.used) == (
        "its samples hold a value of another type",
        10,
    )
