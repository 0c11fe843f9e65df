"""What moves in a sandbox: its traffic, its worker, and a worker of yours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tests.integration.sandbox.life import (
    FEW,
    counters,
    directory,
    living,
)
from tests.integration.sandbox.process import eventually

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.events import EventOutcome, EventSource
from meterdeck.core.sandbox.cast import cast
from meterdeck.core.sandbox.catalogue import PRO
from meterdeck.core.sandbox.options import SandboxOptions
from meterdeck.core.sandbox.roles import JAPANESE
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.sync.worker import Worker


async def connections(redis: Redis) -> int:
    """Return how often Valkey was looked at: four times a second."""
    return int((await redis.info("stats"))["total_connections_received"])


async def test_what_is_used_is_delivered_by_the_real_worker() -> None:
    """What somebody counts with INCR is in Stripe's summary soon, beside what was used
    before the start."""
    async with living(FEW) as (sandbox, redis):
        tenant = (await directory(sandbox, redis))[JAPANESE.id]
        (calls, *_) = await sandbox.usage.usage(tenant)
        before = calls.used
        assert isinstance(before, int)
        layout = sandbox.context.redis.layout
        key = layout.counter(tenant.id, calls.resource, calls.period.label)
        await redis.incrby(key.decode(), 77)
        assert sandbox.context.stripe is not None
        gateway = StripeGateway(sandbox.context.stripe, sandbox.context.mode)
        (meter,) = (m for m in await gateway.meters() if m.event_name == "api_requests")

        async def billed() -> bool:
            span = calls.period.start, calls.period.end
            total = await gateway.summary(meter.id, tenant.customer, *span)
            return total == before + 77

        await eventually(billed)
        await gateway.close()


async def test_a_sandbox_without_a_worker_leaves_delivery_to_yours() -> None:
    """What is counted waits until somebody starts `meterdeck sync`."""
    options = replace(FEW, worker=False)
    async with living(options) as (sandbox, redis):
        (calls, *_) = await sandbox.usage.usage(JAPANESE.id)
        layout = sandbox.context.redis.layout
        key = layout.counter(JAPANESE.id, calls.resource, calls.period.label)
        await redis.incrby(key.decode(), 5)

        async with Worker(sandbox.context, hasty=True) as worker:
            await worker.run_once(lambda _: None)

        assert worker.counters.tally.units == 5


async def test_traffic_moves_counters_and_reports_to_stripe() -> None:
    """Counters of both kinds of tenants rise, and deliveries are logged."""
    options = SandboxOptions(rate=400)
    legacy = {each.company.id for each in cast(1, 60, datetime.now(UTC)) if each.legacy}
    async with living(options) as (sandbox, redis):
        before = await counters(redis)
        log = DeliveryLog(redis, sandbox.context)

        async def both_kinds_moved() -> bool:
            after = await counters(redis)
            moved = {key for key in after if after[key] != before.get(key)}
            names = {key.split(b":")[1].decode() for key in moved}
            return bool(names & legacy) and bool(names - legacy)

        await eventually(both_kinds_moved)

        async def delivered() -> bool:
            return len(await log.latest(10)) >= 3

        await eventually(delivered)
        lines = await log.latest(10)

    assert {line.source for line in lines} == {EventSource.WORKER}
    assert EventOutcome.ACCEPTED in {line.outcome for line in lines}
    assert all(line.tenant and line.event.customer for line in lines)


async def test_a_tenant_runs_into_its_limit_and_not_over_it() -> None:
    """The first role's tenant is at exactly 100 % after a while of traffic."""
    async with living(SandboxOptions(tenants=1, rate=2_000)) as (sandbox, _):
        limit = sandbox.context.plans[PRO].limits
        name = JAPANESE.id

        async def is_full() -> bool:
            rows = await sandbox.usage.usage(name)
            return any(row.used == limit[row.resource] for row in rows)

        await eventually(is_full)
        rows = await sandbox.usage.usage(name)

    assert all((row.percent or 0) <= 100 for row in rows)


async def test_without_traffic_nothing_moves() -> None:
    """More than a second of the sandbox's life changes no counter and logs nothing."""
    async with living(FEW) as (sandbox, redis):
        before = await counters(redis)
        started = await connections(redis)

        async def has_lived() -> bool:
            return await connections(redis) > started + 6

        await eventually(has_lived)

        assert await counters(redis) == before
        assert await DeliveryLog(redis, sandbox.context).latest(1) == ()


async def test_a_broken_counter_does_not_stop_the_traffic() -> None:
    """A developer may put anything into Redis; the others go on counting."""
    async with living(SandboxOptions(tenants=5, rate=400)) as (_, redis):
        for key in await counters(redis):
            if JAPANESE.id.encode() in key:
                await redis.set(key, "not a number", keepttl=True)
        before = await counters(redis)

        async def goes_on() -> bool:
            after = await counters(redis)
            return len({key for key in after if after[key] != before.get(key)}) >= 3

        await eventually(goes_on)
