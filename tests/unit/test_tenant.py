"""A tenant's own texts and moments come out as they went in, however odd they are."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.support.tenants import but

from meterdeck.core.model.periods import Cycle, Interval
from meterdeck.core.model.usage import PlanName, ResourceName, Tenant, TenantId

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
ACME = Tenant(
    TenantId("acme"),
    "Acme",
    "cus_1",
    "sub_1",
    PlanName("pro"),
    limits={ResourceName("calls"): 5},
    cycle=Cycle(NOON, Interval.WEEK, 2),
    period_start=NOON,
)


@pytest.mark.parametrize("text", ["", "é", "\0", "a\0b\0c", "\udcff", "\u2028名"])
@pytest.mark.parametrize("field", ["name", "customer", "subscription"])
def test_texts_are_what_they_were(field: str, text: str) -> None:
    """A text may hold anything, also what texts are kept apart by."""
    odd = but(ACME, **{field: text})
    assert getattr(odd, field) == text
    for other in {"name", "customer", "subscription"} - {field}:
        assert getattr(odd, other) == getattr(ACME, other)


@pytest.mark.parametrize(
    "moment",
    [
        None,
        NOON + timedelta(microseconds=1),
        datetime(1969, 12, 31, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
        NOON.astimezone(timezone(timedelta(hours=5))),
    ],
)
def test_moments_are_what_they_were(moment: datetime | None) -> None:
    """A moment may lie anywhere, between two seconds and in another zone."""
    odd = but(ACME, period_end=moment)
    assert odd.period_end == moment
    assert (odd.period_start, odd.cycle) == (NOON, Cycle(NOON, Interval.WEEK, 2))


def test_tenants_are_equal_by_what_they_say() -> None:
    """What was read once more is the same tenant, and any difference is one."""
    assert but(ACME) == ACME
    assert but(ACME, limits=dict(ACME.limits)) == ACME
    for field, value in {
        "id": "other",
        "name": "Other",
        "plan": "free",
        "limits": {},
        "cycle": None,
        "period_start": None,
        "rules": {"calls": None},
    }.items():
        assert but(ACME, **{field: value}) != ACME
