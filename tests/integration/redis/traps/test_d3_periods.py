"""Mistakes that other counting systems shipped: periods, anchors, zones.

That periods tile, for anchors 1 to 31 and ten years, is shown beside an independent
reckoning in tests/unit; here the server and its scripts decide.
"""

import time
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.contexts import CALLS, SEATS
from tests.support.frozen_clock import FrozenClock

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import ResourceDecision
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import Period
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
MILLISECOND = timedelta(milliseconds=1)
pytestmark = pytest.mark.not_on("cluster", "sentinel")


class Calendar:
    """Tenant acme on a server whose clock is put to any moment."""

    def __init__(self, clock: FrozenClock, redis: Redis, context: Context) -> None:
        self.clock = clock
        self.redis = redis
        self.usage = UsageService(redis, context)

    async def cycle(self, anchor: datetime, interval: str, count: int = 1) -> None:
        """Let acme's seats be counted by a billing cycle."""
        fields = {
            "anchor": str(int(anchor.timestamp())),
            "interval": interval,
            "interval_count": str(count),
        }
        for name, value in fields.items():
            await self.redis.hset(LAYOUT.tenant("acme"), name, value)

    async def count(self, at: datetime, resource: str = SEATS) -> ResourceDecision:
        """Count one unit at a moment; the client's own clock notices nothing."""
        await self.clock.set(self.redis, at)
        return (await self.usage.consume("acme", {resource: 1})).resources[0]

    async def period(self, at: datetime, resource: str = SEATS) -> Period:
        """Return the period in which a unit of that moment is counted."""
        return (await self.count(at, resource)).period


@pytest.fixture
def calendar(frozen_clock: FrozenClock, redis: Redis, context: Context) -> Calendar:
    """A calendar on an empty server."""
    return Calendar(frozen_clock, redis, context)


