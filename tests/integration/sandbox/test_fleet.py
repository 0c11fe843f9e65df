"""What lives in a sandbox: the seeded fleet, its traffic, and foreign programs."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.integration.sandbox.process import eventually

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.events import EventOutcome, EventSource, LoggedEvent
from meterdeck.core.model.usage import Tenant, TenantId, TenantStatus
from meterdeck.core.sandbox.cast import cast
from meterdeck.core.sandbox.catalogue import PRO
from meterdeck.core.sandbox.options import SandboxOptions
from meterdeck.core.sandbox.roles import CYRILLIC, GERMAN, JAPANESE, LONG_NAME
from meterdeck.core.sandbox.sandbox import Sandbox
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.history import History
from meterdeck.core.services.reconcile.reconciler import Scope, Unasked
from meterdeck.core.services.reconcile.reconciliation import Reconciliation
from meterdeck.core.services.reconcile.subjects import Compared
from meterdeck.core.services.sync.worker import Worker

Counters = Mapping[bytes, bytes]
QUIET = SandboxOptions(traffic=False)
FEW = SandboxOptions(traffic=False, tenants=5)
"""For what has nothing to do with who the tenants are."""


@asynccontextmanager
async def living(options: SandboxOptions) -> AsyncIterator[tuple[Sandbox, Redis]]:
    """Run a sandbox in this loop, with a client of its Redis."""
    async with Sandbox(options) as sandbox:
        life = asyncio.create_task(sandbox.run())
        redis = open_redis(sandbox.context.redis)
        try:
            yield sandbox, redis
        finally:
            await redis.aclose()
            life.cancel()
            await asyncio.wait([life])


async def counters(redis: Redis) -> Counters:
    keys = sorted([key async for key in redis.scan_iter("usage:*", 1000)])
    values = await redis.mget(keys) if keys else []
    return dict(zip(keys, values, strict=True))


async def directory(sandbox: Sandbox, redis: Redis) -> dict[TenantId, Tenant]:
    tenants = await Directory(redis, sandbox.context, None).cached()
    return {each.id: each for each in tenants}


async def report(sandbox: Sandbox, **form: str) -> None:
    """Send a meter event as any program would, without meterdeck's library."""
    running = sandbox.running
    request = urllib.request.Request(  # noqa: S310  # our own server
        f"{running.stripe_api_base}/v1/billing/meter_events",
        data=urllib.parse.urlencode(form).encode(),
        headers={"Authorization": f"Bearer {running.api_key}"},
    )

    def send() -> None:
        try:
            urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
        except urllib.error.HTTPError as refusal:
            refusal.close()

    await asyncio.to_thread(send)


async def logged(sandbox: Sandbox, redis: Redis, identifier: str) -> LoggedEvent:
    """Wait for the line of an event in the delivery log."""
    log = DeliveryLog(redis, sandbox.context)
    found: list[LoggedEvent] = []

    async def is_there() -> bool:
        lines = await log.latest(1000)
        found.extend(each for each in lines if each.event.identifier == identifier)
        return bool(found)

    await eventually(is_there)
    return found[0]


async def listed(sandbox: Sandbox, path: str) -> list[dict[str, object]]:
    """Read a list of Stripe's as any program would."""
    running = sandbox.running
    request = urllib.request.Request(  # noqa: S310  # our own server
        f"{running.stripe_api_base}{path}?limit=100",
        headers={"Authorization": f"Bearer {running.api_key}"},
    )

    def read() -> list[dict[str, object]]:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            found: list[dict[str, object]] = json.load(answer)["data"]
            return found

    return await asyncio.to_thread(read)


async def test_the_catalogue_is_sold_in_stripe_as_it_is_declared() -> None:
    """A meter for each resource, a fee for each plan, unit and graduated prices."""
    async with living(FEW) as (sandbox, _):
        meters = await listed(sandbox, "/v1/billing/meters")
        prices = await listed(sandbox, "/v1/prices")
        async with Engine(sandbox.context) as engine:
            plan = await engine.catalogue.plan()

    assert plan.agrees
    assert plan.left_alone == Account()
    resources = sandbox.context.resources
    assert {meter["event_name"] for meter in meters} == {one.meter for one in resources}
    schemes = {price["lookup_key"]: price["billing_scheme"] for price in prices}
    assert {f"{plan}_monthly" for plan in sandbox.context.plans} <= set(schemes)
    assert schemes["api_calls_per_unit"] == "per_unit"
    assert schemes["images_graduated"] == "tiered"
    # One cent, not a hundred: a unit's amount is in cents.
    (unit,) = (one for one in prices if one["lookup_key"] == "api_calls_per_unit")
    assert unit["unit_amount_decimal"] == "1"


