"""The replay script, on each kind of server: once a call id, in the right counter."""

import hashlib
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.support.contexts import CALLS, IMAGES, STORAGE, redis_context
from tests.support.raw import ask, expiry_ms

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.adapters.replay_script import (
    Doubtful,
    Late,
    ReplayCall,
    Replayed,
    ReplayScript,
    Used,
)
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved, Script
from meterdeck.core.errors import BrokenCounter, RedisRefused, Refused
from meterdeck.core.model.context import Context, RedisOptions, Secret
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import ENDLESS, Period, calendar_month
from meterdeck.core.model.usage import ResourceName
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "redis-contract.md").read_text()
WEEK_S = 7 * 86_400
LAYOUT = KeyLayout()


@pytest.fixture
def context(redis_server: Valkey) -> Context:
    """A context on the server that `redis` is a client of."""
    return redis_context(redis_server.url)


@pytest.fixture
def script(redis: Redis) -> ReplayScript:
    """The script on an empty server."""
    return ReplayScript(redis)


def used(period: Period, *, resource: ResourceName = CALLS, amount: int = 3) -> Used:
    """Return what acme used."""
    key = LAYOUT.counter("acme", resource, period.label)
    return Used(resource, amount, period, key)


def call(*wanted: Used, until: datetime) -> ReplayCall:
    """Return a call of acme's, whose id proves something until `until`."""
    return ReplayCall(
        tenant=b"acme",
        entry=LAYOUT.tenant("acme"),
        used=wanted,
        call=LAYOUT.call("acme", "req-1"),
        settled=LAYOUT.settled("acme", "req-1"),
        reserved=(),
        call_retention_s=WEEK_S,
        index=(LAYOUT.sequence(), LAYOUT.changed()),
        retention_ms=35 * 86_400_000,
        cycle=b"",
        call_id="req-1",
        proves_until=until,
    )


async def now_and_later(redis: Redis) -> tuple[datetime, datetime]:
    """Return the server's time, and an hour after it."""
    now = await server_time(redis)
    return now, now + timedelta(hours=1)


async def counter(redis: Redis, wanted: Used) -> int:
    """Return a counter, asked directly."""
    return int(await redis.get(wanted.counter) or 0)


async def test_a_call_is_counted_once_in_all_its_counters(
    redis: Redis, script: ReplayScript
) -> None:
    """A repeat finds the id, and the id is known for as long as was asked."""
    now, later = await now_and_later(redis)
    calls = used(calendar_month(now))
    images = used(calendar_month(now), resource=IMAGES, amount=5)

    first = await script.run(call(calls, images, until=later))
    second = await script.run(call(calls, images, until=later))

    assert (first, second) == (Replayed(before=False), Replayed(before=True))
    assert await counter(redis, calls) == 3
    assert await counter(redis, images) == 5
    expiry = await expiry_ms(redis, LAYOUT.call("acme", "req-1"))
    assert expiry > (now.timestamp() + WEEK_S - 60) * 1000
    assert await ask(redis, "ZSCORE", LAYOUT.changed(), "acme") == 1


async def test_what_consume_counted_is_not_counted_again(
    redis: Redis, script: ReplayScript, context: Context
) -> None:
    """They share what is kept of the id, and the repeat prolongs it."""
    now, later = await now_and_later(redis)
    await UsageService(redis, context).consume("acme", {CALLS: 3}, call_id="req-1")
    wanted = used(calendar_month(now))

    assert await script.run(call(wanted, until=later)) == Replayed(before=True)

    assert await counter(redis, wanted) == 3
    expiry = await expiry_ms(redis, LAYOUT.call("acme", "req-1"))
    assert expiry > (now.timestamp() + WEEK_S - 60) * 1000


async def test_what_consume_refused_was_made_all_the_same(
    redis: Redis, script: ReplayScript, context: Context
) -> None:
    """It is counted beyond the limit, once; consume then says that it was allowed."""
    now, later = await now_and_later(redis)
    usage = UsageService(redis, context)
    await usage.consume("acme", {CALLS: 999})
    assert not (await usage.consume("acme", {CALLS: 3}, call_id="req-1")).allowed
    wanted = used(calendar_month(now))

    assert await script.run(call(wanted, until=later)) == Replayed(before=False)
    assert await script.run(call(wanted, until=later)) == Replayed(before=True)

    assert await counter(redis, wanted) == 1002
    again = await usage.consume("acme", {CALLS: 3}, call_id="req-1")
    assert (again.allowed, again.replayed) == (True, True)
    assert again.resources[0].current == 1002


