"""Mistakes that other counting systems shipped: repeats and duplicates."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.acme import counter_key, reset, used
from tests.support.contexts import CALLS, IMAGES, STORAGE
from tests.support.frozen_clock import FrozenClock

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.replay_script import ReplayCall, ReplayScript, Used
from meterdeck.core.errors import BadInput, MeterdeckError, Refused
from meterdeck.core.model.audit import AuditQuery
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


async def test_d5_an_id_is_claimed_in_the_step_that_counts(
    redis: Redis, usage: UsageService
) -> None:
    """A call that fails leaves its id free: the retry counts (openmeter 5118)."""
    key = await counter_key(redis, LAYOUT)
    await redis.set(key, "broken")
    with pytest.raises(MeterdeckError):
        await usage.consume("acme", {CALLS: 2}, call_id="req-1")
    await redis.set(key, 5)

    again = await usage.consume("acme", {CALLS: 2}, call_id="req-1")

    assert (again.replayed, again.resources[0].current) == (False, 7)


async def test_d5_an_id_is_neither_too_narrow_nor_too_wide(
    usage: UsageService,
) -> None:
    """It is one tenant's, whatever the moment, and stands for one request
    (lago ed77e6bbc)."""
    for tenant in ("acme", "globex"):
        assert not (await usage.consume(tenant, {CALLS: 1}, call_id="id")).replayed
    with pytest.raises(Refused):
        await usage.consume("acme", {IMAGES: 1}, call_id="id")
    for call_id in ("id-2", "id-3"):  # two calls in one moment
        assert not (await usage.consume("acme", {CALLS: 1}, call_id=call_id)).replayed

    assert await used(usage) == 3


async def test_d5_an_empty_selector_is_an_error(usage: UsageService) -> None:
    """It never means everybody (flexprice 02171502e)."""
    with pytest.raises(BadInput):
        await usage.consume("", {CALLS: 1})
    with pytest.raises(BadInput):
        await usage.release("", "req-1")
    with pytest.raises(BadInput):
        await usage.release("acme", "")
    with pytest.raises(BadInput):
        await usage.refusals("")


async def test_d5_nothing_is_kept_of_a_call_that_failed(
    redis: Redis, usage: UsageService
) -> None:
    """Neither id nor count nor half of it: there is no step between them (openmeter
    57d3f3ffb)."""
    await redis.set(await counter_key(redis, LAYOUT, IMAGES), "broken")

    with pytest.raises(MeterdeckError):
        await usage.consume("acme", {CALLS: 2, IMAGES: 1}, call_id="req-1")

    assert not await redis.exists(LAYOUT.call("acme", "req-1"))
    assert not await redis.exists(await counter_key(redis, LAYOUT))


async def test_d5_what_is_listed_is_counted_like_the_counter(
    usage: UsageService,
) -> None:
    """A refusal that is repeated three times is one record, and what is shown as used
    is the counter itself (lago 4163)."""
    for _ in range(3):
        await usage.consume("acme", {IMAGES: 11}, call_id="req-1")
        await usage.consume("acme", {IMAGES: 4}, call_id="req-2")

    assert len(await usage.refusals("acme")) == 1
    assert await used(usage, IMAGES) == 4


async def test_d5_every_resource_of_a_call_is_counted_once(
    usage: UsageService,
) -> None:
    """However many there are, and whatever order a repeat names them in (lago
    add6eb010)."""
    forward: dict[str, int] = {CALLS: 1, IMAGES: 2, STORAGE: 3}
    backward = dict(reversed(forward.items()))

    await usage.consume("acme", forward, call_id="req-1")
    again = await usage.consume("acme", backward, call_id="req-1")

    assert again.replayed
    rows = {each.resource: each.used for each in await usage.peek("acme")}
    assert rows.items() >= forward.items()


async def test_d5_a_bad_call_takes_no_part_of_its_batch_along(
    redis: Redis, usage: UsageService
) -> None:
    """Calls of one round trip: the broken one counts nothing of its two resources,
    the others count whole (lago 89a60fc78)."""
    await redis.set(await counter_key(redis, LAYOUT, IMAGES), "broken")

    made = await asyncio.gather(
        usage.consume("acme", {CALLS: 1}),
        usage.consume("acme", {CALLS: 10, IMAGES: 1}),
        usage.consume("acme", {CALLS: 100, STORAGE: 5}),
        return_exceptions=True,
    )

    assert [isinstance(each, Exception) for each in made] == [False, True, False]
    assert (await used(usage), await used(usage, STORAGE)) == (101, 5)


@pytest.mark.not_on("cluster", "sentinel")
async def test_d5_pages_of_one_millisecond_skip_nothing(
    frozen_clock: FrozenClock, redis: Redis, context: Context
) -> None:
    """Fifty changes in the same millisecond, seven a page: each is shown once, for
    one tenant and for all (polar 16eca946d9)."""
    await frozen_clock.set(redis, datetime(2080, 3, 14, 12, tzinfo=UTC))
    changes = OperatorChanges(redis, context)
    for number in range(50):
        await reset(changes, CALLS, f"op-{number}")

    for tenant in ("acme", None):
        seen = []
        wanted: AuditQuery | None = AuditQuery(tenant, 7)
        while wanted is not None:
            page = await changes.audit_page(wanted)
            seen += [each.operation_id for each in page.entries]
            wanted = AuditQuery(tenant, 7, page.next) if page.next else None
        assert seen == [f"op-{number}" for number in reversed(range(50))]


@pytest.mark.not_on("cluster", "sentinel")
async def test_d5_two_sweeps_at_once_give_back_once(
    frozen_clock: FrozenClock, redis: Redis, context: Context
) -> None:
    """Whoever comes second finds nothing left to give back (polar 90bae90384)."""
    await frozen_clock.set(redis, datetime(2080, 3, 14, 12, tzinfo=UTC))
    usage, other = (UsageService(redis, context) for _ in range(2))
    await usage.consume("acme", {CALLS: 7})
    for number in range(20):
        await usage.reserve(
            "acme", {CALLS: 5}, ttl=timedelta(minutes=1), call_id=f"req-{number}"
        )
    await frozen_clock.move(redis, 60_000)

    units = await asyncio.gather(
        *(each.give_back_expired() for each in (usage, other) * 5)
    )

    assert sum(units) == 100
    assert await used(usage) == 7


@pytest.mark.not_on("cluster", "sentinel")
async def test_d5_a_late_call_counts_in_its_own_period_and_is_shown_there(
    frozen_clock: FrozenClock, redis: Redis, context: Context
) -> None:
    """Made in February while Redis was away, counted in March: February's counter has
    it, March's has not (lago ca1a3bf28)."""
    made_at = datetime(2080, 2, 29, 23, 59, tzinfo=UTC)
    await frozen_clock.set(redis, made_at + timedelta(hours=1))
    usage = UsageService(redis, context)
    await usage.consume("acme", {CALLS: 1})
    february = calendar_month(made_at)
    key = LAYOUT.counter("acme", CALLS, february.label)
    call = ReplayCall(
        tenant=b"acme",
        entry=LAYOUT.tenant("acme"),
        used=[Used(CALLS, 5, february, key)],
        call=LAYOUT.call("acme", "req-1"),
        settled=LAYOUT.settled("acme", "req-1"),
        reserved=(),
        call_retention_s=600,
        index=(LAYOUT.sequence(), LAYOUT.changed()),
        retention_ms=35 * 86_400_000,
        cycle=b"",
        call_id="req-1",
        proves_until=made_at + timedelta(days=1),
    )

    for _ in range(2):
        await ReplayScript(redis).run(call)

    assert await redis.get(key) == b"5"
    assert await used(usage) == 1