async def test_every_tenant_is_in_the_directory_as_it_was_cast() -> None:
    """Names, plans and statuses come through Stripe and back; the odd ones too."""
    async with living(QUIET) as (sandbox, redis):
        tenants = await directory(sandbox, redis)

    fleet = list(cast(1, 60, datetime.now(UTC)))
    assert {each.company.id: each.company.name for each in fleet} == {
        each.id: each.name for each in tenants.values()
    }
    for each in fleet:
        tenant = tenants[each.company.id]
        assert (tenant.plan, tenant.status) == (each.plan, each.status)
        has_cycle = each.status is not TenantStatus.NO_SUBSCRIPTION
        assert (tenant.cycle is not None) == has_cycle
    assert {each.id for each in (JAPANESE, CYRILLIC, GERMAN, LONG_NAME)} <= set(tenants)


async def test_counters_lie_in_the_periods_of_their_tenants() -> None:
    """Every seeded counter is read back by the library, or as an earlier period."""
    async with living(QUIET) as (sandbox, redis):
        seeded = await counters(redis)
        tenants = await directory(sandbox, redis)
        reader = sandbox.usage
        rows = [row for each in tenants.values() for row in await reader.usage(each)]
        past = [
            (each.id, resource.usage.resource, period.period.label)
            for each in tenants.values()
            for resource in (await History(redis, sandbox.context).of(each)).resources
            for period in resource.earlier
        ]

    read = {
        sandbox.context.redis.layout.counter(row.tenant, row.resource, row.period.label)
        for row in rows
        if row.used
    }
    assert past
    layout = sandbox.context.redis.layout
    assert read | {layout.counter(*each) for each in past} == set(seeded)
    assert sum(row.percent == 100 for row in rows) >= 3
    assert sum((row.percent or 0) > 100 for row in rows) == 2


async def test_what_was_used_before_the_start_is_billed_already(
    tmp_path: Path,
) -> None:
    """Reconciliation finds no difference in a fresh sandbox, nor in one that goes on,
    nor where Stripe's side was moved away: Stripe has what billing records say."""
    for run in range(3):
        options = replace(QUIET, tenants=30, data_dir=tmp_path / "data")
        assert options.stripe_state is not None
        if run == 2:
            options.stripe_state.unlink()
        async with Sandbox(options) as sandbox:
            redis = open_redis(sandbox.context.redis)
            tenants = await directory(sandbox, redis)
            found = await compared(sandbox, redis, tenants)
            used = {key for key, value in (await counters(redis)).items() if int(value)}
            await redis.aclose()

        assert len(found) == len(used)
        assert not any(each.finding.shares for each in found)


async def compared(
    sandbox: Sandbox, redis: Redis, tenants: Mapping[TenantId, Tenant]
) -> list[Compared]:
    """Return what reconciliation says of every counter that was used."""
    context = sandbox.context
    assert context.stripe is not None
    gateway = StripeGateway(context.stripe, context.mode)
    reconciler = Reconciliation(redis, context, gateway).reconciler()
    scope = Scope(tuple(tenants.values()), context.resources)
    results = [each async for each in reconciler.results(scope)]
    await gateway.close()
    assert not [each for each in results if isinstance(each, Unasked)]
    return [each for each in results if isinstance(each, Compared)]


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


async def test_a_demonstration_has_operators_who_were_at_work() -> None:
    """Overrides that raise a limit until later, a correction, all in whole trails."""
    options = SandboxOptions(traffic=False, worker=False, operators=True)
    async with Sandbox(options) as sandbox, Engine(sandbox.context) as engine:
        overrides = await engine.changes.overrides()
        trail = await engine.changes.audit()
        tenants = {each.tenant for each in trail}
        broken = [await engine.changes.verify_audit(each) for each in tenants]

    assert len(overrides) == 3
    assert all(each.expires_at and each.reason for each in overrides)
    assert {each.actor for each in trail} == {"ana", "sam"}
    assert [each.action for each in trail].count("adjust:subtract") == 1
    assert broken == [None] * len(tenants)


