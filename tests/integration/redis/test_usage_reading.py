"""Reading usage: every resource, the limit that counts, what is broken; no writes."""

from datetime import timedelta

from tests.support.contexts import CALLS, IMAGES, SEATS, STORAGE
from tests.support.raw import expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import Cycle, Interval, calendar_month
from meterdeck.core.model.usage import (
    NO_LIMIT,
    Broken,
    Limit,
    LimitSource,
    Tenant,
    TenantId,
)
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_every_resource_is_read_with_the_limit_that_counts(
    redis: Redis, usage: UsageService, changes: OperatorChanges, actor: Actor
) -> None:
    """Override, plan of the directory entry, default and no rule, side by side."""
    month = calendar_month(await server_time(redis))
    await redis.hset(LAYOUT.tenant("acme"), "limit:images", "70")
    await usage.consume("acme", {CALLS: 3, IMAGES: 2, SEATS: 1})
    await changes.set_override(
        "acme",
        CALLS,
        None,
        expires_at=None,
        actor=actor,
        reason="r",
        operation_id="op-1",
    )

    rows = {row.resource: row for row in await usage.usage("acme")}

    assert list(rows) == [CALLS, IMAGES, STORAGE, SEATS]
    assert [row.used for row in rows.values()] == [3, 2, 0, 1]
    assert {row.period for row in rows.values()} == {month}
    assert rows[CALLS].limit == Limit(None, LimitSource.OVERRIDE)
    assert rows[IMAGES].limit == Limit(70, LimitSource.PLAN)
    assert rows[STORAGE].limit == Limit(None, LimitSource.DEFAULT)
    assert rows[SEATS].limit == NO_LIMIT


async def test_reading_writes_nothing(redis: Redis, usage: UsageService) -> None:
    """A tenant nobody knows has zeros, and still does not exist."""
    rows = await usage.usage("acme")

    assert [row.used for row in rows] == [0, 0, 0, 0]
    assert await redis.keys("*") == []


async def test_broken_values_are_shown_and_the_others_stay_readable(
    redis: Redis, usage: UsageService
) -> None:
    """A list, a fraction, a limit and an override that are no numbers."""
    label = calendar_month(await server_time(redis)).label
    await redis.lpush(LAYOUT.counter("acme", CALLS, label), "x")
    await redis.set(LAYOUT.counter("acme", IMAGES, label), "1.5")
    await redis.hset(LAYOUT.tenant("acme"), "limit:storage_gb", "lots")
    await redis.set(LAYOUT.counter("acme", SEATS, label), "-4")

    assert [row.used for row in await usage.usage("acme")] == [
        Broken("a list"),
        Broken("'1.5'"),
        Broken("a plan's limit that is not a whole number"),
        -4,
    ]

    await redis.set(LAYOUT.override("acme", SEATS), "x")
    broken = (await usage.usage("acme"))[3].used
    assert broken == Broken("an override that is not a whole number")


async def test_a_tenant_of_the_directory_brings_its_own_limits_and_cycle(
    redis: Redis, usage: UsageService
) -> None:
    """What the caller knows of a tenant is not read again."""
    anchor = (await server_time(redis)).replace(microsecond=0) - timedelta(days=3)
    cycle = Cycle(anchor, Interval.WEEK)
    tenant = Tenant(TenantId("acme"), "Acme", limits={CALLS: 5}, cycle=cycle)

    rows = await usage.usage(tenant)

    assert rows[0].limit == Limit(5, LimitSource.PLAN)
    assert rows[1].limit == Limit(10, LimitSource.DEFAULT)
    assert (rows[3].period.start, rows[3].period.end) == (
        anchor,
        anchor + timedelta(days=7),
    )


async def test_a_cycle_in_the_directory_entry_is_followed(
    redis: Redis, usage: UsageService
) -> None:
    """The same entry gives reading and consuming the same period."""
    anchor = (await server_time(redis)).replace(microsecond=0) - timedelta(days=3)
    await redis.hset(
        LAYOUT.tenant("acme"),
        mapping={
            "anchor": str(int(anchor.timestamp())),
            "interval": "week",
            "interval_count": "2",
        },
    )

    made = await usage.consume("acme", {SEATS: 4})

    row = (await usage.usage("acme"))[3]
    assert row.used == 4
    assert row.period == made.resources[0].period
    assert row.period.end == anchor + timedelta(days=14)
    key = LAYOUT.counter("acme", SEATS, row.period.label)
    expiry = row.period.end + timedelta(days=35)
    assert await expiry_ms(redis, key) == int(expiry.timestamp() * 1000)


async def test_nonsense_in_place_of_a_cycle_is_counted_by_calendar_month(
    redis: Redis, usage: UsageService
) -> None:
    """As for a tenant without a subscription."""
    await redis.hset(
        LAYOUT.tenant("acme"),
        mapping={"anchor": "soon", "interval": "fortnight", "interval_count": "0"},
    )

    made = await usage.consume("acme", {SEATS: 1})

    assert made.resources[0].period == calendar_month(await server_time(redis))
