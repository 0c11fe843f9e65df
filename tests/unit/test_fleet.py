"""The fleet: columns, limits, severity, order, search and totals."""

import random
from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.watching import CALLS, DISK, IMAGES, tenant_of, watch_context

from meterdeck.core.model.fleet_update import (
    NO_COUNTER,
    CounterBatch,
    Health,
    OverrideChange,
    Reach,
    WatchUpdate,
)
from meterdeck.core.model.periods import (
    Cycle,
    Interval,
    PeriodKind,
    calendar_month,
)
from meterdeck.core.model.usage import (
    Broken,
    Limit,
    LimitSource,
    Resource,
    ResourceName,
    Tenant,
    TenantId,
    TenantStatus,
)
from meterdeck.core.services.fleet import Fleet, SortKey

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OK = Health(Reach.OK)
CONTEXT = watch_context("redis://nowhere")


def update(**parts: object) -> WatchUpdate:
    """An update with these parts."""
    return WatchUpdate(**{"at": AT, "redis": OK, "stripe": OK, **parts})  # type: ignore[arg-type]


def batch(resource: Resource, values: dict[str, int | Broken | None]) -> CounterBatch:
    """A batch of one resource's counters."""
    numbers = [
        value if isinstance(value, int) else NO_COUNTER for value in values.values()
    ]
    broken = {
        place: value
        for place, value in enumerate(values.values())
        if isinstance(value, Broken)
    }
    names = [TenantId(name) for name in values]
    return CounterBatch(resource, names, array("q", numbers), broken)


def fleet_of(*tenants: Tenant, **calls: int | Broken | None) -> Fleet:
    """A fleet with these tenants and these counters of calls."""
    fleet = Fleet(CONTEXT)
    fleet.apply(update(tenants=tenants, counters=(batch(CALLS, calls),)))
    return fleet


def row(fleet: Fleet, tenant: str) -> int:
    """The row of a tenant that is there."""
    found = fleet.row_of(tenant)
    assert found is not None
    return found


def names(fleet: Fleet, rows: list[int]) -> list[str]:
    """The ids of the tenants in these rows."""
    return [fleet.tenant(row).id for row in rows]


def test_a_counter_that_does_not_exist_is_none_and_counts_as_nothing_used() -> None:
    """Missing in Redis is no counter yet: None, 0 used, 0 percent."""
    fleet = fleet_of(tenant_of("acme"))

    assert fleet.used(0, 0) is None
    assert fleet.usage(0, 0).used == 0
    assert fleet.percent(0, 0) == 0
    assert fleet.percent(0, 1) is None


def test_a_counter_that_disappears_becomes_none_again() -> None:
    """The value goes back to None, the percent to 0."""
    fleet = fleet_of(tenant_of("acme"), acme=990)

    change = fleet.apply(update(counters=(batch(CALLS, {"acme": None}),)))

    assert fleet.used(0, 0) is None
    assert fleet.worst(0) == 0
    assert change.rows == {0}


def test_a_broken_counter_has_no_percent_until_it_is_a_number_again() -> None:
    """Broken is shown as such, counted, and forgotten with the next number."""
    fleet = fleet_of(tenant_of("acme"), acme=Broken("a list"))
    broken = (fleet.used(0, 0), fleet.percent(0, 0), fleet.worst(0))
    counted = fleet.totals().broken

    fleet.apply(update(counters=(batch(CALLS, {"acme": 7}),)))

    assert broken == (Broken("a list"), None, -1)
    assert counted == 1
    assert fleet.used(0, 0) == 7
    assert fleet.totals().broken == 0


def test_an_override_replaces_the_plans_limit_until_it_is_gone() -> None:
    """Limit, source, percent and worst follow the override both ways."""
    fleet = fleet_of(tenant_of("acme"), acme=500)
    limit = Limit(500, LimitSource.OVERRIDE)

    fleet.apply(
        update(overrides=(OverrideChange(TenantId("acme"), CALLS.name, limit),))
    )
    during = (fleet.limit(0, 0), fleet.percent(0, 0), fleet.worst(0))
    fleet.apply(update(overrides=(OverrideChange(TenantId("acme"), CALLS.name, None),)))

    assert during == (limit, 100, 100)
    assert fleet.limit(0, 0) == Limit(1000, LimitSource.PLAN)
    assert fleet.worst(0) == 50


