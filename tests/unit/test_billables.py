"""What of a counter goes to Stripe, and when it is said to have happened."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.contexts import redis_context

from meterdeck.core.model.delivery import Wanted
from meterdeck.core.model.periods import ENDLESS, Cycle, Interval, PeriodKind
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.usage import (
    BilledBy,
    CounterId,
    Resource,
    ResourceKind,
    ResourceName,
    Tenant,
    TenantId,
)
from meterdeck.core.services.sync.billable import Billables, NotBilled, period_of

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ACME = TenantId("acme")
CALLS = Resource(ResourceName("calls"), "Calls", "call", meter="api_requests")
IMAGES = Resource(
    ResourceName("images"),
    "Images",
    "image",
    meter="images",
    period=PeriodKind.BILLING_CYCLE,
    flush_s=10,
)
LEVEL = Resource(
    ResourceName("level"), "Level", "GB", meter="level", kind=ResourceKind.GAUGE
)
TRACKED = Resource(
    ResourceName("tracked"), "T", "t", meter="tracked", billed_by=BilledBy.EVENTS
)
QUOTA = Resource(ResourceName("quota"), "Quota", "q")
CYCLE = Cycle(datetime(2026, 1, 31, 13, 47, 22, tzinfo=UTC), Interval.MONTH)


def meter(event_name: str, formula: str = "sum", *, active: bool = True) -> MeterInfo:
    """Return a meter of Stripe's."""
    return MeterInfo(f"mtr_{event_name}", event_name, event_name, formula, active)


@pytest.fixture
def billables() -> Billables:
    """A tenant with a cycle, one without a customer, and a meter for each resource."""
    resources = (CALLS, IMAGES, LEVEL, TRACKED, QUOTA)
    context = replace(redis_context("redis://unused"), resources=resources)
    known = Billables(context)
    known.put(
        [
            Tenant(ACME, "Acme", customer="cus_1", cycle=CYCLE),
            Tenant(TenantId("free"), "Free"),
        ]
    )
    known.meters = {
        each.event_name: each
        for each in (
            meter("api_requests"),
            meter("images"),
            meter("level", "last"),
            meter("tracked", "count"),
        )
    }
    return known


def counter(resource: Resource, period: str, tenant: str = "acme") -> CounterId:
    """Return a counter's name."""
    return CounterId(TenantId(tenant), resource.name, period)


def test_a_counter_with_a_meter_and_a_customer_is_wanted(billables: Billables) -> None:
    """With the period its label stands for, and its resource's interval."""
    wanted = billables.wanted(counter(IMAGES, "2026-10-31"), NOW)

    assert isinstance(wanted, Wanted)
    assert (wanted.customer, wanted.event_name, wanted.flush_s) == (
        "cus_1",
        "images",
        10,
    )
    assert wanted.period.start == datetime(2026, 10, 31, 13, 47, 22, tzinfo=UTC)
    assert wanted.period.end == datetime(2026, 11, 30, 13, 47, 22, tzinfo=UTC)


def test_a_gauge_is_wanted_for_the_billing_period_of_now(billables: Billables) -> None:
    """So that a level that never changes is in every invoice."""
    wanted = billables.wanted(counter(LEVEL, "now"), NOW)

    assert isinstance(wanted, Wanted)
    assert (wanted.period, wanted.level) == (ENDLESS, "2026-10-31")


@pytest.mark.parametrize(
    ("which", "why"),
    [
        (counter(QUOTA, "2026-11"), NotBilled.NO_METER),
        (CounterId(ACME, ResourceName("strange"), "2026-11"), NotBilled.NO_METER),
        (counter(TRACKED, "2026-11"), NotBilled.BY_EVENTS),
        (counter(CALLS, "2026-11", "free"), NotBilled.NO_CUSTOMER),
        (counter(CALLS, "2026-11", "stranger"), NotBilled.NO_CUSTOMER),
        (counter(CALLS, "2026-13"), NotBilled.PERIOD),
        (counter(CALLS, "now"), NotBilled.PERIOD),
        (counter(LEVEL, "2026-11"), NotBilled.PERIOD),
    ],
)
def test_what_is_not_billed_says_why(
    billables: Billables, which: CounterId, why: NotBilled
) -> None:
    """A quota alone is no fault; a tenant without a customer is one."""
    assert billables.wanted(which, NOW) is why
    assert why.a_fault == (why not in (NotBilled.NO_METER, NotBilled.BY_EVENTS))


def test_a_meter_that_does_not_fit_is_not_sent_to(billables: Billables) -> None:
    """The sum of levels, or the last of many sums, would be a wrong bill."""
    assert billables.meters is not None
    known = dict(billables.meters)
    wrong = {
        NotBilled.METER_UNKNOWN: {},
        NotBilled.METER_INACTIVE: {"api_requests": meter("api_requests", active=False)},
        NotBilled.FORMULA: {"api_requests": meter("api_requests", "last")},
        NotBilled.WINDOW: {
            "api_requests": replace(meter("api_requests"), event_time_window="hour")
        },
    }
    for why, meters in wrong.items():
        billables.meters = meters
        assert billables.wanted(counter(CALLS, "2026-11"), NOW) is why
    billables.meters = {**known, "level": meter("level", "sum")}
    assert billables.wanted(counter(LEVEL, "now"), NOW) is NotBilled.FORMULA


def test_a_gauge_is_billed_by_the_last_level_of_each_hour_or_day(
    billables: Billables,
) -> None:
    """Its level is sent as it is, so that nothing is lost with those before it."""
    hourly = replace(meter("level", "last"), event_time_window="hour")
    billables.meters = {"level": hourly}

    assert isinstance(billables.wanted(counter(LEVEL, "now"), NOW), Wanted)


def test_the_counters_of_now_and_of_a_moment_ago_are_known(
    billables: Billables,
) -> None:
    """For a day after a period began, what is counted late lies in the one before."""
    just_after = datetime(2026, 11, 30, 14, 0, tzinfo=UTC)
    names = [
        (each.resource, each.period) for each in billables.counters_of(ACME, just_after)
    ]
    assert names == [
        ("calls", "2026-11"),
        ("images", "2026-11-30"),
        ("images", "2026-10-31"),
        ("level", "now"),
    ]
    later = billables.counters_of(ACME, just_after + timedelta(days=2))
    assert [each.period for each in later] == ["2026-12", "2026-11-30", "now"]


def test_a_period_of_a_cycle_that_was_changed_ended_where_the_new_one_began() -> None:
    """So its remainder is dated before the new one, as Stripe's old invoice is."""
    new = Cycle(datetime(2026, 11, 20, 10, 0, tzinfo=UTC), Interval.MONTH)
    period = period_of(counter(IMAGES, "2026-10-31"), IMAGES, new, NOW)

    assert period is not None
    assert period.start.isoformat() == "2026-10-31T00:00:00+00:00"
    assert period.end == new.anchor


def test_a_day_that_is_none_stands_for_no_period() -> None:
    """The label is data from Redis."""
    assert period_of(counter(IMAGES, "2026-02-30"), IMAGES, CYCLE, NOW) is None