async def test_an_id_of_another_call_is_refused(
    redis: Redis, script: ReplayScript, context: Context
) -> None:
    """Nothing is counted under it."""
    now, later = await now_and_later(redis)
    await UsageService(redis, context).consume("acme", {CALLS: 1}, call_id="req-1")

    with pytest.raises(Refused, match="used for another"):
        await script.run(call(used(calendar_month(now)), until=later))

    assert await counter(redis, used(calendar_month(now))) == 1


async def test_silence_proves_nothing_after_its_time(
    redis: Redis, script: ReplayScript
) -> None:
    """No id, and it may have expired: nothing is written."""
    now = await server_time(redis)

    answer = await script.run(call(used(calendar_month(now)), until=now))

    assert answer == Doubtful()
    assert await ask(redis, "DBSIZE") == 0


async def test_a_period_that_is_over_counts_until_its_counter_expires(
    redis: Redis, script: ReplayScript
) -> None:
    """34 days after its end it does, with its usual expiry; 36 days after not.

    A counter is never made that would live for ever, or not at all.
    """
    now, later = await now_and_later(redis)
    kept = Period(now - timedelta(days=60), now - timedelta(days=34), "2026-09")
    gone = Period(now - timedelta(days=60), now - timedelta(days=36), "2026-08")

    assert await script.run(call(used(kept), until=later)) == Replayed(before=False)
    late = replace(call(used(gone), until=later), call=LAYOUT.call("acme", "req-2"))
    assert await script.run(late) == Late(CALLS)

    ends = kept.end + timedelta(days=35)
    assert abs(await expiry_ms(redis, used(kept).counter) - ends.timestamp() * 1e3) < 2
    assert await ask(redis, "EXISTS", used(gone).counter) == 0


async def test_a_period_that_has_not_begun_counts_nothing(
    redis: Redis, script: ReplayScript
) -> None:
    """The answer is the server's time."""
    now, later = await now_and_later(redis)
    ahead = calendar_month(calendar_month(now).end)

    answer = await script.run(call(used(ahead), until=later))

    assert isinstance(answer, PeriodMoved)
    assert now <= answer.now <= later
    assert await ask(redis, "DBSIZE") == 0


async def test_another_billing_cycle_counts_nothing(
    redis: Redis, script: ReplayScript
) -> None:
    """The caller reads it again and computes the period anew."""
    now, later = await now_and_later(redis)
    wanted = replace(call(used(calendar_month(now)), until=later), cycle=b"1 month 1")

    assert await script.run(wanted) == CycleMoved()

    assert await ask(redis, "DBSIZE") == 0


async def test_all_of_a_call_is_counted_or_nothing(
    redis: Redis, script: ReplayScript
) -> None:
    """One counter is broken: the other is left alone, and the id is not taken."""
    now, later = await now_and_later(redis)
    calls = used(calendar_month(now))
    images = used(calendar_month(now), resource=IMAGES)
    await redis.set(images.counter, "abc")

    with pytest.raises(BrokenCounter):
        await script.run(call(calls, images, until=later))

    assert await counter(redis, calls) == 0
    assert await ask(redis, "DBSIZE") == 1


async def test_the_rights_that_are_enough_to_consume_are_enough_to_replay(
    redis: Redis, redis_server: Valkey
) -> None:
    """And with fewer nothing is written."""
    now, later = await now_and_later(redis)
    rights = re.search(r"needs `(\+evalsha[^`]+)`", DOCUMENT)
    assert rights is not None
    keys = ("~usage:*", "~meterdeck:*")
    await ask(redis, "ACL", "SETUSER", "app", "on", ">pw", *keys, *rights[1].split())
    options = RedisOptions(
        url=redis_server.url, username="app", password=Secret("pw"), timeout_s=10.0
    )
    client = open_redis(options)
    wanted = call(used(calendar_month(now)), until=later)
    try:
        await ask(redis, "ACL", "SETUSER", "app", "-set")
        with pytest.raises(RedisRefused, match="no right"):
            await ReplayScript(client).run(wanted)
        assert await ask(redis, "DBSIZE") == 0

        await ask(redis, "ACL", "SETUSER", "app", "+set")
        assert await ReplayScript(client).run(wanted) == Replayed(before=False)
    finally:
        await client.aclose()
        await ask(redis, "ACL", "DELUSER", "app")