def test_an_override_told_before_its_tenant_holds_when_the_tenant_comes() -> None:
    """The order of reports does not matter."""
    fleet = Fleet(CONTEXT)
    limit = Limit(None, LimitSource.OVERRIDE)
    fleet.apply(
        update(overrides=(OverrideChange(TenantId("acme"), CALLS.name, limit),))
    )

    fleet.apply(update(tenants=(tenant_of("acme"),)))

    assert fleet.limit(0, 0) == limit


def test_a_removed_tenant_gives_its_row_to_the_last_one_with_all_it_has() -> None:
    """Values, broken ones, severity, search and index follow the tenant."""
    tenants = [tenant_of(name) for name in ("acme", "beta", "core")]
    fleet = fleet_of(*tenants, acme=950, beta=10, core=Broken("a list"))

    change = fleet.apply(update(removed=(TenantId("acme"),)))

    assert change.membership
    assert len(fleet) == 2
    assert fleet.row_of("acme") is None
    assert fleet.used(row(fleet, "core"), 0) == Broken("a list")
    assert fleet.used(row(fleet, "beta"), 0) == 10
    assert names(fleet, fleet.search("core")) == ["core"]
    assert fleet.search("acme") == []
    assert fleet.totals().over90 == 0


def test_a_new_tenant_twice_in_one_update_has_one_row() -> None:
    """The later entry wins."""
    fleet = fleet_of(tenant_of("acme"), tenant_of("acme", name="Acme Ltd"))

    assert len(fleet) == 1
    assert fleet.tenant(0).name == "Acme Ltd"


def test_an_unknown_tenant_keeps_its_row_when_stripe_knows_it() -> None:
    """The row stays, name and limits change."""
    fleet = fleet_of(Tenant(TenantId("acme"), "acme"), tenant_of("beta"), acme=500)
    before = row(fleet, "acme")

    change = fleet.apply(update(tenants=(tenant_of("acme"),)))

    assert row(fleet, "acme") == before
    assert fleet.used(before, 0) == 500
    assert fleet.percent(before, 0) == 50
    assert change.membership  # renamed: orders by name are out of date


def test_a_resource_nobody_configured_becomes_a_column() -> None:
    """Counters of a new resource add a column for every tenant."""
    fleet = fleet_of(tenant_of("acme"), tenant_of("beta"))
    seats = Resource(ResourceName("seats"), "seats", "")

    change = fleet.apply(update(counters=(batch(seats, {"beta": 3}),)))

    assert change.columns
    assert [resource.name for resource in fleet.resources][-1] == "seats"
    assert fleet.used(row(fleet, "beta"), 2) == 3
    assert fleet.used(row(fleet, "acme"), 2) is None


def test_a_new_month_empties_calendar_counters_and_leaves_cycles() -> None:
    """Only resources counted by calendar month start anew."""
    cycle = replace(IMAGES, period=PeriodKind.BILLING_CYCLE)
    fleet = Fleet(watch_context("redis://nowhere", resources=(CALLS, cycle)))
    counters = (batch(CALLS, {"acme": 900}), batch(cycle, {"acme": 5}))
    fleet.apply(update(tenants=(tenant_of("acme"),), counters=counters))
    fleet.apply(update(month=calendar_month(AT)))
    kept = fleet.used(0, 0)

    december = AT + timedelta(days=10)
    change = fleet.apply(update(at=december, month=calendar_month(december)))

    assert kept == 900
    assert fleet.used(0, 0) is None
    assert fleet.used(0, 1) == 5
    assert fleet.worst(0) == 0
    assert change.rows == {0}