@pytest.fixture(params=["Pacific/Kiritimati", "Europe/Berlin", "America/St_Johns"])
def zone(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Let this process live in a time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


async def test_d3_a_month_and_a_year_have_their_own_lengths(
    calendar: Calendar,
) -> None:
    """28 to 31 days and 365 or 366, never 30 and 360 (limits, envoy)."""
    lengths = [
        (period.end - period.start).days
        for month in range(1, 13)
        for period in [
            await calendar.period(datetime(2080, month, 15, tzinfo=UTC), CALLS)
        ]
    ]
    assert lengths == [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    await calendar.cycle(datetime(2079, 6, 1, tzinfo=UTC), "year")

    years = [
        await calendar.period(datetime(year, 9, 1, tzinfo=UTC)) for year in (2079, 2080)
    ]

    assert [(each.end - each.start).days for each in years] == [366, 365]


async def test_d3_the_hosts_time_zone_decides_nothing(
    calendar: Calendar, zone: str
) -> None:
    """14 hours ahead, with summer time, half an hour off: months begin at 00:00 UTC,
    and the last day is part of its month (flexprice c1e7c3677, lago 8536eac63)."""
    april = datetime(2080, 4, 1, tzinfo=UTC)

    last = await calendar.period(april - MILLISECOND, CALLS)
    first = await calendar.period(april, CALLS)

    assert (last.label, first.label) == ("2080-03", "2080-04"), zone
    assert last.end == first.start == april


async def test_d3_a_day_is_24_hours_when_the_clocks_are_changed(
    calendar: Calendar, zone: str
) -> None:
    """A daily cycle over both changes of a year: no hour twice, none left out
    (flexprice 74a058381)."""
    anchor = datetime(2080, 1, 1, 0, 30, tzinfo=UTC)
    await calendar.cycle(anchor, "day")
    for around in (
        datetime(2080, 3, 31, tzinfo=UTC),
        datetime(2080, 10, 27, tzinfo=UTC),
    ):
        for hours in range(0, 72, 6):
            at = around + timedelta(hours=hours)
            period = await calendar.period(at)
            assert period.end - period.start == timedelta(days=1), zone
            assert (period.start - anchor) % timedelta(days=1) == timedelta(0)
            assert period.start <= at < period.end


@pytest.mark.parametrize("day", [28, 29, 30, 31])
async def test_d3_a_late_anchor_does_not_drift(calendar: Calendar, day: int) -> None:
    """Fourteen months from the 31st: short ones end early, and the day comes back
    (openmeter 58fb18fe2)."""
    anchor = datetime(2080, 1, day, 13, 47, tzinfo=UTC)
    await calendar.cycle(anchor, "month")
    at, days = anchor, []
    for _ in range(14):
        period = await calendar.period(at)
        assert period.start == at
        days.append(at.day)
        at = period.end

    months = [(2080 + at // 12, at % 12 + 1) for at in range(14)]
    assert days == [min(day, monthrange(*month)[1]) for month in months]


@pytest.mark.parametrize("day", [1, 28, 29, 30, 31])
@pytest.mark.parametrize(
    ("interval", "count"),
    [("month", 1), ("month", 3), ("year", 1), ("week", 2), ("day", 10)],
)
async def test_d3_periods_tile_on_the_server(
    calendar: Calendar, day: int, interval: str, count: int
) -> None:
    """The last millisecond counts in one period, the next in the one after it, which
    begins where that ended: 6 periods, 12 calls, 2 in each counter (lago 6173)."""
    anchor = datetime(2080, 1, day, 13, 47, 22, tzinfo=UTC)
    await calendar.cycle(anchor, interval, count)
    at = anchor
    for number in range(6):
        first = await calendar.count(at)
        assert (first.current, first.period.start) == (1, at), number
        assert first.period.label == at.strftime("%Y-%m-%d")
        last = await calendar.count(first.period.end - MILLISECOND)
        assert (last.current, last.period) == (2, first.period)
        at = first.period.end


@pytest.mark.parametrize("year", [2079, 2080])
async def test_d3_anchor_31_on_the_2nd_of_march(calendar: Calendar, year: int) -> None:
    """The period holds the day: from the end of February on (dust 28757)."""
    await calendar.cycle(datetime(2078, 12, 31, 8, tzinfo=UTC), "month")
    at = datetime(year, 3, 2, 12, tzinfo=UTC)

    period = await calendar.period(at)

    february = monthrange(year, 2)[1]
    assert period.start == datetime(year, 2, february, 8, tzinfo=UTC)
    assert period.end == datetime(year, 3, 31, 8, tzinfo=UTC)


async def test_d3_a_counter_is_named_by_its_periods_start(calendar: Calendar) -> None:
    """An anchor that is not midnight names all of its period by one day, the first
    one, also in the last second (unkey deploy-billing)."""
    await calendar.cycle(datetime(2080, 1, 10, 23, 59, 59, tzinfo=UTC), "month")
    end = datetime(2080, 3, 10, 23, 59, 59, tzinfo=UTC)

    for at in (end - timedelta(seconds=1), end - MILLISECOND):
        assert (await calendar.period(at)).label == "2080-02-10"
    assert (await calendar.period(end)).label == "2080-03-10"


async def test_d3_a_call_and_its_subscription_in_one_second_belong_together(
    calendar: Calendar,
) -> None:
    """The period begins with the anchor's second, and the call is in it: whole
    milliseconds, `[start, end)` (lago a19e55436, ff7720a03)."""
    anchor = datetime(2080, 3, 14, 9, 26, 53, tzinfo=UTC)
    await calendar.cycle(anchor, "month")

    before = await calendar.period(anchor - MILLISECOND)
    for ms in (0, 1, 589, 999):
        made = await calendar.period(anchor + timedelta(milliseconds=ms))
        assert made.start == anchor == before.end


async def test_d3_the_first_and_the_last_millisecond_of_a_month(
    calendar: Calendar, redis: Redis
) -> None:
    """00:00:00.000 and 23:59:59.999 are of the same month, 24 hours of a day are."""
    for at in (
        datetime(2080, 2, 29, 23, 59, 59, 999000, tzinfo=UTC),
        datetime(2080, 3, 1, tzinfo=UTC),
        datetime(2080, 3, 31, 23, 59, 59, 999000, tzinfo=UTC),
        datetime(2080, 4, 1, tzinfo=UTC),
    ):
        await calendar.count(at, CALLS)

    labels = ("2080-02", "2080-03", "2080-04")
    found = [await redis.get(LAYOUT.counter("acme", CALLS, each)) for each in labels]

    assert found == [b"1", b"2", b"1"]


async def test_d3_a_call_at_one_minute_past_belongs_to_the_new_month(
    calendar: Calendar,
) -> None:
    """Also where the client still believes in the old one (lago e367c7310)."""
    await calendar.count(datetime(2080, 2, 29, 23, 59, tzinfo=UTC), CALLS)

    made = await calendar.count(datetime(2080, 3, 1, 0, 1, tzinfo=UTC), CALLS)

    assert (made.period.label, made.current) == ("2080-03", 1)


@pytest.mark.parametrize("hours", [-5, -1, 1, 5])
@pytest.mark.parametrize("resource", [CALLS, SEATS])
async def test_d3_a_clients_wrong_clock_counts_in_the_servers_period(
    calendar: Calendar, redis: Redis, hours: int, resource: str
) -> None:
    """Hours behind or ahead, on both sides of a period's end: the server decides."""
    edge = datetime(2080, 3, 1, tzinfo=UTC)
    await calendar.cycle(edge, "month")
    await calendar.count(edge - timedelta(hours=6), resource)
    for at in (edge - MILLISECOND, edge, edge + timedelta(hours=4)):
        calendar.clock.own_s += hours * 3600
        made = await calendar.count(at, resource)
        assert made.period.start <= at < made.period.end

    kinds = {CALLS: ("2080-02", "2080-03"), SEATS: ("2080-02-01", "2080-03-01")}
    labels = kinds[CALLS] if resource == CALLS else kinds[SEATS]
    found = [await redis.get(LAYOUT.counter("acme", resource, each)) for each in labels]
    assert found == [b"2", b"2"]
