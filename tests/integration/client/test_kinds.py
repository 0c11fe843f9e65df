"""Gauges and members in the client: in time, and once, whatever Redis does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.away import NOWHERE, elsewhere, left_behind, settled, through_a_proxy
from tests.support.contexts import CALLS, DISK, SEATS, USERS, with_kinds
from tests.support.metering import (
    counted,
    library_context,
    replayed,
    spooled,
)
from tests.support.proxy import Proxy
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.spool_root import found_unsettled
from meterdeck.core.client import (
    Counting,
    Decision,
    Degraded,
    GaugeReading,
    MeterClient,
    Reason,
    SyncMeterClient,
)
from meterdeck.core.errors import BadInput, NotFound, ReadOnly, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.degraded import SpooledCall, SpooledKind
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import PeriodKind, calendar_month
from meterdeck.core.model.usage import OnFault, ResourceKind, TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
ACME = TenantId("acme")
DAY = timedelta(days=1)


def opened(context: Context) -> Context:
    """Return a context with both kinds, which fail open."""
    kinds = with_kinds(context)
    return replace(
        kinds,
        resources=tuple(
            replace(each, on_fault=OnFault.FAIL_OPEN)
            if each.name in {DISK, USERS}
            else each
            for each in kinds.resources
        ),
    )


@pytest.fixture
def context(context: Context) -> Context:
    """The same context with both kinds."""
    return opened(context)


def reading(level: int, at: datetime, call_id: str = "g-1") -> SpooledCall:
    """Return a spooled reading of acme's disk."""
    plain = SpooledCall(call_id, ACME, ((DISK, level),), at, True, False)
    return replace(plain, kind=SpooledKind.READING)


def seen(at: datetime, *members: bytes, call_id: str = "u-1") -> SpooledCall:
    """Return spooled members of acme's."""
    plain = SpooledCall(call_id, ACME, ((USERS, len(members)),), at, True, False)
    return replace(plain, kind=SpooledKind.MEMBERS, members=members)


async def level(url: str) -> int:
    """Return acme's level, asked directly."""
    return await counted(url, "acme", DISK, "now")


async def test_both_are_answered_by_redis_where_it_answers(context: Context) -> None:
    """As the usage service does, with the caller's own id."""
    async with MeterClient.open(context) as meter:
        read = await meter.set_gauge("acme", DISK, 700, call_id="g-1")
        made = await meter.count_unique("acme", USERS, ["ann", "bob"], call_id="u-1")
        limited = await meter.count_unique("acme", USERS, ["cem"], limits={USERS: 2})

    assert isinstance(read, GaugeReading)
    assert (read.current, read.call_id) == (700, "g-1")
    assert isinstance(made, Decision)
    assert (made.allowed, made.call_id) == (True, "u-1")
    assert not limited.allowed


async def test_where_both_fail_closed_they_are_refused_and_not_recorded(
    spool_dir: Path,
) -> None:
    """The default: nothing is spooled."""
    closed = with_kinds(library_context(NOWHERE, spool_dir))
    async with MeterClient.open(closed) as meter:
        answers = [
            await meter.set_gauge("acme", DISK, 1),
            await meter.count_unique("acme", USERS, ["ann"]),
        ]

        for answer in answers:
            assert isinstance(answer, Degraded)
            assert not answer.allowed
            assert answer.counting is Counting.NOT_COUNTED
            assert answer.reason is Reason.REDIS_UNREACHABLE
        assert spooled(meter).calls == 0
        assert meter.status().refused == 2


