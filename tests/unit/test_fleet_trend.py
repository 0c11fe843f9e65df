"""Trend, rate and time to limit of the fleet."""

from array import array
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.watching import CALLS, IMAGES, tenant_of, watch_context

from meterdeck.core.model.fleet_update import (
    CounterBatch,
    Health,
    Reach,
    WatchUpdate,
)
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import Fleet, SortKey

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OK = Health(Reach.OK)


class Clocked:
    """A fleet of tenants whose calls are set at given seconds."""

    def __init__(self, *tenants: str) -> None:
        self.fleet = Fleet(watch_context("redis://nowhere"))
        self.tell(0, tenants=tuple(map(tenant_of, tenants)))

    def tell(self, second: float, **parts: object) -> None:
        """Apply an update at this second."""
        at = AT + timedelta(seconds=second)
        self.fleet.apply(WatchUpdate(at, OK, OK, counters_at=AT, **parts))  # type: ignore[arg-type]

    def count(self, second: float, **values: int) -> None:
        """Set calls of tenants at this second."""
        names = [TenantId(name) for name in values]
        calls = CounterBatch(CALLS, names, array("q", values.values()))
        self.tell(second, counters=(calls,))


def test_the_trend_is_units_in_each_five_seconds() -> None:
    """What was there at first is not counted; only what is added is."""
    clocked = Clocked("acme")
    clocked.count(1, acme=100)
    clocked.count(2, acme=110)
    clocked.count(4, acme=115)
    clocked.count(6, acme=120)
    clocked.tell(10)

    assert clocked.fleet.trend(0) == [15, 5]


def test_the_trend_holds_eight_samples_and_silence_is_zero() -> None:
    """Older samples fall out; missed ones are 0."""
    clocked = Clocked("acme")
    clocked.count(1, acme=100)
    clocked.count(2, acme=110)
    clocked.tell(45)
    full = list(clocked.fleet.trend(0))
    clocked.tell(3600)

    assert full == [0] * 8
    assert len(clocked.fleet.trend(0)) == 8


def test_lowering_a_counter_is_no_use() -> None:
    """An operator's reset leaves no negative bar."""
    clocked = Clocked("acme")
    clocked.count(1, acme=100)
    clocked.count(2, acme=0)
    clocked.count(3, acme=4)
    clocked.tell(5)

    assert clocked.fleet.trend(0) == [4]


def test_another_worst_resource_starts_the_trend_anew() -> None:
    """Units of two resources are never in one line."""
    clocked = Clocked()
    tenant = tenant_of("acme", limits={CALLS.name: 1000, IMAGES.name: 100})
    clocked.tell(0, tenants=(tenant,))
    clocked.count(1, acme=100)
    clocked.count(2, acme=150)
    clocked.tell(5)
    before = clocked.fleet.trend(0)
    images = CounterBatch(IMAGES, [TenantId("acme")], array("q", [90]))
    clocked.tell(6, counters=(images,))

    assert before == [50]
    assert clocked.fleet.worst_column(0) == 1
    assert clocked.fleet.trend(0) == [0]


def test_removing_a_tenant_moves_the_last_ones_trend() -> None:
    """The trend follows its tenant to the new row."""
    clocked = Clocked("acme", "beta")
    clocked.count(1, acme=1, beta=1)
    clocked.count(2, acme=9, beta=31)
    clocked.tell(5)
    clocked.tell(6, removed=(TenantId("acme"),))

    assert clocked.fleet.trend(0) == [30]


def test_the_busiest_tenant_is_first_by_trend() -> None:
    """TREND orders by the last five seconds."""
    clocked = Clocked("acme", "beta")
    clocked.count(1, acme=1, beta=1)
    clocked.count(2, acme=9, beta=31)
    clocked.tell(5)

    rows = clocked.fleet.order(SortKey.TREND)

    assert [clocked.fleet.tenant(row).id for row in rows] == ["beta", "acme"]


def test_the_rate_is_units_a_second_over_the_last_minute() -> None:
    """A steady ten a second is ten, and old silence does not dilute it."""
    clocked = Clocked("acme")
    clocked.count(0, acme=0)
    for second in range(1, 301):
        clocked.count(second, acme=max(0, second - 200) * 10)

    assert clocked.fleet.rate(0, 0) == pytest.approx(10.0)


def test_a_tenant_that_stopped_has_no_rate_after_a_minute() -> None:
    """Nothing counted for more than a minute is 0."""
    clocked = Clocked("acme")
    clocked.count(0, acme=0)
    clocked.count(10, acme=500)
    for second in range(15, 120, 5):
        clocked.tell(second)

    assert clocked.fleet.rate(0, 0) == 0.0


def test_time_to_limit_is_what_remains_by_the_rate() -> None:
    """400 left at 10 a second are 40 seconds; at the limit it is zero."""
    clocked = Clocked("acme")
    for second in range(61):
        clocked.count(second, acme=second * 10)
    left = clocked.fleet.time_to_limit(0, 0)
    clocked.count(61, acme=1000)

    assert left is not None
    assert left.total_seconds() == pytest.approx(40)
    assert clocked.fleet.time_to_limit(0, 0) == timedelta(0)
    assert clocked.fleet.time_to_limit(0, 1) is None


def test_a_limit_out_of_reach_in_this_period_has_no_time() -> None:
    """One unit a minute does not reach a million before the month ends."""
    clocked = Clocked()
    clocked.tell(0, tenants=(tenant_of("acme", limits={CALLS.name: 10**6}),))
    clocked.count(0, acme=0)
    clocked.tell(5)
    clocked.count(50, acme=1)

    assert clocked.fleet.rate(0, 0) > 0
    assert clocked.fleet.time_to_limit(0, 0) is None
