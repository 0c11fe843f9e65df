"""A directory entry's fields, as every part that reads Redis knows them.

All are text: times in Unix seconds, `limit:<resource>` whole units or `unlimited`.
A field that is missing is unknown; one that makes no sense is taken for missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from meterdeck.core.model.limit_rules import LimitRule, read_rule
from meterdeck.core.model.packed import pack_seconds, pack_texts
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.usage import (
    PlanName,
    ResourceName,
    Tenant,
    TenantId,
    TenantStatus,
    Terms,
)
from meterdeck.core.services.current_periods import CYCLE_FIELDS, read_cycle

MOST_KEPT = 2_000
"""Different terms that tenants share; where each has its own, sharing gains nothing."""
_UNLIMITED = "unlimited"
_LIMIT = "limit:"
_RULE = "rule:"
_LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second a datetime holds
_LIMIT_RAW, _RULE_RAW = _LIMIT.encode(), _RULE.encode()
_ANCHOR = CYCLE_FIELDS[0].encode()
_CYCLE_RAW = tuple(field.encode() for field in CYCLE_FIELDS)
_STATUSES = {status.value.encode(): status for status in TenantStatus}

Fields = Mapping[bytes, bytes]
"""An entry as it is in Redis."""
Limits = Mapping[ResourceName, int | None]
Rules = Mapping[ResourceName, LimitRule]
_Items = tuple[tuple[bytes, bytes], ...]
_K = TypeVar("_K")
_V = TypeVar("_V")


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
    """Reads entries back; what is equal in many of them is one object.

    Many thousand entries are read by one: what they share is looked up by the bytes
    that said so before.
    """

    def __init__(self) -> None:
        self._terms: dict[tuple[object, ...], Terms] = {}
        self._limits: dict[_Items, Limits] = {}
        self._rules: dict[_Items, Rules] = {}

    def tenant(self, name: TenantId, fields: Fields) -> Tenant:
        """Return the tenant an entry describes."""
        value = fields.get
        shown = decode(value(b"name", b"")) or name
        customer = decode(value(b"customer", b""))
        terms = self._terms_of(fields)
        return Tenant.packed(
            name,
            pack_texts(
                customer,
                decode(value(b"subscription", b"")),
                name if shown == name else shown,
            ),
            terms,
            pack_seconds(
                None if terms.interval is None else int(fields[_ANCHOR]),
                read_seconds(value(b"period_start")),
                read_seconds(value(b"period_end")),
            ),
        )

    def _terms_of(self, fields: Fields) -> Terms:
        value = fields.get
        limits = tuple([item for item in fields.items() if item[0][:6] == _LIMIT_RAW])
        rules = tuple([item for item in fields.items() if item[0][:5] == _RULE_RAW])
        plan, status = value(b"plan", b""), value(b"status", b"")
        cycle = read_cycle(list(map(value, _CYCLE_RAW)))
        interval, count = (cycle.interval, cycle.count) if cycle else (None, 0)
        return _kept(
            self._terms,
            (plan, status, interval, count, limits, rules),
            lambda: Terms(
                PlanName(decode(plan)),
                _STATUSES.get(status, TenantStatus.UNKNOWN),
                _kept(self._limits, limits, lambda: dict(_read_limits(limits))),
                _kept(self._rules, rules, lambda: _read_rules(rules)),
                interval,
                count,
            ),
        )


def _kept(known: dict[_K, _V], key: _K, make: Callable[[], _V]) -> _V:
    try:
        return known[key]
    except KeyError:
        if len(known) >= MOST_KEPT:
            known.clear()  # those who have one keep it; it is only not shared any more
        made = known[key] = make()
        return made


def _read_rules(found: _Items) -> Rules:
    rules = {
        ResourceName(decode(field).removeprefix(_RULE)): read_rule(decode(text))
        for field, text in found
    }
    return {name: rule for name, rule in rules.items() if rule is not None}


def _read_limits(found: _Items) -> Iterator[tuple[ResourceName, int | None]]:
    for field, raw in found:
        resource, value = ResourceName(decode(field).removeprefix(_LIMIT)), decode(raw)
        if value == _UNLIMITED:
            yield resource, None
        elif (units := _whole(value)) is not None:
            yield resource, units


def _whole(text: str) -> int | None:
    value = parse_counter(encode(text))
    return value if value is not None and value >= 0 else None


def read_moment(text: str | None) -> datetime | None:
    """Return the moment a field names in Unix seconds, None where it names none."""
    seconds = read_seconds(encode(text)) if text else None
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def read_seconds(raw: bytes | None) -> int | None:
    """Return the Unix seconds of a field that a datetime can hold, else None."""
    seconds = parse_counter(raw) if raw else None
    return seconds if seconds is not None and 0 <= seconds <= _LATEST else None


def write_moment(moment: datetime | None) -> str:
    """Return a moment in Unix seconds, empty for none."""
    return str(int(moment.timestamp())) if moment else ""