async def test_counters_end_some_time_after_their_period() -> None:
    """No counter of the sandbox stays for ever."""
    async with living(QUIET) as (_, redis):
        ttls = [await redis.ttl(key) for key in await counters(redis)]

    assert min(ttls) > 0  # of an earlier period, 35 days after its end


async def test_the_same_seed_gives_the_same_fleet() -> None:
    """Tenants, customers and usage of two sandboxes are equal at the same moment."""
    moment = datetime.now(UTC)
    seen: list[tuple[Counters, list[str]]] = []
    for _ in range(2):
        async with Sandbox(QUIET, now=lambda: moment) as sandbox:
            redis = open_redis(sandbox.context.redis)
            tenants = await directory(sandbox, redis)
            customers = [each.customer for each in tenants.values()]
            seen.append((await counters(redis), customers))
            await redis.aclose()

    assert seen[0] == seen[1]


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


async def connections(redis: Redis) -> int:
    """Return how often Valkey was looked at: four times a second."""
    return int((await redis.info("stats"))["total_connections_received"])


async def test_a_foreign_programs_event_is_logged_with_its_tenant() -> None:
    """A developer sees what Stripe made of their own program's event."""
    async with living(FEW) as (sandbox, redis):
        tenant = (await directory(sandbox, redis))[JAPANESE.id]
        await report(
            sandbox,
            event_name="api_requests",
            identifier="mine-1",
            **{
                "payload[stripe_customer_id]": tenant.customer,
                "payload[value]": "25",
            },
        )
        line = await logged(sandbox, redis, "mine-1")

    assert (line.source, line.outcome) == (
        EventSource.APPLICATION,
        EventOutcome.ACCEPTED,
    )
    assert (line.tenant, line.resource) == (JAPANESE.id, "api_calls")
    assert (line.event.customer, line.event.value) == (tenant.customer, "25")


@pytest.mark.parametrize("event_name", ["no_such_meter", "api_requests"])
async def test_a_refused_foreign_event_is_logged_with_the_reason(
    event_name: str,
) -> None:
    """An unknown meter, and an event without a customer: Stripe's own words."""
    async with living(FEW) as (sandbox, redis):
        form = {"payload[value]": "1", "payload[x]": "y"}
        await report(sandbox, event_name=event_name, identifier="mine-2", **form)
        line = await logged(sandbox, redis, "mine-2")

    assert (line.source, line.outcome) == (
        EventSource.APPLICATION,
        EventOutcome.REFUSED,
    )
    assert line.message


async def test_a_repeated_foreign_event_is_logged_as_a_duplicate() -> None:
    """The second event of the same identifier was delivered before."""
    async with living(FEW) as (sandbox, redis):
        tenant = (await directory(sandbox, redis))[JAPANESE.id]
        form = {
            "event_name": "api_requests",
            "identifier": "mine-3",
            "payload[stripe_customer_id]": tenant.customer,
            "payload[value]": "1",
        }
        for _ in range(2):
            await report(sandbox, **form)
        log = DeliveryLog(redis, sandbox.context)

        async def both() -> bool:
            return len(await log.latest(10)) == 2

        await eventually(both)
        first, second = await log.latest(10)

    assert first.outcome is EventOutcome.ACCEPTED
    assert second.outcome is EventOutcome.DUPLICATE


async def test_a_customer_made_by_a_developer_becomes_a_tenant() -> None:
    """What a program creates in the local Stripe is in Redis within seconds."""
    async with living(FEW) as (sandbox, redis):
        running = sandbox.running
        request = urllib.request.Request(  # noqa: S310  # our own server
            f"{running.stripe_api_base}/v1/customers",
            data=b"name=Mine&metadata[tenant]=mine",
            headers={"Authorization": f"Bearer {running.api_key}"},
        )

        def send() -> None:
            urllib.request.urlopen(request, timeout=30).close()  # noqa: S310

        await asyncio.to_thread(send)

        async def is_tenant() -> bool:
            return "mine" in await directory(sandbox, redis)

        await eventually(is_tenant)


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


async def test_a_fleet_of_nobody_starts_and_waits_for_its_first_customer() -> None:
    """`--tenants 0` is an empty Stripe and an empty Redis with a catalogue."""
    async with living(SandboxOptions(tenants=0)) as (sandbox, redis):
        assert await counters(redis) == {}
        assert await directory(sandbox, redis) == {}
