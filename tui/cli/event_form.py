"""The JSON forms of meter events: stable keys, as docs/command-line.md has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from meterdeck.core.model.delivery import Attempt
from meterdeck.core.model.event_changes import EventPlan, doing_words
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.ledger import EventStory, LedgerEvent
from meterdeck.core.model.windows import Window
from meterdeck.tui.cli.json_form import Form, moment


def line_form(logged: LoggedEvent) -> Form:
    """Return a line of the delivery log."""
    event = logged.event
    return {
        "id": logged.id,
        "at": moment(logged.at),
        "source": logged.source.value,
        "outcome": logged.outcome.value,
        "tenant": logged.tenant,
        "resource": logged.resource,
        "event_name": event.event_name,
        "identifier": event.identifier,
        "customer": event.customer,
        "value": event.value,
        "timestamp": moment(event.timestamp),
        "message": logged.message,
        "request_id": logged.request_id,
        "latency_ms": logged.latency_ms,
        "state": logged.life.value,
        "period": logged.period or None,
        "units": logged.units,
        "scale": logged.scale,
        "dimensions": dict(event.dimensions),
        "attempts": logged.attempts,
        "code": logged.code or None,
        "idempotency_key": logged.idempotency_key or None,
        "first_sent_at": moment(logged.first_sent_at),
    }


def event_form(event: LedgerEvent) -> Form:
    """Return an event as it stands; no id and no outcome where it has no line."""
    form = line_form(event.line) | {
        "at": moment(event.at),
        "state": event.state.value,
        "reason": doing_words(event) or (event.letter.reason if event.letter else None),
    }
    return form if event.answered else form | {"id": None, "outcome": None}


def story_form(story: EventStory) -> Form:
    """Return one event in full."""
    return {
        "event": event_form(story.event),
        "requests": [attempt_form(attempt) for attempt in story.attempts],
        "body": dict(story.body),
        "windows": windows_form(story.windows, story.now),
        "confirmed_at": moment(story.confirmed_at),
    }


def attempt_form(attempt: Attempt) -> Form:
    """Return one request and its answer."""
    return {
        "at": moment(attempt.at),
        "answer": attempt.answer.value,
        "status": attempt.status or None,
        "code": attempt.code or None,
        "message": attempt.message,
        "request_id": attempt.request_id or None,
        "idempotency_key": attempt.idempotency_key or None,
        "latency_ms": attempt.latency_ms,
    }


def windows_form(windows: Sequence[Window], now: datetime) -> list[Form]:
    """Return windows, the first to close first."""
    return [
        {
            "window": window.kind.value,
            "closes_at": moment(window.closes_at),
            "open": window.is_open(now),
            "seconds_left": int(window.left(now).total_seconds()),
        }
        for window in windows
    ]


def plan_form(plan: EventPlan) -> Form:
    """Return what a change would do to an event, or why it cannot be made."""
    return {
        "event": event_form(plan.event),
        "windows": windows_form(plan.windows, plan.now),
        "change": plan.change.value,
        "problem": plan.problem or None,
    }
