"""A queue's entries, as `track()` writes them and workers read them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from meterdeck.core.adapters.queue_calls import RawEntry
from meterdeck.core.model.delivery import LONGEST_TEXT
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.queued import MOST_DIMENSIONS
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.services.tenant_fields import decode, encode, read_moment

_VALUE = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,9})?")
_LONGEST_TENANT = 512
_LONGEST_SHOWN = 300
_MOST_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry says; the customer is not in it."""

    tenant: TenantId
    resource: ResourceName
    period: str
    event: MeterEvent
    units: int
    scale: int


def read_entry(raw: RawEntry) -> Entry | str:
    """Read an entry, or say what is wrong with it: `track()` did not write it."""
    fields = {decode(name): decode(value) for name, value in raw.fields.items()}
    for name in ("tenant", "resource", "period", "identifier", "event_name"):
        most = _LONGEST_TENANT if name == "tenant" else LONGEST_TEXT
        if not 1 <= len(fields.get(name, "")) <= most:
            return f"{name} is {_shown(fields.get(name))}"
    units = parse_counter(encode(fields.get("units", "")))
    scale = parse_counter(encode(fields.get("scale", "")))
    at = read_moment(fields.get("timestamp"))
    dimensions = _dimensions(fields.get("dimensions", ""))
    wrong = {
        "units": units is None,
        "scale": scale is None or not 0 <= scale <= _MOST_DECIMALS,
        "timestamp": at is None,
        "value": _VALUE.fullmatch(fields.get("value", "")) is None,
        "dimensions": dimensions is None,
    }
    for name, found in wrong.items():
        if found:
            return f"{name} is {_shown(fields.get(name))}"
    assert units is not None
    assert scale is not None
    assert at is not None
    event = MeterEvent(
        fields["event_name"],
        fields["identifier"],
        "",
        fields["value"],
        at,
        dimensions or (),
    )
    return Entry(
        TenantId(fields["tenant"]),
        ResourceName(fields["resource"]),
        fields["period"],
        event,
        units,
        scale,
    )


def foreign_entry(raw: RawEntry, tenant: str) -> Entry:
    """Return what a letter can say of an entry that `track()` did not write."""
    fields = {decode(name): decode(value) for name, value in raw.fields.items()}
    named = tenant or fields.get("tenant", "")[:_LONGEST_TENANT] or "unknown"
    event = MeterEvent(
        fields.get("event_name", "")[:LONGEST_TEXT],
        f"queue-{raw.id}",
        "",
        fields.get("value", "")[:LONGEST_TEXT],
        raw.queued_at,
    )
    resource = ResourceName(fields.get("resource", "")[:LONGEST_TEXT] or "unknown")
    period = fields.get("period", "")[:LONGEST_TEXT] or "unknown"
    return Entry(TenantId(named), resource, period, event, 0, 0)


def write_dimensions(dimensions: Mapping[str, str] | None) -> str:
    """Return dimensions as an entry has them: the same text for the same ones."""
    ordered = dict(sorted((dimensions or {}).items()))
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))


def _dimensions(text: str) -> tuple[tuple[str, str], ...] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or len(found) > MOST_DIMENSIONS:
        return None
    if not all(isinstance(value, str) for value in found.values()):
        return None
    return tuple(sorted(found.items()))


def _shown(text: str | None) -> str:
    return "missing" if text is None else repr(visible(text, _LONGEST_SHOWN))
