"""Lines of the delivery log as fields of a stream's entry, and as what they tell.

A field that is missing is empty or 0: lines of other releases are read as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from sys import intern
from typing import Any

from meterdeck.core.model.delivery import Settlement, Verdict
from meterdeck.core.model.event_life import Answer, Attempt, EventState
from meterdeck.core.model.events import (
    EventOutcome,
    EventSource,
    LoggedEvent,
    MeterEvent,
)
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.usage import ResourceName, TenantId

EARLIER_KEPT = 20
"""Earlier requests of one line that are kept, the newest of them."""

_LONGEST_MESSAGE = 500
_LONGEST_LATENCY_MS = 86_400_000
_LATEST_MS = 253_402_300_799_000  # 9999-12-31T23:59:59Z, the last a datetime holds
_HIGHEST_SCALE = 9
_OUTCOMES = {each.value: each for each in EventOutcome}
_SOURCES = {each.value: each for each in EventSource}
_STATES = {each.value: each for each in EventState}
_ANSWERS = {each.value: each for each in Answer}
_SETTLED = {
    Verdict.DELIVERED: EventState.ACCEPTED,
    Verdict.LATER: EventState.IN_FLIGHT,
    Verdict.DEAD: EventState.DEAD,
    Verdict.AMBIGUOUS: EventState.AMBIGUOUS,
}


def line_of(settlement: Settlement) -> LoggedEvent:
    """Return the line that tells of a counter's event and how it was settled."""
    claim = settlement.claim
    line = LoggedEvent(
        id="",
        at=claim.claimed_at,
        source=EventSource.WORKER,
        outcome=EventOutcome.UNKNOWN,
        tenant=claim.counter.tenant,
        resource=ResourceName(claim.counter.resource),
        event=claim.event,
        period=claim.counter.period,
        units=claim.units,
        scale=claim.scale,
        first_sent_at=claim.claimed_at,
    )
    return settled_line(
        line,
        settlement.verdict,
        settlement.attempt,
        attempts=settlement.attempts,
        earlier=settlement.earlier,
    )


def settled_line(
    line: LoggedEvent,
    verdict: Verdict,
    attempt: Attempt | None,
    *,
    attempts: int = 1,
    earlier: tuple[Attempt, ...] = (),
) -> LoggedEvent:
    """Return `line`, which says what the event is, with how it was settled."""
    if attempt is None:
        return replace(
            line,
            outcome=EventOutcome.UNKNOWN,
            state=_SETTLED[verdict],
            attempts=attempts,
            earlier=earlier,
        )
    return replace(
        line,
        outcome=_OUTCOMES[attempt.answer.value],
        state=_SETTLED[verdict],
        message=attempt.message,
        code=attempt.code,
        status=attempt.status,
        request_id=attempt.request_id,
        idempotency_key=attempt.idempotency_key,
        latency_ms=attempt.latency_ms,
        sent_at=attempt.at,
        attempts=attempts,
        earlier=earlier,
    )


def attempts_of(line: LoggedEvent) -> tuple[Attempt, ...]:
    """Return the requests a line tells of, oldest first; none where none was sent."""
    answer = _ANSWERS[line.outcome.value]
    last = Attempt(
        answer,
        line.sent_at or line.at,
        message=line.message,
        code=line.code,
        status=line.status,
        request_id=line.request_id,
        idempotency_key=line.idempotency_key,
        latency_ms=line.latency_ms,
    )
    sent = line.sent_at is not None or line.state is None
    return (*line.earlier, last) if sent else line.earlier


def line_fields(line: LoggedEvent) -> dict[str, str]:
    """Return the fields of a line's entry; what is empty is left out."""
    event = line.event
    fields = {
        "source": line.source.value,
        "outcome": line.outcome.value,
        "state": line.life.value,
        "tenant": line.tenant,
        "resource": line.resource,
        "period": line.period,
        "event_name": event.event_name,
        "identifier": event.identifier,
        "customer": event.customer,
        "value": event.value,
        "timestamp": str(int(event.timestamp.timestamp())),
        "dimensions": json.dumps(dict(event.dimensions)) if event.dimensions else "",
        "units": "" if line.units is None else str(line.units),
        "scale": str(line.scale) if line.scale else "",
        "message": line.message[:_LONGEST_MESSAGE],
        "code": line.code,
        "status": str(line.status) if line.status else "",
        "request_id": line.request_id,
        "idempotency_key": line.idempotency_key,
        "latency_ms": str(line.latency_ms),
        "attempts": str(line.attempts),
        "first_sent_at": _milliseconds(line.first_sent_at),
        "sent_at": _milliseconds(line.sent_at),
        "earlier": _write_earlier(line.earlier),
    }
    return {name: text for name, text in fields.items() if text}


