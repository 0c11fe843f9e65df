"""Letters as they are kept in Redis: JSON whose values are texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from meterdeck.core.adapters.redis_client import from_milliseconds
from meterdeck.core.model.delivery import EventState, Letter, LetterSource
from meterdeck.core.model.event_lines import read_dimensions
from meterdeck.core.model.events import LoggedEvent, MeterEvent
from meterdeck.core.model.names import name_text
from meterdeck.core.model.quantity import format_quantity, parse_counter
from meterdeck.core.model.usage import TenantId

_LATEST_MS = 253_402_300_799_000  # 9999-12-31T23:59:59Z, the last a datetime holds
_HIGHEST_SCALE = 9
_STATES = {each.value: each for each in EventState}
_SOURCES = {each.value: each for each in LetterSource}


def read_letter(tenant: TenantId, identifier: bytes, raw: bytes) -> Letter | None:
    """Read a letter back; None for what is none of ours."""
    try:
        found = json.loads(name_text(raw))
    except (ValueError, RecursionError):  # anybody may write into the hash
        return None
    if not isinstance(found, dict):
        return None
    fields = {str(name): str(value) for name, value in found.items()}
    units, scale = _number(fields, "units"), _number(fields, "scale") or 0
    state, source = (
        _STATES.get(fields.get("state", "")),
        _SOURCES.get(fields.get("source", "")),
    )
    at, sent = _number(fields, "at"), _number(fields, "first_sent_at")
    second = _number(fields, "timestamp")
    if state is None or source is None or units is None or at is None:
        return None
    if not 0 <= scale <= _HIGHEST_SCALE:
        return None
    return Letter(
        tenant=tenant,
        resource=fields.get("resource", ""),
        period=fields.get("period", ""),
        event=MeterEvent(
            event_name=fields.get("event_name", ""),
            identifier=name_text(identifier),
            customer=fields.get("customer", ""),
            value=fields.get("value") or format_quantity(units, scale),
            timestamp=from_milliseconds(_within((second or 0) * 1000)),
            dimensions=read_dimensions(fields.get("dimensions", "")),
        ),
        units=units,
        scale=scale,
        state=state,
        source=source,
        first_sent_at=from_milliseconds(_within(sent or 0)),
        at=from_milliseconds(_within(at)),
        attempts=_number(fields, "attempts") or 0,
        reason=fields.get("reason", ""),
        code=fields.get("code", ""),
        request_id=fields.get("request_id", ""),
        doing=fields.get("doing", ""),
        level=fields.get("level", ""),
        rebill=fields.get("rebill") == "1",
    )


def write_letter(letter: Letter) -> str:
    """Return a letter of the queue as its hash has it."""
    event = letter.event
    form = {
        "resource": letter.resource,
        "period": letter.period,
        "identifier": event.identifier,
        "event_name": event.event_name,
        "customer": event.customer,
        "value": event.value,
        "timestamp": str(int(event.timestamp.timestamp())),
        "dimensions": _dimensions(event.dimensions),
        "units": str(letter.units),
        "scale": str(letter.scale),
        "state": letter.state.value,
        "source": letter.source.value,
        "first_sent_at": _ms(letter.first_sent_at),
        "at": _ms(letter.at),
        "attempts": str(letter.attempts),
        "reason": letter.reason,
        "code": letter.code,
        "request_id": letter.request_id,
    }
    text = json.dumps(form, ensure_ascii=False, separators=(",", ":"))
    # Scripts read it: what is not UTF-8, which is none of track()'s, is replaced.
    return text.encode("utf-8", "replace").decode()


def letter_of(line: LoggedEvent, state: EventState, *, reason: str = "") -> Letter:
    """Return the letter that an event of the delivery log would be."""
    source = LetterSource.COUNTER if line.sequence else LetterSource.QUEUE
    return Letter(
        tenant=line.tenant,
        resource=line.resource,
        period=line.period,
        event=line.event,
        units=line.units or 0,
        scale=line.scale,
        state=state,
        source=source,
        first_sent_at=line.first_sent_at or line.at,
        at=line.at,
        attempts=line.attempts,
        reason=reason,
    )


def _number(fields: Mapping[str, str], name: str) -> int | None:
    return parse_counter(fields.get(name, "").encode("utf-8", "surrogateescape"))


def _within(milliseconds: int) -> int:
    return min(max(0, milliseconds), _LATEST_MS)


def _dimensions(pairs: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(pairs), ensure_ascii=False, separators=(",", ":"))


def _ms(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))