async def test_what_fails_open_is_kept_and_told_once_redis_is_back(
    mortal: Valkey, spool_dir: Path
) -> None:
    """The level is the last reading's; members count once, beyond any limit."""
    context = opened(library_context(mortal.url, spool_dir))
    async with MeterClient.open(context) as meter:
        await meter.count_unique("acme", USERS, ["ann"], limits={USERS: 1})
        await mortal.kill()
        answers = [
            await meter.set_gauge("acme", DISK, 10),
            await meter.set_gauge("acme", DISK, 30),
            await meter.count_unique("acme", USERS, ["ann", "bob"], limits={USERS: 1}),
            await meter.count_unique("acme", USERS, [b"bob", b"\xff\0"]),
        ]
        assert all(isinstance(each, Degraded) and each.allowed for each in answers)
        assert spooled(meter).calls == 4
        await mortal.start()
        await replayed(meter)

        assert spooled(meter).unsettled == 0
    assert await level(mortal.url) == 30
    assert await counted(mortal.url, "acme", USERS) == 3


async def test_a_spooled_reading_replaces_no_newer_one(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """Another process, which reached Redis, has measured since."""
    now = await server_time(valkey_client)
    left_behind(spool_dir, reading(10, now - timedelta(seconds=5)))
    await UsageService(valkey_client, context).set_gauge("acme", DISK, 99)

    assert await settled(context) == 0
    assert await level(context.redis.url) == 99


async def test_a_reading_is_told_with_the_moment_of_its_caller(
    mortal: Valkey, spool_dir: Path
) -> None:
    """Not that at which it was kept or told: a later one of the same day wins."""
    context = opened(library_context(mortal.url, spool_dir))
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    async with MeterClient.open(context) as meter:
        await meter.set_gauge("acme", DISK, 1, measured_at=noon)
        await mortal.kill()
        early, late = noon - timedelta(seconds=1), noon + timedelta(seconds=1)
        await meter.set_gauge("acme", DISK, 3, measured_at=late)
        await meter.set_gauge("acme", DISK, 2, measured_at=early)
        await mortal.start()
        await replayed(meter)

        last = await meter.set_gauge("acme", DISK, 4, measured_at=early)

    assert isinstance(last, GaugeReading)
    assert (last.stale, last.current, last.measured_at) == (True, 3, late)


async def test_readings_and_the_calls_around_them_are_told_in_their_order(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """What was consumed before a reading is in it; what came after moves it."""
    at = await server_time(valkey_client) - timedelta(seconds=9)
    use = SpooledCall("", ACME, ((DISK, 5),), at, True, False)
    calls = [
        *(replace(use, call_id=f"before-{n}") for n in range(20)),
        reading(100, at),
        *(replace(use, call_id=f"after-{n}") for n in range(3)),
    ]
    left_behind(spool_dir, *calls)

    assert await settled(context) == 0
    assert await level(context.redis.url) == 115


async def test_a_reading_that_is_told_again_undoes_nothing_since(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """A process died after it told Redis, and before it wrote that down."""
    now = await server_time(valkey_client)
    left_behind(spool_dir, reading(100, now - timedelta(seconds=5)))
    await settled(context)
    await UsageService(valkey_client, context).consume("acme", {DISK: 7})
    left_behind(spool_dir, reading(100, now - timedelta(seconds=5)), begun_at=now)

    assert await settled(context) == 0
    assert await level(context.redis.url) == 107


async def test_a_lost_answer_of_a_reading_is_recorded_once(context: Context) -> None:
    """The spool asks for the same id again, and finds that it was recorded."""
    async with through_a_proxy(context) as (proxy, meter):
        await meter.set_gauge("acme", DISK, 1)
        proxy.lose_next_answer(times=2)

        answer = await meter.set_gauge("acme", DISK, 50)
        await meter.consume("acme", {DISK: 5})
        await replayed(meter)

        assert isinstance(answer, Degraded)
        assert answer.reason is Reason.ANSWER_LOST
        assert answer.counting is Counting.SPOOLED
        assert spooled(meter).unsettled == 0
    assert await level(context.redis.url) == 55


class Turns:
    """Knows how much is on its way at once, and how much was at most."""

    def __init__(self) -> None:
        self.most = self._open = 0

    def cut_request(self, _connection: int, _data: bytes) -> bool:
        """Note what is asked."""
        self._open += 1
        self.most = max(self.most, self._open)
        return False

    def cut_answer(self, _connection: int, _data: bytes) -> bool:
        """Note an answer."""
        self._open -= 1
        return False


async def test_no_tenant_s_calls_wait_for_those_of_another(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """Readings of several are on their way at once: a tenant's own come one by one."""
    now = await server_time(valkey_client)
    calls = [
        reading(n, now + timedelta(milliseconds=n - 60), f"{n}") for n in range(60)
    ]
    left_behind(
        spool_dir,
        *(
            replace(each, tenant=TenantId(f"t-{n % 20}"))
            for n, each in enumerate(calls)
        ),
    )
    async with Proxy(context.redis.url) as proxy:
        proxy.scissors = turns = Turns()
        assert await settled(elsewhere(context, proxy.url)) == 0

    assert turns.most > 1
    url = context.redis.url
    levels = [await counted(url, f"t-{n}", DISK, "now") for n in range(20)]
    assert levels == list(range(40, 60))


async def test_a_lost_answer_of_members_counts_them_once(context: Context) -> None:
    """Also where Redis had refused them: the caller was told to go on."""
    async with through_a_proxy(context) as (proxy, meter):
        await meter.count_unique("acme", USERS, ["ann"])
        proxy.lose_next_answer(times=2)
        counted_once = await meter.count_unique("acme", USERS, ["bob"])
        await replayed(meter)
        proxy.lose_next_answer(times=2)
        beyond = await meter.count_unique("acme", USERS, ["cem"], limits={USERS: 2})
        await replayed(meter)

        assert [each.allowed for each in (counted_once, beyond)] == [True, True]
        assert spooled(meter).unsettled == 0
    assert await counted(context.redis.url, "acme", USERS) == 3


async def test_members_count_in_the_period_in_which_they_were_seen(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """Also when it is over; one whose counter is gone is put aside."""
    now = await server_time(valkey_client)
    before = calendar_month(now).start - DAY
    long_ago = now - 400 * DAY
    left_behind(
        spool_dir, seen(before, b"ann", b"bob"), seen(now, b"ann"), seen(long_ago, b"x")
    )

    assert await settled(context) == 1
    url, past = context.redis.url, calendar_month(before).label
    assert await counted(url, "acme", USERS, past) == 2
    assert await counted(url, "acme", USERS) == 1
    (aside,) = found_unsettled(spool_dir)
    assert aside.call.members == (b"x",)
    assert aside.why == "the counter of active_users of that time is gone"


async def test_members_by_billing_cycle_count_in_the_cycle_of_then(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """The directory's, as it is when they are told."""
    now = await server_time(valkey_client)
    anchor = now - 2 * DAY
    entry: dict[Any, Any] = {
        "anchor": str(int(anchor.timestamp())),
        "interval": "month",
    }
    await valkey_client.hset(LAYOUT.tenant("acme"), mapping=entry)
    cycled = replace(
        context,
        resources=tuple(
            replace(each, period=PeriodKind.BILLING_CYCLE)
            if each.name == USERS
            else each
            for each in context.resources
        ),
    )
    left_behind(spool_dir, seen(now - DAY, b"ann"))

    assert await settled(cycled) == 0
    label = f"{anchor:%Y-%m-%d}"
    assert await counted(context.redis.url, "acme", USERS, label) == 1


async def test_the_longest_members_of_a_call_are_kept_whole(
    mortal: Valkey, spool_dir: Path
) -> None:
    """A thousand of 512 bytes each, in one record."""
    context = opened(library_context(mortal.url, spool_dir))
    members = [number.to_bytes(2, "big").ljust(512, b"\xff") for number in range(1000)]
    async with MeterClient.open(context) as meter:
        await mortal.kill()
        assert (await meter.count_unique("acme", USERS, members)).allowed
        await mortal.start()
        await replayed(meter)

        assert spooled(meter).damaged_bytes == 0
    assert abs(await counted(mortal.url, "acme", USERS) - 1000) <= 25


async def test_what_was_spooled_as_another_kind_is_put_aside(
    context: Context, spool_dir: Path, valkey_client: Redis
) -> None:
    """The resource's kind was changed meanwhile: nothing is guessed."""
    now = await server_time(valkey_client)
    use = SpooledCall("c-1", ACME, ((USERS, 3),), now, True, False)
    other = replace(seen(now, b"ann"), amounts=((CALLS, 1),))
    level_of_seats = replace(reading(5, now), amounts=((SEATS, 5),))
    left_behind(spool_dir, use, other, level_of_seats)

    assert await settled(context) == 3
    assert sorted(each.why for each in found_unsettled(spool_dir)) == [
        "active_users counts distinct members: name them with count_unique",
        "api_calls is a counter: count it with consume",
        "seats is a counter: count it with consume",
    ]
    assert await ask(valkey_client, "KEYS", "usage:*") == []


@pytest.mark.parametrize("away", [False, True])
async def test_a_wrong_call_is_told_so_whether_redis_answers_or_not(
    context: Context, *, away: bool
) -> None:
    """And is never spooled, also where the circuit is open."""
    place = elsewhere(context, NOWHERE) if away else context
    async with MeterClient.open(place) as meter:
        for _ in range(5 * away):
            await meter.consume("acme", {CALLS: 1})
        waiting = spooled(meter).calls
        with pytest.raises(BadInput, match="name them with count_unique"):
            await meter.consume("acme", {USERS: 1})
        with pytest.raises(BadInput, match="name them with count_unique"):
            await meter.reserve("acme", {USERS: 1}, ttl=timedelta(minutes=1))
        with pytest.raises(BadInput, match="count it with consume"):
            await meter.set_gauge("acme", CALLS, 1)
        with pytest.raises(BadInput, match="is no reading"):
            await meter.set_gauge("acme", DISK, -1)
        with pytest.raises(BadInput, match="set it with set_gauge"):
            await meter.count_unique("acme", DISK, ["ann"])
        with pytest.raises(BadInput, match="1 to 1,000 members"):
            await meter.count_unique("acme", USERS, [])
        with pytest.raises(NotFound):
            await meter.set_gauge("acme", "dosk", 1)
        assert spooled(meter).calls == waiting
    async with MeterClient.open(replace(context, read_only=True)) as meter:
        with pytest.raises(ReadOnly):
            await meter.set_gauge("acme", DISK, 1)


async def test_a_broken_level_is_an_error_and_not_a_fault(
    context: Context, valkey_client: Redis
) -> None:
    """Redis answers: on_fault has nothing to say."""
    await valkey_client.set("usage:acme:disk_gb:now", "1.5")

    async with MeterClient.open(context) as meter:
        with pytest.raises(Refused):
            await meter.set_gauge("acme", DISK, 1)
        assert meter.status().circuit.failures == 0


def test_threads_set_gauges_and_count_members(context: Context) -> None:
    """The same, without an event loop; a naive moment is refused."""
    with SyncMeterClient.open(context) as meter:
        taken = datetime(2026, 1, 2, tzinfo=UTC)
        read = meter.set_gauge("acme", DISK, 5, measured_at=taken)
        made = meter.count_unique("acme", USERS, {"ann", "bob"}, call_id="u-1")
        again = meter.count_unique("acme", USERS, {"bob", "ann"}, call_id="u-1")
        usage = {each.resource: each for each in meter.peek("acme")}

    assert isinstance(read, GaugeReading)
    assert read.measured_at == taken
    assert isinstance(made, Decision)
    assert isinstance(again, Decision)
    assert again.replayed
    assert usage[DISK].period.endless
    assert usage[USERS].used == 2
    assert context.resource(USERS).kind is ResourceKind.UNIQUE
