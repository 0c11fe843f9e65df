"""The seeded fleet of a sandbox: what is sold, who has it, what was used before."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.integration.sandbox.life import (
    FEW,
    QUIET,
    Counters,
    compared,
    counters,
    directory,
    living,
)

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.usage import TenantStatus
from meterdeck.core.sandbox.cast import cast
from meterdeck.core.sandbox.options import SandboxOptions
from meterdeck.core.sandbox.roles import CYRILLIC, GERMAN, JAPANESE, LONG_NAME
from meterdeck.core.sandbox.sandbox import Sandbox
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.history import History


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


async def test_operators_are_at_work_again_where_stripes_side_starts_anew(
    tmp_path: Path,
) -> None:
    """Redis knows the first fleet's changes; those of the second are others."""
    options = replace(QUIET, worker=False, operators=True, data_dir=tmp_path)
    async with Sandbox(options):
        pass
    (tmp_path / "stripe.sqlite3").unlink()

    async with Sandbox(options) as sandbox, Engine(sandbox.context) as engine:
        trail = await engine.changes.audit()

    assert [each.action for each in trail].count("adjust:subtract") == 2


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


async def test_a_fleet_of_nobody_starts_and_waits_for_its_first_customer() -> None:
    """`--tenants 0` is an empty Stripe and an empty Redis with a catalogue."""
    async with living(SandboxOptions(tenants=0)) as (sandbox, redis):
        assert await counters(redis) == {}
        assert await directory(sandbox, redis) == {}
