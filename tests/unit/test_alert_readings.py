"""What alert rules find in a tenant's counters, and in a reconciliation."""

from datetime import timedelta
from decimal import Decimal

from tests.support.contexts import CALLS
from tests.unit.test_alerts import NOON

from meterdeck.core.model.alert_audience import concerns
from meterdeck.core.model.alert_readings import drift_readings, readings_of
from meterdeck.core.model.alert_rules import AlertRule, Measure
from meterdeck.core.model.periods import Period, calendar_month
from meterdeck.core.model.usage import (
    Broken,
    CounterId,
    Limit,
    LimitSource,
    PlanName,
    Tenant,
    TenantId,
    TenantStatus,
    Usage,
)
from meterdeck.core.services.alerting.paces import Paces

ACME = Tenant(TenantId("acme"), "Acme", plan=PlanName("pro"))
NOVEMBER = calendar_month(NOON)
PERCENT = AlertRule("share", Measure.PERCENT, (80,))
UNITS = AlertRule("size", Measure.UNITS, (10,))
SOON = AlertRule("soon", Measure.TIME_TO_LIMIT, (7200,))


def values(
    used: int | Broken,
    limit: int | None,
    pace: float | None = None,
    period: Period = NOVEMBER,
) -> list[int | str | None]:
    """Return what the three rules find; "unknown" where nothing follows from it."""
    usage = Usage(ACME.id, CALLS, period, used, Limit(limit, LimitSource.PLAN))
    found = readings_of([PERCENT, UNITS, SOON], ACME, [usage], lambda _: pace, NOON)
    return [each.value if each.known else "unknown" for each in found]


def test_a_counter_is_read_in_each_measure() -> None:
    """No limit, or one of 0, is never near; no pace yet is not the same as none."""
    assert values(850, 1000, 0.1) == [85, 850, 1500]
    assert values(850, 1000, 0.0) == [85, 850, None]
    assert values(850, 1000, None) == [85, 850, "unknown"]
    assert values(1100, 1000, None) == [110, 1100, 0]
    assert values(850, None, 0.1) == [None, 850, None]
    assert values(0, 0, 0.1) == [None, 0, None]
    assert values(Broken("a list"), 1000, 0.1) == ["unknown"] * 3


def test_a_limit_that_is_reached_after_the_periods_end_is_never_reached() -> None:
    """The counter begins anew before."""
    left_s = (NOVEMBER.end - NOON).total_seconds()

    assert values(0, 1000, 1000 / (left_s - 60))[2] == int(left_s - 60)
    assert values(0, 1000, 1000 / (left_s + 60))[2] is None


def test_a_pace_is_of_the_last_minutes_and_begins_anew_where_units_were_taken() -> None:
    """Not known before half a minute; an old sample gives way to a newer one."""
    paces, counter = Paces(), CounterId(ACME.id, CALLS, "2026-11")

    paces.note(counter, 100, NOON)
    assert paces.rate(counter, 110, NOON + timedelta(seconds=10)) is None
    assert paces.rate(counter, 160, NOON + timedelta(seconds=60)) == 1.0
    paces.note(counter, 400, NOON + timedelta(minutes=5))
    paces.note(counter, 400, NOON + timedelta(minutes=10))
    assert paces.rate(counter, 400, NOON + timedelta(minutes=11)) == 0.0
    paces.note(counter, 50, NOON + timedelta(minutes=12))
    assert paces.rate(counter, 110, NOON + timedelta(minutes=13)) == 1.0


def test_drift_is_rounded_up_to_whole_units_and_percent() -> None:
    """So that no difference is taken for none."""
    counter = CounterId(ACME.id, CALLS, "2026-11")
    rules = [
        AlertRule("units", Measure.DRIFT, (1,)),
        AlertRule("share", Measure.DRIFT_PERCENT, (1,)),
    ]

    def drift(text: str, used: int) -> list[int | None]:
        found = drift_readings(
            rules, ACME, counter, period_end=None, drift=Decimal(text), used=used
        )
        return [each.value for each in found]

    assert drift("0.5", 1000) == [1, 1]
    assert drift("25", 1000) == [25, 3]
    assert drift("7", 0) == [7, 100]
    assert drift("0", 0) == [0, 0]


def test_a_rule_is_for_whom_it_names() -> None:
    """By plan, where the default's counts, too; by name; by a filter."""
    rule, none = AlertRule("x", Measure.PERCENT, (80,)), PlanName("")
    free = Tenant(TenantId("zeta"), "Zeta", status=TenantStatus.PAST_DUE)

    def of(**more: object) -> list[bool]:
        one = AlertRule("x", Measure.PERCENT, (80,), **more)  # type: ignore[arg-type]
        return [concerns(one, each, PlanName("free")) for each in (ACME, free)]

    assert concerns(rule, free, none)
    assert of(plan=PlanName("free")) == [False, True]
    assert of(tenant=ACME.id) == [True, False]
    assert of(filter="status:past_due !acme") == [False, True]
    assert of(filter='name="Acme"') == [True, False]
