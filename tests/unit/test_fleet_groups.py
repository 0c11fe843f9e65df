"""Groups of the fleet, and which limits are reached soon."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime, timedelta

from tests.support.tenants import but
from tests.support.watching import CALLS, tenant_of, watch_context

from meterdeck.core.model.fleet_update import CounterBatch, Health, Reach, WatchUpdate
from meterdeck.core.model.usage import PlanName, Tenant, TenantId, TenantStatus
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.fleet_groups import GroupBy, Risk, grouped

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OK = Health(Reach.OK)


def told(fleet: Fleet, second: float, *tenants: Tenant, **calls: int) -> None:
    """Apply an update at this second."""
    names = [TenantId(name) for name in calls]
    batch = CounterBatch(CALLS, names, array("q", calls.values()))
    at = AT + timedelta(seconds=second)
    fleet.apply(WatchUpdate(at, OK, OK, AT, tenants=tenants, counters=(batch,)))


def limited(name: str, calls: int | None = 100, **parts: object) -> Tenant:
    """A tenant with this limit of calls and none of anything else."""
    return but(tenant_of(name), limits={CALLS.name: calls}, **parts)


def fleet_of(*tenants: Tenant, **calls: int) -> Fleet:
    """A fleet with these tenants and counters."""
    fleet = Fleet(watch_context("redis://nowhere"))
    told(fleet, 0, *tenants, **calls)
    return fleet


def shown(fleet: Fleet, by: GroupBy, rows: list[int]) -> dict[str, list[str]]:
    """The groups by their keys, with the tenants in them."""
    return {
        group.key: [fleet.tenant(row).id for row in group.rows]
        for group in grouped(fleet, by, rows)
    }


def test_a_group_keeps_the_order_of_its_rows_and_counts_who_needs_attention() -> None:
    """Plans come by name, those without one last; near and full count once each."""
    fleet = fleet_of(
        limited("a", plan=PlanName("pro")),
        limited("b", plan=PlanName("")),
        limited("c", plan=PlanName("free")),
        limited("d", plan=PlanName("pro")),
        a=100,
        d=75,
    )

    found = grouped(fleet, GroupBy.PLAN, [3, 2, 1, 0])

    assert [group.key for group in found] == ["free", "pro", ""]
    assert found[1].rows == [3, 0]
    assert (found[1].at_limit, found[1].near) == (1, 1)


def test_statuses_in_trouble_come_first() -> None:
    """As in the order by status."""
    fleet = fleet_of(
        limited("a", status=TenantStatus.ACTIVE),
        limited("b", status=TenantStatus.UNPAID),
        limited("c", status=TenantStatus.PAST_DUE),
    )

    assert list(shown(fleet, GroupBy.STATUS, [0, 1, 2])) == [
        "unpaid", "past_due", "active"
    ]  # fmt: skip


def test_risk_is_the_nearest_limit_or_one_reached_within_the_hour() -> None:
    """A tenant far below its limit is at risk when it will be there within the hour."""
    tenants = map(limited, ("full", "high", "near", "fast", "slow", "calm"))
    fleet = fleet_of(*tenants, full=100, high=95, near=80, fast=10, slow=10, calm=10)
    told(fleet, 40)
    told(fleet, 100, fast=13, slow=11, full=101)

    assert shown(fleet, GroupBy.RISK, [5, 4, 3, 2, 1, 0]) == {
        Risk.AT_LIMIT: ["full"],
        Risk.OVER_90: ["high"],
        Risk.SOON: ["fast"],
        Risk.NEAR: ["near"],
        Risk.CALM: ["calm", "slow"],
    }


def test_a_limit_that_is_reached_after_the_reset_is_not_reached_soon() -> None:
    """At the end of a period the counter starts anew before it gets there."""
    fleet = Fleet(watch_context("redis://nowhere"))
    last = datetime(2026, 11, 30, 23, 58, tzinfo=UTC) - AT
    told(fleet, last.total_seconds(), limited("fast"), fast=10)
    told(fleet, last.total_seconds() + 40)
    told(fleet, last.total_seconds() + 100, fast=13)

    assert fleet.reached_within(3600) == set()
