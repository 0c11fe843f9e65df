"""A directory entry's fields, as every part that reads Redis knows them.

All are text: times in Unix seconds, `limit:<resource>` whole units or `unlimited`.
A field that is missing is unknown; one that makes no sense is taken for missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from meterdeck.core.model.limit_rules import LimitRule, read_rule
from meterdeck.core.model.periods import Cycle
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.usage import (
    PlanName,
    ResourceName,
    Tenant,
    TenantId,
    TenantStatus,
)
from meterdeck.core.services.current_periods import CYCLE_FIELDS, read_cycle

_UNLIMITED = "unlimited"
_LIMIT = "limit:"
_RULE = "rule:"
_LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second a datetime holds
_STATUSES = {status.value: status for status in TenantStatus}

Limits = Mapping[ResourceName, int | None]


def encode(text: str) -> bytes:
    """Return text as Redis holds it; what was not UTF-8 comes out as it came in."""
    return text.encode("utf-8", "surrogateescape")


def decode(raw: bytes | str) -> str:
    """Return what Redis holds as text, whatever it is."""
    # The client's types allow text, though ours is opened to return bytes.
    return raw if isinstance(raw, str) else raw.decode("utf-8", "surrogateescape")


def tenant_to_fields(tenant: Tenant) -> dict[str, str]:
    """Return the fields of a tenant's entry."""
    fields = {
        "name": tenant.name,
        "customer": tenant.customer,
        "subscription": tenant.subscription,
        "plan": tenant.plan,
        "status": tenant.status.value,
        "period_start": write_moment(tenant.period_start),
        "period_end": write_moment(tenant.period_end),
    }
    if tenant.cycle is not None:
        fields["anchor"] = write_moment(tenant.cycle.anchor)
        fields["interval"] = tenant.cycle.interval.value
        fields["interval_count"] = str(tenant.cycle.count)
    for resource, units in tenant.limits.items():
        fields[_LIMIT + resource] = _UNLIMITED if units is None else str(units)
    for resource, rule in tenant.rules.items():
        fields[_RULE + resource] = rule.text
    return {name: value for name, value in fields.items() if value}


class FieldReader:
    """Reads entries back; tenants with equal limits share one mapping of them."""

    def __init__(self) -> None:
        self._limits: dict[tuple[tuple[str, str], ...], Limits] = {}

    def tenant(self, name: TenantId, fields: Mapping[str, str]) -> Tenant:
        """Return the tenant an entry describes."""
        status = fields.get("status", "")
        return Tenant(
            id=name,
            name=fields.get("name") or name,
            customer=fields.get("customer", ""),
            subscription=fields.get("subscription", ""),
            plan=PlanName(fields.get("plan", "")),
            status=_STATUSES.get(status, TenantStatus.UNKNOWN),
            limits=self._limits_of(fields),
            cycle=_cycle(fields),
            period_start=read_moment(fields.get("period_start")),
            period_end=read_moment(fields.get("period_end")),
            rules=_rules(fields),
        )

    def _limits_of(self, fields: Mapping[str, str]) -> Limits:
        found = tuple(item for item in fields.items() if item[0].startswith(_LIMIT))
        known = self._limits.get(found)
        if known is None:
            known = self._limits[found] = dict(_limits(found))
        return known


def _rules(fields: Mapping[str, str]) -> Mapping[ResourceName, LimitRule]:
    found = {
        ResourceName(field.removeprefix(_RULE)): read_rule(text)
        for field, text in fields.items()
        if field.startswith(_RULE)
    }
    return {name: rule for name, rule in found.items() if rule is not None}


def _limits(
    fields: tuple[tuple[str, str], ...],
) -> list[tuple[ResourceName, int | None]]:
    limits: list[tuple[ResourceName, int | None]] = []
    for field, value in fields:
        resource = ResourceName(field.removeprefix(_LIMIT))
        if value == _UNLIMITED:
            limits.append((resource, None))
        elif (units := _whole(value)) is not None:
            limits.append((resource, units))
    return limits


def _cycle(fields: Mapping[str, str]) -> Cycle | None:
    raw = (fields.get(name) for name in CYCLE_FIELDS)
    return read_cycle([None if each is None else encode(each) for each in raw])


def _whole(text: str) -> int | None:
    value = parse_counter(encode(text))
    return value if value is not None and value >= 0 else None


def read_moment(text: str | None) -> datetime | None:
    """Return the moment a field names in Unix seconds, None where it names none."""
    seconds = _whole(text) if text else None
    if seconds is None or seconds > _LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def write_moment(moment: datetime | None) -> str:
    """Return a moment in Unix seconds, empty for none."""
    return str(int(moment.timestamp())) if moment else ""
