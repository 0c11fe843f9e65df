"""What alert rules find: a tenant's use and limits held against them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal

from meterdeck.core.model.alert_rules import AlertRule, Measure, Reading
from meterdeck.core.model.usage import (
    Broken,
    CounterId,
    Tenant,
    TenantId,
    Usage,
    percent_of,
)

Pace = Callable[[Usage], float | None]
"""Units a second of a counter; None while it is not known."""

LAG_PERIOD = "now"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def readings_of(
    rules: Iterable[AlertRule],
    tenant: Tenant,
    usage: Sequence[Usage],
    pace: Pace,
    now: datetime,
) -> Iterator[Reading]:
    """Yield what rules of use find of a tenant that they are for."""
    for rule in rules:
        for each in usage:
            if rule.resource not in (None, each.resource):
                continue
            yield _reading(rule, tenant, each, pace, now)


def _reading(
    rule: AlertRule, tenant: Tenant, usage: Usage, pace: Pace, now: datetime
) -> Reading:
    period = usage.period
    known, value = True, None
    used = None if isinstance(usage.used, Broken) else usage.used
    if used is None:
        known = False
    elif rule.measure is Measure.UNITS:
        value = used
    elif usage.limit.units == 0:
        value = None  # not sold to this tenant: there is nothing to use up
    elif rule.measure is Measure.PERCENT:
        value = percent_of(used, usage.limit.units)
    else:
        known, value = _time_to_limit(usage, used, pace, now)
    return Reading(
        rule=rule,
        tenant=tenant.id,
        tenant_name=tenant.name,
        plan=tenant.plan,
        resource=usage.resource,
        period=period.label,
        period_end_ms=None if period.endless else _ms(period.end),
        value=value,
        used=used,
        limit=usage.limit.units,
        known=known,
    )


def _time_to_limit(
    usage: Usage, used: int, pace: Pace, now: datetime
) -> tuple[bool, int | None]:
    """Return whether it is known, and the seconds, as `seconds_left` does."""
    limit = usage.limit.units
    if limit is None:
        return True, None
    if used >= limit:
        return True, 0
    rate = pace(usage)
    if rate is None:
        return False, None
    return True, seconds_left(limit - used, rate, usage, now)


def seconds_left(units: int, rate: float, usage: Usage, now: datetime) -> int | None:
    """Return seconds until `units` are used; None if the period ends before that."""
    if rate <= 0:
        return None
    seconds = units / rate
    if not usage.period.endless and seconds > (usage.period.end - now).total_seconds():
        return None
    return int(seconds) if seconds < 366 * 86_400 else None


def drift_readings(
    rules: Iterable[AlertRule],
    tenant: Tenant,
    counter: CounterId,
    *,
    period_end: datetime | None,
    drift: Decimal,
    used: int,
) -> Iterator[Reading]:
    """Yield what rules of drift find of a counter that was compared with Stripe."""
    units = int(drift.to_integral_value(ROUND_UP))
    share = -(-units * 100 // used) if used > 0 else (100 if units else 0)
    for rule in rules:
        if rule.resource not in (None, counter.resource):
            continue
        yield Reading(
            rule=rule,
            tenant=tenant.id,
            tenant_name=tenant.name,
            plan=tenant.plan,
            resource=counter.resource,
            period=counter.period,
            period_end_ms=None if period_end is None else _ms(period_end),
            value=units if rule.measure is Measure.DRIFT else share,
            used=used,
        )


def lag_readings(rules: Iterable[AlertRule], lag_s: float) -> Iterator[Reading]:
    """Yield what rules of lag find; the alerts are no tenant's."""
    for rule in rules:
        yield Reading(
            rule=rule,
            tenant=TenantId(""),
            tenant_name="",
            plan="",
            resource="",
            period=LAG_PERIOD,
            period_end_ms=None,
            value=int(lag_s),
        )


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
