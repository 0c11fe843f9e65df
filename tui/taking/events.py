"""Meter events as a sheet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from meterdeck.core.model.events import LoggedEvent
from meterdeck.tui.taking.sheets import Sheet, Value

_COLUMNS = (
    "at",
    "state",
    "tenant",
    "resource",
    "event_name",
    "value",
    "timestamp",
    "identifier",
    "message",
    "request_id",
    "source",
)


def events_sheet(lines: Iterable[LoggedEvent]) -> Sheet:
    """Return lines of the delivery log in their order."""
    return Sheet("events", _COLUMNS, [_row(line) for line in lines])


def _row(line: LoggedEvent) -> list[Value]:
    event = line.event
    return [
        _moment(line.at),
        line.life.value,
        line.tenant,
        str(line.resource),
        event.event_name,
        event.value,
        _moment(event.timestamp),
        event.identifier,
        line.message,
        line.request_id,
        line.source.value,
    ]


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