def test_the_text_of_the_script_is_what_the_document_says() -> None:
    """Another language sends the same digest."""
    row = re.search(r"^\| replay \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert row is not None
    lua = ROOT / "core" / "adapters" / "lua"
    files = [lua / name for name in re.findall(r"`(\w+\.lua)`", row[1])]

    text = b"#!lua\n" + b"\n".join(each.read_bytes() for each in files)

    digest = hashlib.sha1(text, usedforsecurity=False).hexdigest()
    assert digest == Script("checks", "replay").digest


def held(*wanted: Used, until: datetime) -> ReplayCall:
    """Return the same call of acme's, as a reservation."""
    reserved = [
        LAYOUT.reserved("acme", each.resource, each.period.label) for each in wanted
    ]
    return replace(call(*wanted, until=until), reserved=reserved)


async def test_a_reservation_is_kept_without_an_end(
    redis: Redis, script: ReplayScript, context: Context
) -> None:
    """It is counted once, does not expire, and is settled like any other."""
    now, later = await now_and_later(redis)
    wanted = held(used(calendar_month(now)), until=later)
    usage = UsageService(redis, context)

    first, second = await script.run(wanted), await script.run(wanted)

    assert first == Replayed(before=False)
    assert isinstance(second, Replayed)
    row = (await usage.peek("acme"))[0]
    assert (row.used, row.reserved) == (3, 3)
    assert await usage.give_back_expired() == 0
    done = await usage.confirm("acme", "req-1", {CALLS: 1})
    assert (done.resources[0].given_back, done.resources[0].current) == (2, 1)
    assert await script.run(wanted) == Replayed(before=True)
    assert await counter(redis, wanted.used[0]) == 1
    reserved = wanted.reserved[0]
    assert not await redis.exists(reserved)


async def test_a_reservation_without_an_end_outlives_others_that_expire(
    redis: Redis, script: ReplayScript, context: Context
) -> None:
    """Giving those back leaves it, and leaves no trace of it in the index."""
    now, later = await now_and_later(redis)
    wanted = held(used(calendar_month(now)), until=later)
    usage = UsageService(redis, context)
    await usage.reserve("acme", {CALLS: 5}, ttl=timedelta(minutes=1), call_id="other")
    await redis.zadd(wanted.reserved[0], {"other:5": 1})
    await redis.zadd(LAYOUT.reserving(), {wanted.used[0].counter: 1})
    await script.run(wanted)

    assert await usage.give_back_expired() == 5

    assert await counter(redis, wanted.used[0]) == 3
    assert not await redis.exists(LAYOUT.reserving())


async def test_a_reservation_of_another_period_ends_by_itself(
    redis: Redis, script: ReplayScript, context: Context
) -> None:
    """It was made a moment before midnight, by the server's clock and not by ours."""
    now, later = await now_and_later(redis)
    month = calendar_month(now)
    last = calendar_month(month.start - timedelta(days=1))
    usage = UsageService(redis, context)
    await usage.reserve("acme", {CALLS: 3}, ttl=timedelta(minutes=1), call_id="req-1")

    answer = await script.run(held(used(last), until=later))

    assert answer == Replayed(before=False)
    assert await counter(redis, used(last)) == 3
    assert await counter(redis, used(month)) == 3  # until its minute is over
    done = await usage.release("acme", "req-1")
    assert done.resources[0].period.label == last.label
    assert await counter(redis, used(last)) == 0


async def test_how_a_call_was_settled_is_known_as_long_as_the_call(
    redis: Redis, script: ReplayScript, context: Context
) -> None:
    """Else a release that is repeated after ten minutes would be a second one."""
    now, later = await now_and_later(redis)
    usage = UsageService(redis, context)
    await usage.consume("acme", {CALLS: 3}, call_id="req-1")
    await usage.release("acme", "req-1")

    await script.run(call(used(calendar_month(now)), until=later))

    kept = [LAYOUT.call("acme", "req-1"), LAYOUT.settled("acme", "req-1")]
    for key in kept:
        assert await expiry_ms(redis, key) > (now.timestamp() + WEEK_S - 60) * 1000


async def test_reservations_that_are_none_stop_the_replay(
    redis: Redis, script: ReplayScript
) -> None:
    """Before anything is written."""
    now, later = await now_and_later(redis)
    wanted = held(used(calendar_month(now)), until=later)
    await redis.set(wanted.reserved[0], "x")

    with pytest.raises(Refused, match="not reservations"):
        await script.run(wanted)

    assert await ask(redis, "DBSIZE") == 1


async def test_a_reservation_of_a_gauge_has_no_end_and_no_expiry(
    redis: Redis, script: ReplayScript, context: Context
) -> None:
    """What does not reset is not forgotten either, until it is settled."""
    _, later = await now_and_later(redis)
    wanted = held(used(ENDLESS, resource=STORAGE), until=later)

    await script.run(wanted)

    for key in (wanted.used[0].counter, wanted.reserved[0]):
        assert await redis.ttl(key) == -1
    await UsageService(redis, context).release("acme", "req-1")
    assert await counter(redis, wanted.used[0]) == 0