def test_random_changes_agree_with_a_fleet_built_anew() -> None:
    """After any updates every cell, order and total is what a fresh fleet has."""
    rng = random.Random(7)  # noqa: S311  # test data
    fleet = Fleet(CONTEXT)
    truth: dict[str, tuple[Tenant, int | Broken | None]] = {}
    for _ in range(300):
        name = f"t{rng.randrange(40):02d}"
        if rng.random() < 0.2:
            fleet.apply(update(removed=(TenantId(name),)))
            truth.pop(name, None)
            continue
        limit = rng.choice([0, 100, 1000, None])
        tenant = tenant_of(name, limits={CALLS.name: limit, IMAGES.name: 50})
        value = rng.choice([None, Broken("x"), -3, 0, 40, 75, 95, 100, 2**40])
        fleet.apply(update(tenants=(tenant,), counters=(batch(CALLS, {name: value}),)))
        truth[name] = (tenant, value)
    fresh = Fleet(CONTEXT)
    fresh.apply(update(tenants=tuple(tenant for tenant, _ in truth.values())))
    values = {name: value for name, (_, value) in truth.items()}
    fresh.apply(update(counters=(batch(CALLS, values),)))

    assert len(fleet) == len(truth)
    assert fleet.totals() == fresh.totals()
    for key in (*SortKey, CALLS.name):
        if key is not SortKey.TREND:
            assert names(fleet, fleet.order(key)) == names(fresh, fresh.order(key)), key
    for name, (tenant, value) in truth.items():
        at = row(fleet, name)
        shares = [
            p for p in (fleet.percent(at, 0), fleet.percent(at, 1)) if p is not None
        ]
        assert fleet.tenant(at) == tenant
        assert fleet.used(at, 0) == value
        assert fleet.worst(at) == min(max(shares, default=-1), 2**31 - 1)


def test_totals_put_each_tenant_into_one_band() -> None:
    """From 100, above 90, above 70; the bounds are as the bars' colours."""
    used = {"a": 1000, "b": 2000, "c": 999, "d": 910, "e": 900, "f": 710, "g": 700}
    fleet = fleet_of(*map(tenant_of, used), **used)

    totals = fleet.totals()

    assert (totals.at_limit, totals.over90, totals.near, totals.tenants) == (2, 2, 2, 7)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (SortKey.WORST, ["late", "acme", "beta", "free"]),
        (SortKey.NAME, ["acme", "beta", "free", "late"]),
        (SortKey.STATUS, ["late", "acme", "beta", "free"]),
        (SortKey.PLAN, ["free", "acme", "beta", "late"]),
        (CALLS.name, ["late", "acme", "beta", "free"]),
    ],
)
def test_orders_put_first_what_needs_attention(
    key: SortKey, expected: list[str]
) -> None:
    """Ties are by name; unlimited tenants come after all others."""
    tenants = (
        tenant_of("late", status=TenantStatus.PAST_DUE),
        tenant_of("free", plan="", limits={}),
        tenant_of("beta"),
        tenant_of("acme"),
    )
    fleet = fleet_of(*tenants, late=950, acme=100, beta=100, free=10**6)

    assert names(fleet, fleet.order(key)) == expected


def test_a_reversed_order_still_breaks_ties_by_name() -> None:
    """Reverse turns the key round, not the names of equals."""
    fleet = fleet_of(tenant_of("b"), tenant_of("a"), tenant_of("c"), a=1, b=1, c=900)

    assert names(fleet, fleet.order(SortKey.WORST, reverse=True)) == ["a", "b", "c"]
    assert names(fleet, fleet.order(SortKey.NAME, reverse=True)) == ["c", "b", "a"]


def test_some_rows_are_ordered_like_all_of_them() -> None:
    """A subset keeps the whole's order, whether it is small or large."""
    rng = random.Random(3)  # noqa: S311  # test data
    used = {f"t{number:03d}": rng.randrange(1200) for number in range(200)}
    fleet = fleet_of(*map(tenant_of, used), **used)
    whole = fleet.order(SortKey.WORST)

    for count in (5, 150):
        some = rng.sample(range(200), count)
        expected = [row for row in whole if row in set(some)]
        assert fleet.order(SortKey.WORST, rows=some) == expected


def test_reset_orders_by_the_end_of_the_cycle() -> None:
    """The tenant whose billing cycle ends first is first."""
    cycle = replace(CALLS, period=PeriodKind.BILLING_CYCLE)
    fleet = Fleet(watch_context("redis://nowhere", resources=(cycle,)))
    anchors = {"late": AT - timedelta(days=1), "soon": AT - timedelta(days=28)}
    tenants = tuple(
        tenant_of(name, cycle=Cycle(anchor, Interval.MONTH))
        for name, anchor in anchors.items()
    )
    fleet.apply(update(tenants=tenants))

    assert names(fleet, fleet.order(SortKey.RESET)) == ["soon", "late"]
    assert fleet.resets_at(row(fleet, "late"), 0) == datetime(
        2026, 12, 21, 12, tzinfo=UTC
    )


