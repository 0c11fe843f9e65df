"""Filters over meter events, in the language that all filters have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from meterdeck.core.model.event_life import EventState
from meterdeck.core.model.events import EventSource, LoggedEvent
from meterdeck.core.model.filter import Op, RecordFilter, record_filter
from meterdeck.core.model.filter.completion import FieldHint, Hints

EVENT_FIELDS: Mapping[str, Callable[[LoggedEvent], str]] = {
    "tenant": lambda line: line.tenant,
    "resource": lambda line: line.resource,
    "state": lambda line: line.life.value,
    "source": lambda line: line.source.value,
    "outcome": lambda line: line.outcome.value,
    "id": lambda line: line.event.identifier,
    "meter": lambda line: line.event.event_name,
    "customer": lambda line: line.event.customer,
    "value": lambda line: line.event.value,
    "message": lambda line: line.message,
    "code": lambda line: line.code,
    "request": lambda line: line.request_id,
    "at": lambda line: f"{line.at:%Y-%m-%d %H:%M:%S}",
    "dimension": lambda line: " ".join(
        f"{name}={value}" for name, value in line.event.dimensions
    ),
}


@lru_cache(maxsize=16)
def event_filter(text: str) -> RecordFilter[LoggedEvent]:
    """Return what tells whether a line of the delivery log is wanted.

    Raises:
        BadInput: The text cannot be read as a filter of events.
    """
    return record_filter(text, EVENT_FIELDS)


def event_hints() -> Hints:
    """Return what a filter of events can be made of."""
    values = {"state": tuple(EventState), "source": tuple(EventSource)}
    return Hints(
        [FieldHint(name, Op.HAS, values.get(name, ())) for name in EVENT_FIELDS]
    )
