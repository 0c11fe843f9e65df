"""Pure parts of reading counters: keys by the clock, strict values, the table."""

from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.watching import CALLS, DISK, IMAGES, tenant_of

from meterdeck.core.model.fleet_update import NO_COUNTER
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import Cycle, Interval, PeriodKind
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.usage import Broken, TenantId
from meterdeck.core.services.counter_keys import plan_keys
from meterdeck.core.services.counter_table import CounterTable
from meterdeck.core.services.counter_values import broken_type, read_values

AT = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CYCLED = replace(IMAGES, period=PeriodKind.BILLING_CYCLE)


def test_keys_cross_into_a_new_month_with_the_clock() -> None:
    """The plan says until when it holds, and names December's keys from then on."""
    tenants = [tenant_of("acme"), tenant_of("beta")]

    before = plan_keys(KeyLayout(), tenants, [CALLS], AT)
    after = plan_keys(KeyLayout(), tenants, [CALLS], before.valid_until)

    assert before.valid_until == AT + SECOND
    assert before.keys == [
        b"usage:acme:api_calls:2026-11",
        b"usage:beta:api_calls:2026-11",
    ]
    assert after.keys == [
        b"usage:acme:api_calls:2026-12",
        b"usage:beta:api_calls:2026-12",
    ]


def test_a_billing_cycle_rolls_over_by_itself() -> None:
    """The plan ends when the first cycle in it does; others keep their keys."""
    anchor = datetime(2026, 1, 15, 6, tzinfo=UTC)
    tenants = [
        tenant_of("acme", cycle=Cycle(anchor, Interval.MONTH)),
        tenant_of("free"),
    ]
    at = datetime(2026, 11, 15, 5, tzinfo=UTC)

    before = plan_keys(KeyLayout(), tenants, [CYCLED], at)
    after = plan_keys(KeyLayout(), tenants, [CYCLED], before.valid_until)

    assert before.valid_until == datetime(2026, 11, 15, 6, tzinfo=UTC)
    assert before.keys == [
        b"usage:acme:images:2026-10-15",
        b"usage:free:images:2026-11",
    ]
    assert after.keys == [b"usage:acme:images:2026-11-15", b"usage:free:images:2026-11"]


@pytest.mark.parametrize(
    "layout",
    [
        KeyLayout(),
        KeyLayout(template="{period}/{resource}/{tenant}"),
        KeyLayout(tagged=True),
    ],
)
def test_planned_keys_are_the_layouts_own(layout: KeyLayout) -> None:
    """Whatever the template and however odd the name."""
    names = ["acme", "a:b", "{x}", "caf\udce9", "\0", "%s", "ü"]
    tenants = [tenant_of(name) for name in names]

    plan = plan_keys(layout, tenants, [CALLS, IMAGES], AT)

    assert plan.keys == [
        layout.counter(name, resource.name, "2026-11")
        for resource in (CALLS, IMAGES)
        for name in names
    ]


def test_a_gauges_key_is_the_same_in_every_month() -> None:
    """And is as good as any until the other keys change."""
    tenants = [tenant_of("acme"), tenant_of("beta")]

    before = plan_keys(KeyLayout(), tenants, [CALLS, DISK], AT)
    after = plan_keys(KeyLayout(), tenants, [CALLS, DISK], before.valid_until)

    gauges = [b"usage:acme:disk_gb:now", b"usage:beta:disk_gb:now"]
    assert before.keys[2:] == after.keys[2:] == gauges
    assert before.keys[:2] != after.keys[:2]


_RAW = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63).map(lambda value: str(value).encode()),
    st.binary(max_size=6),
    st.sampled_from(
        [b" 7", b"+7", b"1_0", b"007", b"-0", b"1,2", b"", b"7\n", b"\xd9\xa3"]
    ),
)


@given(st.lists(_RAW, max_size=8))
def test_values_are_read_as_strictly_in_bulk_as_one_by_one(
    raw: list[bytes | None],
) -> None:
    """What `parse_counter` refuses is broken, nothing else is."""
    values, broken = read_values(raw)

    assert len(values) == len(raw)
    for place, text in enumerate(raw):
        expected = None if text is None else parse_counter(text)
        assert values[place] == (NO_COUNTER if expected is None else expected)
        assert (place in broken) == (text is not None and expected is None)


def test_a_broken_value_is_quoted_and_cut() -> None:
    """The text is kept as it is, at most forty characters of it."""
    _, broken = read_values([b"abc", b"x" * 500])

    assert broken[0] == Broken("'abc'")
    assert broken[1] == Broken(f"'{'x' * 40}…'")
    assert broken_type("list") == Broken("a list")


def _table(*names: str) -> CounterTable:
    table = CounterTable([CALLS, IMAGES])
    for name in names:
        table.put(tenant_of(name))
    return table


def test_the_table_reports_each_difference_once() -> None:
    """What was taken is not taken again, and what is as before never."""
    table = _table("acme", "beta")

    table.store(0, range(2), array("q", [1, NO_COUNTER]))
    first = table.take(10)
    table.store(0, range(2), array("q", [1, NO_COUNTER]))

    assert [(list(b.tenants), list(b.used)) for b in first] == [(["acme"], [1])]
    assert table.take(10) == ()


def test_the_table_hands_out_no_more_than_asked_for() -> None:
    """The rest comes with the next call."""
    names = [f"t{number}" for number in range(10)]
    table = _table(*names)
    table.store(0, range(10), array("q", range(10)))
    table.store(1, range(10), array("q", range(10)))

    taken = []
    while table.to_take():
        taken.append(sum(len(batch.tenants) for batch in table.take(6)))

    assert taken == [6, 6, 6, 2]


def test_a_removed_tenants_row_is_taken_over_with_what_is_to_be_reported() -> None:
    """The last tenant's unreported value is reported under its own name."""
    table = _table("acme", "beta", "core")
    broken = {2: Broken("a list")}
    table.store(0, range(3), array("q", [1, 2, NO_COUNTER]), broken)

    table.remove(TenantId("acme"))
    (batch,) = table.take(10)

    assert dict(zip(batch.tenants, batch.used, strict=True))[TenantId("beta")] == 2
    place = list(batch.tenants).index(TenantId("core"))
    assert batch.broken == {place: Broken("a list")}
    assert table.row_of(TenantId("core")) == 0


def test_a_new_month_forgets_calendar_counters_without_reporting_them() -> None:
    """The update's `month` tells that; billing cycles go on."""
    table = CounterTable([CALLS, CYCLED])
    table.put(tenant_of("acme"))
    table.store(0, [0], array("q", [5]))
    table.store(1, [0], array("q", [6]))
    table.take(10)

    table.start_month()

    assert table.value(0, 0) is None
    assert table.value(0, 1) == 6
    assert table.take(10) == ()