def test_a_gauge_does_not_reset_and_a_new_month_leaves_it() -> None:
    """Beside counters a row resets when they do; of gauges alone, never."""
    both = Fleet(watch_context("redis://nowhere", resources=(CALLS, DISK)))
    alone = Fleet(watch_context("redis://nowhere", resources=(DISK,)))
    december = AT + timedelta(days=10)
    for fleet in (both, alone):
        fleet.apply(update(tenants=(tenant_of("acme"),), month=calendar_month(AT)))
        fleet.apply(update(counters=(batch(DISK, {"acme": 70}),)))
        fleet.apply(update(at=december, month=calendar_month(december)))

    assert [both.used(0, 1), alone.used(0, 0)] == [70, 70]
    assert both.resets_at(0, 1) is None
    assert both.usage(0, 1).period.endless
    assert both.reset_times()[0] == int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
    assert alone.reset_times()[0] > 2**40
    assert names(alone, alone.order(SortKey.RESET)) == ["acme"]


def test_a_gauge_that_rises_says_when_it_is_full() -> None:
    """However long that is: no period ends before it."""
    fleet = Fleet(watch_context("redis://nowhere", resources=(DISK,)))
    limited = tenant_of("acme", limits={DISK.name: 100_000})
    fleet.apply(update(tenants=(limited,), counters_at=AT))
    for second in (0, 40, 80):
        at = AT + timedelta(seconds=second)
        level = batch(DISK, {"acme": second // 10})
        fleet.apply(update(at=at, counters=(level,), counters_at=at))

    left = fleet.time_to_limit(0, 0)

    assert left is not None
    assert left > timedelta(days=9)


def test_search_finds_every_field_in_any_case_and_forgets_old_names() -> None:
    """Id, name, customer, subscription, plan and status are searched."""
    odd = TenantId("caf\udce9\nx")
    fleet = fleet_of(
        tenant_of("acme", name="Älter GmbH", customer="cus_1", subscription="sub_9"),
        tenant_of("beta", status=TenantStatus.PAST_DUE, plan="free"),
        Tenant(odd, odd),
    )

    for text, expected in (
        ("ACM", ["acme"]),
        ("älter", ["acme"]),
        ("cus_1", ["acme"]),
        ("SUB_9", ["acme"]),
        ("past", ["beta"]),
        ("free", ["beta"]),
        ("caf\udce9\nx", [odd]),
        ("nowhere", []),
    ):
        assert names(fleet, fleet.search(text)) == expected, text
    fleet.apply(update(tenants=(tenant_of("acme", name="Neu"),)))
    assert fleet.search("älter") == []
    assert len(fleet.search("")) == 3


def test_a_text_typed_letter_by_letter_finds_what_it_finds_typed_at_once() -> None:
    """Also where a tenant is renamed, comes or goes between two letters."""
    fleet = fleet_of(*(tenant_of(f"harbor-{number}") for number in range(1500)))
    fleet.apply(update(tenants=(tenant_of("acme"), tenant_of("haven"))))
    typed = [len(fleet.search(text)) for text in ("h", "ha", "har", "ha", "harbor-7")]

    fleet.apply(update(tenants=(tenant_of("acme", name="Harbor-7"),)))
    renamed = names(fleet, fleet.search("harbor-77"))
    fleet.apply(update(tenants=(tenant_of("harbor-777x"),), removed=("harbor-77",)))

    assert typed == [1501, 1501, 1500, 1501, 111]
    assert renamed == ["harbor-77", *(f"harbor-77{digit}" for digit in range(10))]
    assert "harbor-777x" in names(fleet, fleet.search("harbor-777"))
    assert "harbor-77" not in names(fleet, fleet.search("harbor-77"))


def test_search_agrees_with_a_plain_loop_over_many_blocks() -> None:
    """Blocks of rows have no seams."""
    used = [f"tenant-{number:05d}" for number in range(3000)]
    fleet = fleet_of(*map(tenant_of, used))

    for text in ("0102", "99", "tenant-0", "7"):
        expected = [row for row, name in enumerate(used) if text in name]
        assert fleet.search(text) == expected
