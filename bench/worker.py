"""The worker: what an event costs from counter to Stripe, and how soon it is there."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.machine import memory_mb, move
from bench.report import Row, Target, spread
from bench.stripe_process import KEY, METER, RunningStripe, running_stripe
from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.model.context import (
    Context,
    DeliveryOptions,
    Mode,
    RedisOptions,
    Secret,
    SinkKind,
    StripeOptions,
)
from meterdeck.core.model.delivery import NotClaimed, Verdict
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import Resource, ResourceName
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.sync.observer import NoObserver
from meterdeck.core.services.sync.worker import Worker
from meterdeck.core.services.usage import UsageService

LIVE_RATE = 1_000
CALLS = ResourceName("api_calls")
_FLUSH_S = 5
_UNLIMITED = 200_000
_SPARE_S = 2.0
_TENANTS = 5_000


@dataclass(frozen=True, slots=True)
class Place:
    """A Redis and a Stripe that one worker is between."""

    redis: Redis
    context: Context

    async def use(self, tenants: Iterable[str], units: int) -> None:
        """Count as a program does that only knows INCR."""
        month = calendar_month(await server_time(self.redis)).label
        layout = self.context.redis.layout
        async with self.redis.pipeline(transaction=False) as pipe:
            for each in tenants:
                pipe.incrby(layout.counter(each, CALLS, month).decode(), units)
            await pipe.execute()


class Lags(NoObserver):
    """Keeps how long it took from noticing use to settling its event."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def settled(self, verdict: Verdict, lag_s: float | None, code: str) -> None:
        """Keep one."""
        if verdict is Verdict.DELIVERED and lag_s is not None:
            self.seconds.append(lag_s)

    def not_claimed(self, why: NotClaimed) -> None:
        """Nothing of it is measured."""


@asynccontextmanager
async def place(
    to: RunningStripe, sink: SinkKind = SinkKind.V1
) -> AsyncIterator[Place]:
    """Run a Valkey on Stripe's core; its tenants are called like Stripe's customers."""
    with tempfile.TemporaryDirectory(prefix="md-bench-") as folder:
        async with Valkey(data_dir=Path(folder), port=None) as server:
            move(server.pid, 1)
            context = Context(
                name="bench",
                mode=Mode.SANDBOX,
                read_only=False,
                redis=RedisOptions(url=server.url, timeout_s=10.0),
                stripe=StripeOptions(Secret(KEY), api_base=to.base_url),
                resources=(
                    Resource(CALLS, "Calls", "call", meter=METER, flush_s=_FLUSH_S),
                ),
                plans={},
                delivery=DeliveryOptions(
                    sink=sink,
                    events_per_second=_UNLIMITED,
                    at_once=10,
                    reconcile_m=0,
                ),
            )
            client = open_redis(context.redis)
            try:
                yield Place(client, context)
            finally:
                await client.aclose()


async def run(*, rounds: int, seconds: float) -> list[Row]:
    """Measure one worker: a backlog in one go, and use as it comes."""
    with running_stripe(_TENANTS) as to:
        return [
            *await _backlog(to, rounds, SinkKind.V1),
            *await _backlog(to, rounds, SinkKind.V2_STREAM),
            *await _lag(to, seconds),
        ]


async def _backlog(to: RunningStripe, rounds: int, sink: SinkKind) -> list[Row]:
    rates, costs, server_ms = [], [], []
    events = len(to.customers)
    async with place(to, sink) as at:
        for _ in range(rounds):
            await at.use(to.customers, 7)
            async with Worker(at.context, hasty=True) as worker:
                await worker.prepare()
                await at.redis.config_resetstat()
                cpu, started = time.process_time(), time.perf_counter()
                await worker.deliver_all(lambda text: None)
                took = time.perf_counter() - started
                assert worker.counters.tally.delivered == events
                rates.append(events / took)
                costs.append((time.process_time() - cpu) / events * 1e6)
            stats = await at.redis.info("commandstats")
            server_ms.append(stats["cmdstat_evalsha"]["usec"] / events / 1000)
    name = "v1" if sink is SinkKind.V1 else "v2 stream"
    what = f"worker, {name}: {events:,} counters, from claim to settlement"
    rows = [
        Row(what, spread(rates), "events/s"),
        Row(f"{what}: processor time", spread(costs), "µs an event"),
    ]
    if sink is SinkKind.V1:
        share = [cost * LIVE_RATE / 1e6 * 100 for cost in costs]
        rows += [
            Row(
                f"worker, v1: {LIVE_RATE:,} events a second, share of one core",
                spread(share),
                "%",
                target=Target(60, at_most=True, unit="%"),
            ),
            Row(
                "claim and settle: server time a counter",
                spread(server_ms),
                "ms",
                target=Target(0.25, at_most=True, unit="ms"),
            ),
        ]
    return rows


async def _lag(to: RunningStripe, seconds: float) -> list[Row]:
    """Let a fleet use something now and then, at Stripe's live rate of events."""
    tenants = to.customers[: LIVE_RATE * _FLUSH_S // 2]
    lags, before = Lags(), 0.0
    async with place(to) as at:
        usage = UsageService(at.redis, at.context)
        async with Worker(at.context, observer=lags) as worker:
            work = asyncio.create_task(worker.run())
            await worker.ready.wait()
            before = memory_mb(os.getpid())
            cpu, started = time.process_time(), time.perf_counter()
            calls = 0
            while time.perf_counter() - started < seconds:
                batch = [tenants[(calls + n) % len(tenants)] for n in range(50)]
                await asyncio.gather(
                    *(usage.consume(each, {CALLS: 1}) for each in batch)
                )
                calls += len(batch)
                await asyncio.sleep(0.02)
            took = time.perf_counter() - started
            used = (time.process_time() - cpu) / took * 100
            grown = memory_mb(os.getpid()) - before
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
    slowest = sorted(lags.seconds)[len(lags.seconds) * 99 // 100]
    what = f"worker, v1: {calls / took:,.0f} calls a second of {len(tenants):,} tenants"
    return [
        Row(
            f"{what}: from use to Stripe, 99 % (flush interval {_FLUSH_S} s)",
            spread([slowest]),
            "s",
            target=Target(_FLUSH_S + _SPARE_S, at_most=True, unit="s"),
        ),
        Row(f"{what}: events", spread([len(lags.seconds) / took]), "events/s"),
        Row(f"{what}: one core, with the application's calls", spread([used]), "%"),
        Row(f"{what}: memory, grown in {took:.0f} s", spread([grown]), "MB"),
    ]
