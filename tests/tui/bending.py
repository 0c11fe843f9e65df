"""Makes every text in values hostile, the same text everywhere in the same way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from tests.support.tenants import but

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Context
from meterdeck.core.model.fault_knobs import Knob
from meterdeck.core.model.faults import Faults
from meterdeck.core.model.usage import Resource, Tenant

PAYLOAD = "\x1b]52;c;RVZJTA==\x07\x9b2J\u202e\u200b[@click=app.quit]"
_AS_THEY_ARE = (
    Enum,
    Context,
    Resource,
    Knob,
    Faults,
    int,
    float,
    Decimal,
    date,
    timedelta,
    bytes,
)
"""Numbers and moments, and what is the operator's own: settings, resources, faults."""
_PLACE = re.compile(r"\d+-\d+")
"""A stream's own id, which nobody else gives."""
_READ = frozenset({"resource", "period", "currency", "amount", "value", "text"})
"""Fields whose text is read by ours before it is shown, and refused where it is odd."""


def bent(value: Any) -> Any:
    """Return a value whose texts begin with something that a terminal acts on."""
    if value is None or isinstance(value, _AS_THEY_ARE):
        return value
    if isinstance(value, Tenant):
        return _bent_tenant(value)
    if isinstance(value, str):
        kept = not value or _PLACE.fullmatch(value)
        return value if kept else type(value)(PAYLOAD + value)
    if isinstance(value, Mapping):
        return {bent(key): bent(each) for key, each in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return type(value)(bent(each) for each in value)
    dataclass = is_dataclass(value) and not isinstance(value, type)
    return _bent_fields(value) if dataclass else value


def _bent_tenant(value: Tenant) -> Tenant:
    told = ("id", "name", "customer", "subscription", "plan")
    return but(value, **{name: bent(getattr(value, name)) for name in told})


def _bent_fields(value: Any) -> Any:
    for each in fields(value):
        if not each.init or each.name in _READ:
            continue
        old = getattr(value, each.name)
        try:
            value = replace(value, **{each.name: bent(old)})
        except (MeterdeckError, ValueError):
            continue  # ours would never make such a value
    return value