def read_line(
    line_id: str, at: datetime, fields: Mapping[str, str]
) -> LoggedEvent | None:
    """Return the line an entry tells; None for what is none of ours."""
    source = _SOURCES.get(fields.get("source", ""))
    outcome = _OUTCOMES.get(fields.get("outcome", ""))
    seconds = _number(fields, "timestamp", None, _LATEST_MS // 1000)
    if source is None or outcome is None or seconds is None:
        return None
    return LoggedEvent(
        id=line_id,
        at=at,
        source=source,
        outcome=outcome,
        tenant=TenantId(_shared(fields, "tenant")),
        resource=ResourceName(_shared(fields, "resource")),
        event=MeterEvent(
            event_name=_shared(fields, "event_name"),
            identifier=fields.get("identifier", ""),
            customer=_shared(fields, "customer"),
            value=fields.get("value", ""),
            timestamp=datetime.fromtimestamp(seconds, UTC),
            dimensions=read_dimensions(fields.get("dimensions", "")),
        ),
        message=fields.get("message", ""),
        request_id=fields.get("request_id", ""),
        latency_ms=_number(fields, "latency_ms", 0, _LONGEST_LATENCY_MS) or 0,
        state=_STATES.get(fields.get("state", "")),
        period=_shared(fields, "period"),
        units=parse_counter(_bytes(fields.get("units", ""))),
        scale=_number(fields, "scale", 0, _HIGHEST_SCALE) or 0,
        attempts=_number(fields, "attempts", 1, 10**9) or 0,
        code=fields.get("code", ""),
        status=_number(fields, "status", 0, 999) or 0,
        idempotency_key=fields.get("idempotency_key", ""),
        first_sent_at=_moment(_number(fields, "first_sent_at", None, _LATEST_MS)),
        sent_at=_moment(_number(fields, "sent_at", None, _LATEST_MS)),
        earlier=_read_earlier(fields.get("earlier", "")),
    )


def read_dimensions(text: str) -> tuple[tuple[str, str], ...]:
    """Return dimensions from a JSON object of texts; what is none has none."""
    found = _json(text)
    if not isinstance(found, dict):
        return ()
    return tuple(sorted((str(name), str(value)) for name, value in found.items()))


def _write_earlier(attempts: tuple[Attempt, ...]) -> str:
    if not attempts:
        return ""
    return json.dumps(
        [
            [
                each.answer.value,
                int(each.at.timestamp() * 1000),
                each.message[:_LONGEST_MESSAGE],
                each.code,
                each.status,
                each.request_id,
                each.idempotency_key,
                each.latency_ms,
            ]
            for each in attempts[-EARLIER_KEPT:]
        ],
        separators=(",", ":"),
    )


def _read_earlier(text: str) -> tuple[Attempt, ...]:
    found = _json(text)
    rows = found[:EARLIER_KEPT] if isinstance(found, list) else []
    attempts = (_attempt(row) for row in rows)
    return tuple(each for each in attempts if each is not None)


def _attempt(row: Any) -> Attempt | None:
    match row:
        case [
            str(answer), int(at), str(message), str(code),
            int(status), str(request_id), str(key), int(latency_ms),
        ] if answer in _ANSWERS and 0 <= at <= _LATEST_MS:  # fmt: skip
            return Attempt(
                _ANSWERS[answer],
                datetime.fromtimestamp(at / 1000, UTC),
                message=message,
                code=code,
                status=status,
                request_id=request_id,
                idempotency_key=key,
                latency_ms=latency_ms,
            )
    return None


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):  # anybody may write into the stream
        return None


def _shared(fields: Mapping[str, str], name: str) -> str:
    """Return a text that many lines have: of all that are read there is one of it."""
    return intern(fields.get(name, ""))


def _number(
    fields: Mapping[str, str], name: str, missing: int | None, most: int
) -> int | None:
    value = parse_counter(_bytes(fields.get(name, "")))
    return value if value is not None and 0 <= value <= most else missing


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _moment(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _milliseconds(moment: datetime | None) -> str:
    return "" if moment is None else str(int(moment.timestamp() * 1000))
